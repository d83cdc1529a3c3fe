"""The examples of a service, removed as docs/add-a-feature.md says."""

import re
import shlex
import shutil
from pathlib import Path

RATES = re.compile(r"exchange.?rates|rates_?(api|server)|\bamounts\b", re.IGNORECASE)
ORDERS = re.compile(r"\b(orders|amounts)\b")


def said(service: Path) -> list[str]:
    """Find the two blocks of commands in the section on it."""
    section = (service / "docs/add-a-feature.md").read_text().partition("## Remove the examples")[2]
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
    """Take away parameters, items and lines with these names, to the end of their brackets or blocks."""
    kept: list[str] = []
    brackets, block = 0, None
    text = re.sub(rf", \w*(?:{names.pattern})\w*: \w+", "", path.read_text(), flags=names.flags)
    text = re.sub(rf', "[\w.]*(?:{names.pattern})[\w.]*"(?=[],])', "", text, flags=names.flags)
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
