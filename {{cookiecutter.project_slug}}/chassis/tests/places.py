from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "tests/example"
"""The service that the tests run on: as small as the chassis lets it be."""
