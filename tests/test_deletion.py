"""The examples of a service can be removed as its README says, and all checks stay green."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.services import run

RATES = re.compile(r"exchange.?rates|rates_?(api|server)|\bamounts\b", re.IGNORECASE)
ORDERS = re.compile(r"\b(orders|amounts)\b")

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(900)]


def test_without_the_orders(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    service = baker.bake(tmp_path)
    _, orders = said(service)

    remove(orders, service)
    edit(service / "src/app/main.py", ORDERS)

    check(service, machine)


def test_without_the_exchange_rates(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    service = baker.bake(tmp_path)
    rates, _ = said(service)

    remove(rates, service)
    for path in [*service.glob("src/**/*.py"), *service.glob("tests/**/*.py")]:
        edit(path, RATES)
    settings = (service / ".env.example").read_text().split("\n\n")
    (service / ".env.example").write_text(
        "\n\n".join(part for part in settings if "EXCHANGE_RATES" not in part)
    )

    check(service, machine)


def said(service: Path) -> list[str]:
    """Find the two blocks of commands in the README's section on it."""
    section = (service / "README.md").read_text().partition("## Remove the examples")[2]
    section = section.partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    return blocks


def remove(commands: str, service: Path) -> None:
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "rm"
        for argument in arguments:
            paths = [service] if argument == "-r" else list(service.glob(argument))
            assert paths, f"{argument} is not there"
            for path in paths:
                if path.is_dir() and path != service:
                    shutil.rmtree(path)
                elif path.is_file():
                    path.unlink()


def edit(path: Path, names: re.Pattern[str]) -> None:
    """Take away parameters with one of these names, and lines, to the end of their brackets or blocks."""
    kept: list[str] = []
    brackets, block = 0, None
    text = re.sub(rf", \w*(?:{names.pattern})\w*: \w+", "", path.read_text(), flags=names.flags)
    for line in text.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and not brackets and indent <= block:
            block = None
        if names.search(line) and block is None and not brackets:
            while kept and kept[-1].strip().startswith("@"):
                kept.pop()
        elif block is None and not brackets:
            kept.append(line)
            continue
        brackets += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        if not brackets and block is None and line.rstrip().endswith(":"):
            block = indent
    path.write_text("".join(kept))


def check(service: Path, machine: dict[str, str]) -> None:
    run("make", "format", cwd=service, environment=machine)
    run("make", "check", cwd=service, environment=machine, within=600)
