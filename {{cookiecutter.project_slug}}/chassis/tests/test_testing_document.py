"""What docs/testing.md says of `chassis.testing` is so, and its examples work."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2

from chassis import testing
from chassis.testing import checks
from chassis.testing._stand_in import _DELAYS, _SCENARIOS

TEXT = (Path(__file__).parents[1] / "docs/testing.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def example(containing: str) -> Any:
    [block] = [each for each in BLOCKS if containing in each]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block, "docs/testing.md", "exec"), names)  # noqa: S102 - Our own.
    return SimpleNamespace(**names)


def test_its_fixtures_exist() -> None:
    table = TEXT.partition("| fixture |")[2].partition("\n\n")[0]
    cells = "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    named = set(re.findall(r"\w+", cells))

    assert {"client", "emptied_url"} <= named
    assert {name for name in named if not hasattr(testing, name)} == set()


def test_a_stand_in_answers_in_the_scenarios_that_it_lists() -> None:
    listed = TEXT.partition('scenario = "slow"`')[2].partition("(404)")[0]

    assert {"slow", *re.findall(r"`([a-z ]+)`", listed)} == _DELAYS.keys() | _SCENARIOS.keys()


def test_the_stand_in() -> None:
    with example("class PaymentsAPI").PaymentsAPI.running() as api:
        assert httpx2.get(f"{api.url}payments/7").json() == {"id": "7"}
        assert len(api.requests) == 1


def test_the_server_as_a_process(emptied_url: str, project: Path) -> None:
    test = example("def test_it_stops")
    test.test_it_stops.__globals__["ServerProcess"] = partial(testing.ServerProcess, root=project)

    test.test_it_stops(emptied_url)


def test_the_check_that_is_left_out_exists() -> None:
    [name] = re.findall(r"^del (\w+)", TEXT, re.MULTILINE)
    assert name in checks.__all__
