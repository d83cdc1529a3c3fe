"""Which project a command works on, and what of it has which name."""

from pathlib import Path

import pytest

from chassis.dev.project import Names, examples, found, loaded, names
from tests.places import EXAMPLE


def test_a_project_is_found_from_a_folder_below_it(tmp_path: Path) -> None:
    (tmp_path / "tests/orders").mkdir(parents=True)
    assert found(tmp_path / "tests/orders") == tmp_path / "tests/orders"
    (tmp_path / "pyproject.toml").touch()
    assert found(tmp_path / "tests/orders") == found(tmp_path) == tmp_path


def test_names_are_those_of_a_fresh_service_unless_others_are_given(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    assert names(tmp_path) == Names("app.main:create_app", "app.settings:Settings")
    assert names(EXAMPLE) == Names("example.main:create_app", "example.settings:Settings")
    assert loaded(names(EXAMPLE).settings).__name__ == "Settings"


def test_a_name_that_there_is_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.chassis]\napplicaton = "app.main:create_app"\n')
    with pytest.raises(TypeError, match="applicaton"):
        names(tmp_path)


def test_only_settings_without_a_default_take_their_example(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.chassis]\nsettings = "tests.dev.mandatory:Settings"\n')
    lines = [
        "# APP_KEY=example",
        "# APP_SIZE=7",
        "# APP_DATABASE__URL=postgresql://x/y",
        "# APP_UNKNOWN=1",
        "# A text.",
    ]
    (tmp_path / ".env.example").write_text("\n".join(lines))
    assert list(examples(tmp_path)) == [("APP_KEY", "example")]
