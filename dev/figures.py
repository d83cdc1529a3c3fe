"""The benchmark's figures as the documents have them: ratios, because nobody else has this machine."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.plan import CONNECTIONS, WORKS

QUIET = 0.2  # Cores that other programs may take.


def ratios(found: dict[str, Any]) -> str:
    """Return the table of the comparison, as shares of the floor."""
    lines = [
        row(["", "access to the database", *WORKS.values()]),
        "| --- | --- |" + " ---: |" * len(WORKS),
    ]
    for name, each in found["contestants"].items():
        cells = [f"{each['title']}, {each['server']}", each["access"], *(cell(each, work) for work in WORKS)]
        lines.append(row(f"**{text}**" if name == "service" else text for text in cells))
    service = found["contestants"].get("service", {})
    cells = ["the service, times the best peer", "", *(cell(service, work, "of_best_peer") for work in WORKS)]
    return "".join(f"{line}\n" for line in [*lines, row(cells)])


def speed(found: dict[str, Any]) -> str:
    """Return the comparison as a paragraph, for readers who do not open the table."""
    contestants = found["contestants"]
    peers = dict.fromkeys(each["title"] for each in contestants.values() if each["kind"] == "peer")
    service = contestants.get("service", {})
    times, shares = (
        [cell(service, work, of) for work in WORKS if work != "livez"] for of in ("of_best_peer", "of_floor")
    )
    text = (
        f"**How fast.** A generated service serves {times[0]} times as many reads of one row, "
        f"{times[1]} times as many pages of 20 and {times[2]} times as many inserts as the fastest of "
        f"{' and '.join(peers)} on the same machine. That is {shares[0]}, {shares[1]} and "
        f"{shares[2]} of a raw ASGI application on asyncpg. [Figures and method](docs/benchmark.md)."
    )
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(contestant: dict[str, Any], work: str, ratio: str = "of_floor") -> str:
    figures = contestant.get("works", {}).get(work)
    if figures is None:
        return "not measured"
    if not figures["valid"]:
        return f"invalid: {figures['errors']} errors"
    return "-" if figures.get(ratio) is None else shown(figures[ratio])


def shown(ratio: float) -> str:
    return f"{ratio:.2f}".removeprefix("0") if round(ratio, 2) < 1 else f"{ratio:.1f}"


def notes(found: dict[str, Any]) -> str:
    """Return how the figures were measured, and a reason to doubt them if there is one."""
    made = found["made"]
    length = "a quick run of 1 round" if made["quick"] else f"medians of {made['rounds']} rounds"
    return (
        f"From {length}, {made['on']}: {made['processor']}, {made['cores']} cores, Linux {made['linux']}, "
        f"Python {made['python']}, PostgreSQL {made['postgresql']}, wrk {made['wrk']}; {packages(found)}. "
        f"{company(found)}\n"
    )


def company(found: dict[str, Any]) -> str:
    """Return the load of other programs, and whether it spoils the figures."""
    busiest = max((each["others"] for each in summaries(found)), default=0)
    verdict = (
        "." if busiest <= QUIET else ": **too much, measure again on a machine that does nothing else**."
    )
    return f"Other programs kept at most {busiest:.2f} of the cores busy meanwhile{verdict}"


def packages(found: dict[str, Any]) -> str:
    versions: dict[str, set[str]] = {}
    for contestant in found["contestants"].values():
        for name, version in contestant.get("versions", {}).items():
            versions.setdefault(name, set()).add(version)
    return ", ".join(f"{name} {' and '.join(sorted(versions[name]))}" for name in sorted(versions))


def service(found: dict[str, Any]) -> str:
    """Return the absolute figures of the service in a line."""
    seen = found["contestants"].get("service", {})
    if "works" not in seen:
        return ""
    tails = ", ".join(f"{name} {seen['works'][work]['p99_ms']:.0f} ms" for work, name in WORKS.items())
    return f"the service: p99 of {tails}; {seen['memory_mb']:.0f} MB; serves after {seen['start_seconds']} s"


def summaries(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [figures for each in found["contestants"].values() for figures in each.get("works", {}).values()]


def growth(found: dict[str, Any]) -> str:
    """Return the table of what growing numbers cost."""
    lines = [
        row(["what grows", "from", "to", "requests a second, times", "p99, times"]),
        "| --- | ---: | ---: | ---: | ---: |",
        *(row([*names, *times(before, after)]) for *names, before, after in steps(found)),
    ]
    return "".join(f"{line}\n" for line in lines)


def steps(found: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    few, many = found["rows"][0], found["rows"][-1]
    for page, what in (("first", "rows, first page"), ("middle", "rows, page in the middle")):
        yield what, f"{few['rows']:,}", f"{many['rows']:,}", few[page], many[page]
    each = {step["connections"]: step["read"] for step in found["connections"]}
    for number, read in each.items():
        if number > CONNECTIONS:
            yield "connections, reads", str(CONNECTIONS), str(number), each[CONNECTIONS], read
    for work, what in (("read", "reads"), ("livez", "no I/O")):
        yield f"workers, {what}", "1", "2", *found["workers"][work]
        yield f"TLS, {what}", "off", "on", *found["tls"][work]
        yield f"server, {what}", "plain uvicorn", "the service's", *found["server"][work]
    if calls := found["outbound"].get("calls"):
        for name, caller in (("pooled", "one client"), ("upstream", "`Upstream`")):
            yield "calls to another service", "a client each", caller, calls["per_call"], calls[name]


def times(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    if not (before.get("valid", True) and after.get("valid", True)):
        return "invalid: errors", ""
    return shown(after["rate"] / before["rate"]), shown(after["p99_ms"] / before["p99_ms"])


def instances(found: dict[str, Any]) -> str:
    """Return how many connections several instances behind PgBouncer held."""
    seen = found["instances"]
    if "skipped" in seen:
        return f"Not measured: {seen['skipped']}.\n"
    return (
        f"Measured: {seen['instances']} instances, which would hold {seen['wanted']} connections of the "
        f"{seen['allowed']} that the database allowed, worked through PgBouncer on {seen['held']}, "
        f"with {seen['errors']} errors.\n"
    )
