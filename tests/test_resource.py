"""`make resource` in a service: it adds a whole feature, or says in a line why not and changes nothing."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from tests import additions
from tests.additions import contents
from tests.baking import ROOT, Baker, files
from tests.resources import commit, git, link
from tests.services import press_ctrl_c, run, started

ADDED = """\
Adding
  src/app/invoices/__init__.py
  src/app/invoices/errors.py
  src/app/invoices/models.py
  src/app/invoices/router.py
  src/app/invoices/schemas.py
  src/app/invoices/service.py
  tests/invoices/factories.py
  tests/invoices/test_changes.py
  tests/invoices/test_invoices.py
  tests/invoices/test_listing.py
  migrations/versions/{migration}
and to src/app/main.py
  +from app.invoices.router import router as invoices
  +    app.include_router(invoices)

Next: make migrate, make check
"""

pytestmark = pytest.mark.timeout(600)


ask = partial(additions.ask, "resource")
refused = partial(additions.refused, "resource", {"name": "invoice", "fields": "number:str:unique"})


def test_a_resource_is_added_and_shown(ours: Path, machine: dict[str, str]) -> None:
    before = contents(ours)
    asked = {"name": "invoice", "fields": "number:str:unique customer_id:uuid:index order:ref"}
    code, dry = ask(ours, machine, dry="1", **asked)
    assert code == 0
    assert contents(ours) == before

    code, said = ask(ours, machine, **asked)
    assert code == 0, said
    new = {name: text for name, text in contents(ours).items() if before.get(name) != text}
    [migration] = [Path(name).name for name in new if "migrations" in name]
    assert said == ADDED.format(migration=migration)
    assert dry.splitlines()[1:11] == said.splitlines()[1:11]
    assert len(new) == 12
    assert contents(ours).keys() >= before.keys()

    refused(ours, machine, " is not committed. Commit or stash all changes first", name="payment")
    commit(ours, "Invoices")
    refused(ours, machine, "src/app/invoices exists already. Type another name", **asked)
    refused(ours, machine, "there is a class InvoiceRow in src/app/invoices", name="invoice_row")


def test_a_plural_can_be_given(ours: Path, machine: dict[str, str]) -> None:
    code, said = ask(ours, machine, name="goods_entry", plural="goods", fields="weight:int")
    assert code == 0, said
    assert '"/v1/goods"' in (ours / "src/app/goods/router.py").read_text()
    assert "class GoodsEntry(Base):" in (ours / "src/app/goods/models.py").read_text()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"name": ""}, "it needs a name and fields: make resource name=invoice"),
        ({"fields": ""}, "it needs a name and fields: make resource name=invoice"),
        ({"fields": "a:str={{x}}"}, "must not contain {"),
        ({"fields": "number:string"}, "'number:string': there is no type 'string'; there are str"),
        ({"fields": "customer:ref"}, "there is no resource 'customer' with a route, and"),
        ({"name": "class"}, "a keyword of Python"),
        ({"name": "order"}, "src/app/orders exists already"),
        ({"plural": "idempotency_keys"}, "a table idempotency_keys exists already"),
        ({"name": "rates"}, "there is a class Rates in src/app/exchange_rates/schemas.py; another name"),
        ({"plural": "amounts"}, "src/app/main.py has a amounts already"),
    ],
)
def test_what_cannot_be_is_refused(
    ours: Path, machine: dict[str, str], answers: dict[str, str], why: str
) -> None:
    refused(ours, machine, why, **answers)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "This service is not linked to its template. Type: make link template="),
        ("{", ".cruft.json is damaged"),
        ('{"template": "x", "commit": null}', ".cruft.json is damaged"),
    ],
)
def test_a_service_that_does_not_know_its_template(
    ours: Path, machine: dict[str, str], kept: str | None, why: str
) -> None:
    (ours / ".cruft.json").unlink() if kept is None else (ours / ".cruft.json").write_text(kept)
    commit(ours, "Another origin")
    refused(ours, machine, why)


def test_a_service_that_git_does_not_know(ours: Path, machine: dict[str, str], tmp_path: Path) -> None:
    (ours / ".git").rename(tmp_path / "git")
    try:
        before = files(ours / "src")
        code, said = ask(ours, machine, name="invoice", fields="number:str")
        assert (code, files(ours / "src")) == (2, before)
        assert "This service is not in git yet. Type: git init" in said
    finally:
        (tmp_path / "git").rename(ours / ".git")


def test_a_main_that_was_rewritten(ours: Path, machine: dict[str, str]) -> None:
    main = ours / "src/app/main.py"
    main.write_text(main.read_text().replace("app.include_router(", "add(app, "))
    commit(ours, "Another way to add routers")
    refused(ours, machine, "to put the new one beside")


def test_a_router_that_is_there_on_a_condition_stays_alone(ours: Path, machine: dict[str, str]) -> None:
    main = ours / "src/app/main.py"
    amounts, orders = "    app.include_router(amounts)\n", "    app.include_router(orders)\n"
    main.write_text(main.read_text().replace(amounts, f"    if settings.docs:\n    {amounts}"))
    commit(ours, "Amounts where there are documents")
    assert ask(ours, machine, name="invoice", fields="number:str")[0] == 0
    assert f"{orders}    app.include_router(invoices)\n    if settings.docs" in main.read_text()


def test_two_heads_of_the_migrations(ours: Path, machine: dict[str, str]) -> None:
    [orders] = ours.glob("migrations/versions/*_orders.py")
    other = orders.read_text().replace("ee98af4c8d97", "aaaaaaaaaaaa")
    orders.with_name("2026_11_22_aaaaaaaaaaaa_others.py").write_text(other)
    commit(ours, "A second head")
    refused(ours, machine, "nothing has changed: Alembic: Multiple heads are present")


def test_what_cannot_be_put_in_place_is_taken_away_again(ours: Path, machine: dict[str, str]) -> None:
    (ours / "tests/invoices").symlink_to("nowhere")  # It does not exist, and nothing can be made there.
    commit(ours, "A link")
    before = contents(ours)
    code, said = ask(ours, machine, name="invoice", fields="number:str")
    assert (code, contents(ours)) == (2, before)
    assert "tests/invoices" in said.splitlines()[-1]


def test_ctrl_c_changes_nothing(ours: Path, machine: dict[str, str], tmp_path: Path) -> None:
    before = contents(ours)
    # The template is got by `git archive`: here this waits until the key is pressed.
    waits = f'case "$*" in *archive*) touch {tmp_path}/waits; sleep 60;; esac'
    (tmp_path / "git").write_text(f'#!/bin/sh\n{waits}\nexec {shutil.which("git")} "$@"\n')
    (tmp_path / "git").chmod(0o755)
    slow = machine | {"PATH": f"{tmp_path}:{machine['PATH']}"}
    with started(
        "make", "resource", "name=invoice", "fields=number:str", cwd=ours, environment=slow
    ) as process:
        while not (tmp_path / "waits").exists():
            assert process.poll() is None
            os.sched_yield()
        said = press_ctrl_c(process)
    assert "Traceback" not in said
    assert process.returncode in (2, -signal.SIGINT)  # Of make, whose recipe was interrupted.
    assert contents(ours) == before


class TestFarFromTheTemplate:
    """The template is at a URL that no network leads to; git reads a folder instead, or fails."""

    URL = "https://nowhere.invalid/ours/template.git"

    @pytest.fixture
    def far(self, ours: Path, template: Baker) -> Path:
        link(ours, template=self.URL, commit=git(template.template, "rev-parse", "HEAD").strip())
        commit(ours, "A template elsewhere")
        return ours

    @pytest.fixture
    def alone(self, machine: dict[str, str], tmp_path: Path) -> dict[str, str]:
        """A user who has neither cookiecutter's clones nor ours."""
        return machine | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def test_what_cookiecutter_has_cloned_is_enough(
        self, far: Path, alone: dict[str, str], template: Baker, tmp_path: Path
    ) -> None:
        clone = tmp_path / ".cookiecutters/template"
        git(tmp_path, "clone", "--quiet", str(template.template), str(clone))
        shutil.rmtree(clone / "tools")  # What lies in the folder does not matter: the commit does.
        code, said = ask(far, alone, name="invoice", fields="number:str", dry="1")
        assert code == 0, said

    def test_what_is_nowhere_is_fetched_once(
        self, far: Path, alone: dict[str, str], template: Baker, tmp_path: Path
    ) -> None:
        refused(far, alone, f"Cannot clone the template from {self.URL} (")
        settings = tmp_path / ".gitconfig"
        settings.write_text(f'[url "{template.template}"]\n    insteadOf = {self.URL}\n')
        assert ask(far, alone, name="invoice", fields="number:str", dry="1")[0] == 0
        settings.unlink()
        assert ask(far, alone, name="invoice", fields="number:str", dry="1")[0] == 0

        [ours] = (tmp_path / "cache/cookiecutter-fastapi-microservice/templates").iterdir()
        for damaged in filter(Path.is_file, (ours / "objects").rglob("*")):
            damaged.unlink()
        refused(far, alone, "Cannot clone the template from ")
        settings.write_text(f'[url "{template.template}"]\n    insteadOf = {self.URL}\n')
        assert ask(far, alone, name="invoice", fields="number:str", dry="1")[0] == 0

    def test_a_commit_that_there_is_not(self, ours: Path, machine: dict[str, str], template: Baker) -> None:
        link(ours, template=str(template.template), commit="0" * 40)
        commit(ours, "A commit that nobody has")
        refused(ours, machine, "has no commit 000000000000; type: make update")

    def test_a_version_that_had_no_resources(
        self, ours: Path, machine: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old/cookiecutter.json").write_text("{}")
        link(ours, template=str(tmp_path / "old"), commit=commit(tmp_path / "old", "Old"))
        commit(ours, "An old template")
        refused(ours, machine, " of the template has no tools/ and generators/; type: make update")


def test_the_reserved_words_are_those_of_sqlalchemy(ours: Path, machine: dict[str, str]) -> None:
    words = "from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS as words"
    taken = (
        f"import sys; sys.path.append({str(ROOT / 'generators/resource')!r}); from generator import reserved"
    )
    attributes = "from pydantic import BaseModel; from sqlalchemy.orm import DeclarativeBase"
    known = "{n for n in dir(BaseModel) + dir(DeclarativeBase) if not n.startswith(('_', 'model_'))}"
    left = f"words - reserved.POSTGRESQL, {known} - reserved.OF_BASE_CLASSES"
    code = f"{words}; {taken}; {attributes}; print({left})"
    said = run("uv", "run", "python", "-c", code, cwd=ours, environment=machine)
    assert said == "set() set()\n"
