"""What the template puts into a service stays small enough to be read in an evening."""

import ast
import io
import tokenize
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE

APP = ROOT / SERVICE / "src/app"
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


@pytest.mark.parametrize(("packages", "budget"), [(("kit", "server"), 2_300), (("orders",), 350)])
def test_a_package_keeps_its_budget(packages: tuple[str, ...], budget: int) -> None:
    assert lines_of_code(path for package in packages for path in (APP / package).glob("*.py")) < budget


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


def test_files_and_functions_are_short() -> None:
    for path in APP.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 250, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 25, f"{path.name}: {node.name}"
