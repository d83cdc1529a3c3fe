"""Earlier versions of the template, derived from the tree as it is, and services that people made of them.

The repository's own history may be one commit, in a shallow clone for example. So each earlier version is the
next one without something that really is in it; where that is no longer found, the version says so.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.baking import SERVICE, Baker
from tests.removal import ORDERS, edit, remove, said
from tests.services import run

CURRENT = "v0.4.0"
CHANGES = {
    "v0.3.0": "- Pages and the image say more.",
    "v0.2.0": "- `APP_DOCS` and `make budget`; the module of preconditions has its name.",
    "v0.1.0": "- Orders.",
}
HANDS = {"v0.2.0": "- `main.py` includes the orders: keep your own routers beside them."}


@dataclass(frozen=True)
class History:
    """A repository with a tag for each version, the last of which is the working tree."""

    work: Path
    url: str
    git: Callable[..., str]


def replace(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text, (
            f"{path.name} has changed: no earlier version can be made of it by replacing {old!r}"
        )
        text = text.replace(old, new)
    path.write_text(text)


def before_pages_said_more(service: Path) -> None:
    """Undo to v0.3.0: an older module of the chassis, an older image, an older document."""
    replace(service / "chassis/src/chassis/pages.py", ("import re\n", "import re  # Of an older version.\n"))
    replace(service / "Dockerfile", ("EXPOSE 8000\n", ""), ("USER 10001:10001", "USER 10001"))
    replace(service / "docs/first-hour.md", ("# ", "# Of the "))


def before_settings(service: Path) -> None:
    """Undo to v0.2.0: without a setting and a make target, with an older bound and a module's older name."""
    docs = '    docs: bool = True\n    """Whether to serve `/docs` and `/openapi.json`."""\n'
    replace(service / "src/app/settings.py", (docs, ""))
    replace(service / "src/app/main.py", ('"/openapi.json" if settings.docs else None', '"/openapi.json"'))
    replace(
        service / ".env.example", ("# Whether to serve `/docs` and `/openapi.json`.\n# APP_DOCS=true\n", "")
    )
    makefile = (service / "Makefile").read_text()
    target = re.search(r"^budget: .*\n\t.*\n\n", makefile, re.MULTILINE)
    assert target
    replace(service / "Makefile", (target[0], ""), (" budget resource", " resource"))
    replace(service / "pyproject.toml", ('"ruff>=0.17"', '"ruff>=0.16"'))
    chassis = service / "chassis/src/chassis"
    (chassis / "preconditions.py").rename(chassis / "etags.py")
    for path in service.rglob("*.py"):
        path.write_text(path.read_text().replace("chassis.preconditions", "chassis.etags"))


def before_orders(service: Path) -> None:
    """Undo to v0.1.0: without a feature, its table and its migration."""
    remove(said(service)[1], service)
    edit(service / "src/app/main.py", ORDERS)


UNDO = {"v0.3.0": before_pages_said_more, "v0.2.0": before_settings, "v0.1.0": before_orders}


def history(baker: Baker, folder: Path) -> History:
    """Make all versions, the oldest first."""
    work, bare = folder / "work", folder / "template.git"
    trees = {CURRENT: baker.template}
    for tag, undo in UNDO.items():
        trees[tag] = shutil.copytree(next(reversed(trees.values())), folder / tag)
        undo(trees[tag] / SERVICE)

    def git(*arguments: str, cwd: Path = work) -> str:
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        return subprocess.check_output(command, cwd=cwd, env=baker.environment(cwd), text=True)

    work.mkdir()
    git("init", "--quiet")
    for tag in reversed(trees):
        release(work, tag, trees[tag], git)
    git("clone", "--quiet", "--bare", str(work), str(bare))
    return History(work, f"file://{bare}", git)


def release(work: Path, tag: str, tree: Path, git: Callable[..., str]) -> None:
    for path in work.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(tree, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    (work / "CHANGELOG.md").write_text(changelog(tag))
    git("add", "--all")
    git("commit", "--quiet", "--message", tag)
    git("tag", tag)


def changelog(tag: str) -> str:
    texts = {CURRENT: "- All that is in the working tree."} | CHANGES
    sections = (
        f"## {each[1:]}\n\n### What a service gets\n\n{texts[each]}\n\n"
        f"### What needs a hand\n\n{HANDS.get(each, '- Nothing.')}\n"
        for each in texts
        if each <= tag
    )
    return "# Changelog\n\n" + "\n".join(sections)


def make(
    baker: Baker, past: History, tag: str, folder: Path, machine: dict[str, str], **answers: str
) -> Path:
    """Make a service of a version as a user does, locked and committed."""
    create = ["cookiecutter", past.url, "--checkout", tag, "--no-input", "--output-dir", str(folder)]
    given = [f"{name}={answer}" for name, answer in answers.items()]
    done = baker.run(*create, *given, cwd=folder.parent)
    assert done.returncode == 0, done.stdout
    [service] = folder.iterdir()
    past.git("init", "--quiet", cwd=service)
    for each in ("name", "email"):
        past.git("config", f"user.{each}", "ours", cwd=service)
    commit(past, service, machine)
    return service


def commit(past: History, service: Path, machine: dict[str, str]) -> None:
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    past.git("add", "--all", cwd=service)
    past.git("commit", "--quiet", "--message", "Ours", cwd=service)


def customise(service: Path) -> None:
    """Change what people change: settings, dependencies, targets, the image; and move a document."""
    setting = '    greeting: str = "Hello"\n    """What it says."""\n\n    database: DatabaseSettings\n'
    replace(service / "src/app/settings.py", ("\n    database: DatabaseSettings\n", setting))
    example = "# What it says.\n# APP_GREETING=Hello\n\n# `postgresql://user"
    replace(service / ".env.example", ("\n# `postgresql://user", example))
    replace(service / "pyproject.toml", ('    "fastapi>', '    "anyio>=4.16",\n    "fastapi>'))
    with (service / "Makefile").open("a") as makefile:
        makefile.write("\n.PHONY: seed\nseed: ## Fill the database with examples\n\t@echo seeded\n")
    replace(service / "Dockerfile", ("STOPSIGNAL", "ENV TZ=UTC\nSTOPSIGNAL"))
    replace(service / "compose.yaml", ("services:\n", "x-team: ours\n\nservices:\n"))
    (service / "docs/runbooks").mkdir()
    (service / "docs/first-hour.md").rename(service / "docs/runbooks/first-hour.md")


def add_customers(service: Path) -> None:
    """Add the feature that docs/resources.md adds by hand; its migration is written by `make migration`."""
    section = (service / "docs/resources.md").read_text().partition("## By hand")[2]
    files = re.findall(r"`((?:src|tests)/[\w/]+\.py)`(?:(?!`src).)*?```python\n(.*?)```", section, re.DOTALL)
    assert len(files) == 4
    for name, content in files:
        if name == "src/app/main.py":
            imported, included = content.strip("\n").split("\n\n")
            anchor = ("    routing.check(app)", f"{included}\n    routing.check(app)")
            replace(
                service / name, ("from app.lifespan import", f"{imported}\nfrom app.lifespan import"), anchor
            )
        else:
            (service / name).parent.mkdir(exist_ok=True)
            (service / name).write_text(content)


def delete_orders(service: Path) -> None:
    remove(said(service)[1], service)
    edit(service / "src/app/main.py", ORDERS)


@pytest.fixture(scope="session")
def past(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> History:
    return history(baker, tmp_path_factory.mktemp("history"))
