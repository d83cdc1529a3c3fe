"""The checks that every service passes: the example passes them, and each notices what it is for."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from chassis.settings import EnvironmentSettings, SettingsGroup
from chassis.testing.checks import *  # noqa: F403 - Each is a test.
from chassis.testing.checks import env_example, lock, rules

del globals()["test_the_chassis_is_nobody_elses_package"]  # The example has no lock; what it asks is tested below.
# It is long, and the example has no routes to speak of; each service's own check runs it.
del globals()["test_the_service_keeps_the_promises_of_its_document"]

pytestmark = pytest.mark.usefixtures("unmeasured")


class Group(SettingsGroup):
    url: str
    size: int = 5


class Settings(EnvironmentSettings):
    database: Group
    key: str
    tls: Group | None = None
    names: tuple[str, ...] = ()
    is_on: bool = False


RIGHT = """# APP_DATABASE__URL=
# APP_DATABASE__SIZE=5
# APP_KEY=example
# APP_TLS__URL=
# APP_TLS__SIZE=5
# APP_NAMES=
# APP_IS_ON=false
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("x", "x", ""),
        ("# APP_IS_ON=false\n", "", "APP_IS_ON is missing: # APP_IS_ON=false"),
        ("SIZE=5", "SIZE=6", "APP_DATABASE__SIZE is not 6 by default: # APP_DATABASE__SIZE=5"),
        ("# APP_NAMES", "# APP_NAME", "APP_NAME is not a setting; remove its line"),
        (
            "# APP_KEY=example",
            "# APP_KEY=",
            "APP_KEY has no default, so give it an example, which the tests use too: # APP_KEY=…",
        ),
    ],
)
def test_an_example_that_differs_is_told_line_by_line(old: str, new: str, problem: str) -> None:
    found = list(env_example.problems(RIGHT.replace(old, new), Settings))
    assert problem in (found or [""])


WORKSPACE = {"tool": {"uv": {"sources": {"service-chassis": {"workspace": True}}}}}
OWN_INDEX = {
    "tool": {
        "uv": {
            "sources": {"service-chassis": {"index": "ours"}},
            "index": [{"name": "ours", "url": "https://packages.example/simple/"}],
        }
    }
}


@pytest.mark.parametrize(
    ("source", "pyproject", "problem"),
    [
        ({"editable": "chassis"}, WORKSPACE, ""),
        ({"registry": "wheels"}, {}, ""),
        ({"registry": "https://packages.example/simple"}, OWN_INDEX, ""),
        (
            {"registry": "https://pypi.example/simple"},
            {},
            "uv.lock has service-chassis from https://pypi.example/simple",
        ),
        ({"registry": "https://pypi.example/simple"}, WORKSPACE, "uv.lock has service-chassis from https://pypi"),
        ({"registry": "https://pypi.example/simple"}, OWN_INDEX, "uv.lock has service-chassis from https://pypi"),
    ],
)
def test_a_lock_that_has_it_from_elsewhere_is_refused(
    source: dict[str, str], pyproject: dict[str, Any], problem: str
) -> None:
    found = lock.problem_of({"package": [{"name": "service-chassis", "source": source}]}, pyproject)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("rule", "name", "line"),
    [
        (rules.test_what_the_chassis_does_is_not_done_again, "things.py", "def f(session): session.commit()"),
        (rules.test_what_the_chassis_does_is_not_done_again, "things.py", "def f(): AsyncClient()"),
        (rules.test_only_the_faces_of_the_chassis_are_imported, "things.py", "from chassis.database._driver import x"),
        (rules.test_what_decides_knows_nothing_of_http, "service.py", "from fastapi import Request"),
        (rules.test_nothing_happens_at_import_time, "things.py", "settings = Settings.load()"),
    ],
)
def test_a_broken_rule_names_the_file(project: Path, tmp_path: Path, rule: Any, name: str, line: str) -> None:
    service = shutil.copytree(project, tmp_path / "service")
    rule(service)
    (service / "src/example" / name).write_text(f"{line}\n")
    with pytest.raises(AssertionError, match=rf"src/example/{name}"):
        rule(service)


def test_the_rule_on_relationships_finds_one() -> None:
    class Another(DeclarativeBase):
        """Apart from the service's own tables."""

    class Parent(Another):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Child(Another):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(ForeignKey(Parent.id), primary_key=True)
        careless = relationship(Parent)
        careful = relationship(Parent, lazy="raise", viewonly=True)

    del Child
    assert rules.lazily_loaded(Another) == ["Child.careless"]
