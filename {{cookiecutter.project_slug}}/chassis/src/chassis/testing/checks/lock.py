"""The name of the chassis is free on PyPI, so anyone may take it: a lock must not install it from there."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

NAME = "service-chassis"


def test_the_chassis_is_nobody_elses_package(project: Path) -> None:
    if not (project / "uv.lock").exists():
        pytest.skip("there is no uv.lock yet: uv lock")
    lock = tomllib.loads((project / "uv.lock").read_text("utf-8"))
    assert problem_of(lock, tomllib.loads((project / "pyproject.toml").read_text("utf-8"))) == ""


def problem_of(lock: dict[str, Any], project: dict[str, Any]) -> str:
    sources = [each["source"] for each in lock.get("package", ()) if each["name"] == NAME]
    uv = project.get("tool", {}).get("uv", {})
    wanted = uv.get("sources", {}).get(NAME, {})
    indexes = {each["url"].rstrip("/") for each in uv.get("index", ()) if each.get("name") == wanted.get("index")}
    for source in sources:
        registry = source.get("registry", "")
        if registry.startswith(("http://", "https://")) and registry.rstrip("/") not in indexes:
            return (
                f"uv.lock has {NAME} from {registry}, which is not where [tool.uv.sources] of pyproject.toml says: "
                f"{NAME} = {{ workspace = true }}, or the name of an index of your own"
            )
    return "" if sources else f"uv.lock has no {NAME}: uv lock"
