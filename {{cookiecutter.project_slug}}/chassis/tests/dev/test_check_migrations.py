"""`make check-migrations`, on migrations of every kind that keeps requests waiting."""

import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from alembic.script import Script

from chassis.dev import check_migrations
from chassis.dev.check_migrations import findings, main
from tests.places import EXAMPLE

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n\n\ndef upgrade() -> None:\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_migrations, "PROJECT", tmp_path)
    monkeypatch.delenv("base", raising=False)


def said(folder: Path, *lines: str) -> str:
    path = folder / "2026_01_01_change.py"
    path.write_text(HEAD + textwrap.indent("\n".join(lines), "    "))
    module: dict[str, object] = {}
    exec(path.read_text(), module)  # noqa: S102 - The migration above.
    script = SimpleNamespace(path=str(path), module=SimpleNamespace(upgrade=module["upgrade"]))
    return "".join(findings([cast("Script", script)]))


@pytest.mark.parametrize(
    ("line", "rule", "way"),
    [
        ('op.create_index("ix", "orders", ["a"])', "require-concurrent-index-creation", "concurrently"),
        ('op.add_column("orders", sa.Column("a", sa.Text(), nullable=False))', "adding-required-field", "nullable"),
        ('op.drop_column("orders", "a")', "ban-drop-column", "First release code that does not read it"),
        ('op.drop_table("orders")', "ban-drop-table", "First release code that does not use it"),
        ('op.alter_column("orders", "a", type_=sa.Text())', "changing-column-type", "copy in batches"),
        ('op.alter_column("orders", "a", nullable=False)', "adding-not-nullable-field", "CHECK"),
        ('op.alter_column("orders", "a", new_column_name="b")', "renaming-column", "write both"),
        ('op.rename_table("orders", "b")', "renaming-table", "__tablename__"),
        ('op.create_foreign_key("fk", "orders", "b", ["a"], ["id"])', "adding-foreign-key-constraint", "NOT VALID"),
        ('op.create_unique_constraint("uq", "orders", ["a"])', "disallowed-unique-constraint", "using the index"),
        ('op.create_check_constraint("ck", "orders", "a > 0")', "constraint-missing-not-valid", "VALIDATE CONSTRAINT"),
    ],
)
def test_what_blocks_is_named_with_the_safe_way(tmp_path: Path, line: str, rule: str, way: str) -> None:
    found = said(tmp_path, line)
    assert f"2026_01_01_change.py: {rule}\n" in found
    assert way.lower() in found.partition("Safe: ")[2].lower()


@pytest.mark.parametrize(
    "lines",
    [
        ('op.add_column("orders", sa.Column("a", sa.Text()))',),
        ('op.create_table("a", sa.Column("b", sa.Integer()))', 'op.create_index("ix", "a", ["b"])'),
        (
            "with op.get_context().autocommit_block():",
            '    op.create_index("ix", "orders", ["a"], postgresql_concurrently=True, if_not_exists=True)',
        ),
        ("# safe: ban-drop-column - The release before does not read it.", 'op.drop_column("orders", "a")'),
    ],
)
def test_what_is_safe_or_meant(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert said(tmp_path, *lines) == ""


def test_an_index_beside_requests_needs_a_transaction_of_its_own(tmp_path: Path) -> None:
    line = 'op.create_index("ix", "orders", ["a"], postgresql_concurrently=True)'
    assert "ban-concurrent-index-creation-in-transaction" in said(tmp_path, line)


def test_a_reason_is_asked_for_and_counts_for_its_rule_alone(tmp_path: Path) -> None:
    drop = 'op.drop_column("orders", "a")'
    assert "ban-drop-column" in said(tmp_path, "# safe: ban-drop-column - ", drop)
    assert "ban-drop-column" in said(tmp_path, "# safe: ban-drop-table - Old.", drop)


@pytest.mark.parametrize("base", ["", "0" * 40])
def test_the_migrations_of_this_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], base: str
) -> None:
    monkeypatch.setattr(check_migrations, "PROJECT", EXAMPLE)
    monkeypatch.setenv("base", base)
    assert main() == 0
    assert "none of them blocks" in capsys.readouterr().out
