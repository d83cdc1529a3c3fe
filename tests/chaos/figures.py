"""The table of the faults: a line when each has been survived, and all of them at the end."""

from collections.abc import Container
from typing import NamedTuple

import pytest

from tests.chaos.clients import Clients

_COLUMNS = (
    "fault",
    "requests",
    "2xx",
    "503",
    "504",
    "409",
    "lost",
    "unheard",
    "replayed",
    "slowest",
    "recovery",
)
PROPERTY = "chaos"


class Figures(NamedTuple):
    clients: Clients
    recovery: float
    stored: Container[str]

    def __str__(self) -> str:
        """`unheard`: answered with 503 or 504, without a key to ask again, and yet stored."""
        records, books = self.clients.records, self.clients.books
        unheard = sum(reference in self.stored for reference in books.uncertain)
        statuses = [records.succeeded, *(records.count(status) for status in (503, 504, 409))]
        counts = [len(records.all), *statuses, records.count(0), unheard, books.replays]
        return _line(
            self.clients.name.replace("_", " "), *counts, f"{records.slowest:.1f} s", f"{self.recovery:.2f} s"
        )


def _line(fault: object, *values: object) -> str:
    return f"{fault:<44}" + "".join(f"{value:>10}" for value in values)


HEADER = _line(*_COLUMNS)


class Table:
    """A plugin of pytest."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY and report.when == "call":
                self.lines.append(str(value))
                self.terminal.ensure_newline()
                self.terminal.write_line(f"{report.outcome}: {value}")

    def pytest_terminal_summary(self) -> None:
        if self.lines:
            self.terminal.section("faults, and what clients saw of them")
            for line in (HEADER, *self.lines):
                self.terminal.write_line(line)
