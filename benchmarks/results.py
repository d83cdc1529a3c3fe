"""What the rounds come to: medians, and their ratios to the floor and to the best peer."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, TypedDict

from benchmarks.comparison import Record
from benchmarks.contestants import FLOOR, Contestant
from benchmarks.load import Round
from benchmarks.plan import WORKS, Work


class Summary(TypedDict):
    rate: float
    """Requests a second."""
    p99_ms: float
    cpu_us: float
    """Processor time of the server for each request."""
    errors: int
    others: float
    """Cores that other programs kept busy."""
    valid: bool


def summary(rounds: Sequence[Round]) -> Summary:
    """Take the medians; an error in any round makes all of them invalid."""
    errors = sum(each.errors for each in rounds)
    return {
        "rate": round(median(each.rate for each in rounds), 1),
        "p99_ms": round(median(each.p99_ms for each in rounds), 2),
        "cpu_us": round(median(each.cpu_us for each in rounds), 1),
        "errors": errors,
        "others": round(median(each.others for each in rounds), 2),
        "valid": errors == 0,
    }


def compared(contestants: Sequence[Contestant], records: Mapping[str, Record]) -> dict[str, Any]:
    """Return what the chart and the tables show of each contestant."""
    found = {each.name: _figures(each, records[each.name]) for each in contestants}
    for work in WORKS:
        rates = {name: rate for name, each in found.items() if (rate := _rate(each, work))}
        peers = [rate for name, rate in rates.items() if found[name]["kind"] == "peer"]
        for name, rate in rates.items():
            figures = found[name]["works"][work]
            figures["of_floor"] = ratio(rate, rates.get(FLOOR.name))
            figures["of_best_peer"] = ratio(rate, max(peers, default=None))
            # The wall clock knows what else the machine did; the processor time hardly does.
            figures["cpu_of_floor"] = ratio(_cpu(found, FLOOR.name, work), figures["cpu_us"])
    return found


def ratio(figure: float | None, other: float | None) -> float | None:
    return round(figure / other, 3) if figure and other else None


def _cpu(found: dict[str, Any], name: str, work: Work) -> float | None:
    figures = found.get(name, {}).get("works", {}).get(work)
    return float(figures["cpu_us"]) if figures else None


def _rate(contestant: dict[str, Any], work: Work) -> float | None:
    """Return nothing where the figure is invalid: it is compared with nobody."""
    figures = contestant.get("works", {}).get(work)
    return float(figures["rate"]) if figures and figures["valid"] else None


def _figures(contestant: Contestant, record: Record) -> dict[str, Any]:
    about = {name: getattr(contestant, name) for name in ("title", "kind", "server", "access")}
    if record.failed:
        return about | {"failed": record.failed}
    return about | {
        "start_seconds": round(median(record.starts), 2),
        "memory_mb": round(median(record.memory), 1),
        "works": {work: summary(rounds) for work, rounds in record.rounds.items()},
    }
