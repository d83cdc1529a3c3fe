"""What tests measure and do not assert, printed before pytest's closing line."""

from collections.abc import Callable

import pytest

type Measure = Callable[[str, float], None]


@pytest.fixture
def measure(record_property: Callable[[str, object], None]) -> Measure:
    """Note how many seconds something took; pytest-xdist brings it to the terminal."""
    return lambda what, seconds: record_property(f"measured: {what}", seconds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    found = {
        name: seconds
        for report in reports
        for name, seconds in getattr(report, "user_properties", [])
        if name.startswith("measured: ")
    }
    if found:
        terminalreporter.section("measured, in seconds")
    for name, seconds in sorted(found.items()):
        terminalreporter.write_line(f"{seconds:8.2f}  {name.removeprefix('measured: ')}")
