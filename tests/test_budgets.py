"""What the template puts into a service stays small: docs/decisions/budgets.md says why each number is so."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE, files

CHASSIS = ROOT / SERVICE / "chassis/src/chassis"
# Outside of what a service is counted by: not read by somebody who builds on it.
NOT_COUNTED = ("chassis/", "deploy/kubernetes/", "deploy/observability/")
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
CONCEPTS = sorted(path for path in CHASSIS.iterdir() if path.is_dir() and any(path.glob("*.py")))


def test_a_fresh_service_has_few_files(baked: Path) -> None:
    counted = [name for name in files(baked) if not name.startswith(NOT_COUNTED)]
    assert len(counted) + len(("uv.lock", ".cruft.json")) <= 75


def test_the_code_and_the_tests_of_a_fresh_service_are_few_lines(baked: Path) -> None:
    assert lines_of_code((baked / "src/app").rglob("*.py")) <= 500
    assert sum(len(path.read_text().splitlines()) for path in (baked / "tests").rglob("*.py")) <= 1_100
    assert len((baked / "README.md").read_text().splitlines()) <= 120


def test_a_newcomer_opens_three_files_to_add_an_endpoint(baked: Path) -> None:
    page = (baked / "docs/add-a-feature.md").read_text()
    section = page.partition("## Add an endpoint")[2].partition("\n## ")[0]
    named = set(re.findall(r"`((?:src|tests)/[\w/]+\.py)`", section))
    assert 0 < len(named) <= 3


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda path: path.name)
def test_a_concept_of_the_chassis_keeps_its_budget(concept: Path) -> None:
    # What make runs and what tests stand on are many small concepts under one name each.
    budget = 600 if concept.name not in ("dev", "testing") else 1_500
    assert lines_of_code(concept.rglob("*.py")) <= budget


def test_files_and_functions_are_short() -> None:
    sources = [
        *CHASSIS.rglob("*.py"),
        *(ROOT / SERVICE / "src").rglob("*.py"),
        *(ROOT / "tools").rglob("*.py"),
    ]
    assert sources
    for path in sources:
        text = path.read_text()
        assert text.count("\n") <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 25, f"{path}: {node.name}"


def lines_of_code(paths: Iterable[Path]) -> int:
    return sum(len(code(path.read_text()) - docstrings(path.read_text())) for path in paths)


def code(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = (token for token in tokens if token.type not in NO_CODE)
    return {line for token in found for line in range(token.start[0], token.end[0] + 1)}


def docstrings(text: str) -> set[int]:
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    strings = (
        node for node in nodes if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def test_comments_and_docstrings_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        '"""One.\n\nTwo.\n"""\n\n# A comment.\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return 1\n'
    )
    assert lines_of_code([path]) == 5
