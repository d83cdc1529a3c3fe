"""The Jinja law: what an engineer reads in a service is what stands in the template."""

import ast
import json
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from local_extensions import MARKUP
from tests.baking import SERVICE, UNRENDERED, Baker, files

# All that may hold answers, see docs/decisions. A licence becomes LICENSE.
RENDERED = {"README.md", "pyproject.toml", ".python-version", ".env.example"}
RENDERED |= {"Dockerfile", "compose.yaml", "deploy/compose/swarm.yaml"}
RENDERED |= {"licenses/MIT.txt", "licenses/Proprietary.txt"}
# An option that is on brings these; names and namespaces are made of the slug.
MANIFESTS = "deploy/kubernetes/"


@pytest.fixture(scope="module")
def sources(baker: Baker) -> dict[str, Path]:
    return files(baker.template / SERVICE)


@pytest.fixture(scope="module")
def whole(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a service that has everything which a question can bring."""
    return baker.bake(tmp_path_factory.mktemp("whole"), {"kubernetes": "yes"})


def may_render(name: str) -> bool:
    return name in RENDERED or (name.startswith(MANIFESTS) and not name.endswith(".md"))


def is_copied(baker: Baker, name: str) -> bool:
    patterns = json.loads((baker.template / "cookiecutter.json").read_text())["_copy_without_render"]
    return any(fnmatch(name, pattern) for pattern in patterns)


def test_all_but_a_few_files_are_copied_byte_for_byte(sources: dict[str, Path], whole: Path) -> None:
    kept = {name: path for name, path in sources.items() if "licenses" not in name}
    plain = {name: path for name, path in kept.items() if not may_render(name)}
    changed = [name for name, path in plain.items() if path.read_bytes() != (whole / name).read_bytes()]
    modes = [name for name, path in kept.items() if path.stat().st_mode != (whole / name).stat().st_mode]

    assert {"src", "chassis"} <= {name.partition("/")[0] for name in plain}
    assert (changed, modes) == ([], [])


def test_a_service_has_the_files_of_the_template_and_no_others(sources: dict[str, Path], whole: Path) -> None:
    expected = {name for name in sources if not name.startswith("licenses/")} | {"LICENSE"}
    assert set(files(whole)) == expected


def test_only_the_few_files_hold_jinja(baker: Baker, sources: dict[str, Path]) -> None:
    def holds(name: str) -> bool:
        return not is_copied(baker, name) and MARKUP.search(sources[name].read_text()) is not None

    assert [name for name in sources if holds(name) and not may_render(name)] == []
    assert [name for name in sources if MARKUP.search(name)] == []


def test_python_make_and_workflows_are_never_rendered(baker: Baker, sources: dict[str, Path]) -> None:
    plain = [n for n in sources if n.endswith((".py", "Makefile", ".mako")) or n.startswith(".github/")]
    plain += ["Makefile", ".github/workflows/ci.yaml", "src/a/b/c.py"]
    assert [name for name in plain if not is_copied(baker, name)] == []


def test_python_stands_as_python_in_the_template(baker: Baker, sources: dict[str, Path]) -> None:
    for name, path in sources.items():
        if name.endswith(".py"):
            assert not UNRENDERED.search(path.read_text()), name
            ast.parse(path.read_text(), name)
    for ours in ("local_extensions.py", "hooks/post_gen_project.py"):
        # These run on whatever Python the user's cookiecutter has.
        ast.parse((baker.template / ours).read_text(), ours, feature_version=(3, 10))


def test_imports_run_from_the_service_to_its_chassis(sources: dict[str, Path]) -> None:
    for name, path in sources.items():
        if name.startswith("chassis/") and name.endswith(".py"):
            assert "app" not in set(packages(ast.parse(path.read_text()))), name


def packages(tree: ast.AST) -> Iterator[str]:
    """Yield the packages that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_hook_has_one_rendered_line(baker: Baker) -> None:
    hook = (baker.template / "hooks/post_gen_project.py").read_text()
    assert len([line for line in hook.splitlines() if MARKUP.search(line)]) == 1


@pytest.mark.parametrize("package", ["", "chassis/"])
def test_a_test_that_hangs_ends_in_both_packages(baked: Path, package: str) -> None:
    """The chassis's own tests/test_timeout.py shows that only this method ends one that loops."""
    tools = tomllib.loads((baked / f"{package}pyproject.toml").read_text())["tool"]
    assert tools["pytest"]["timeout_method"] == "thread"
