"""The benchmark's own logic: what it reads, what it makes of it, and what it draws."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks import chart, processes
from benchmarks.__main__ import chosen
from benchmarks.comparison import Record, same
from benchmarks.contestants import CONTESTANTS, ENVIRONMENTS, FLOOR, SERVICE
from benchmarks.environments import add_orders
from benchmarks.load import Round, Said, parsed
from benchmarks.plan import FULL, QUICK, WORKS, Plan
from benchmarks.results import compared, summary
from benchmarks.stopping import StoppedError
from dev import figures, readme
from tests.baking import ROOT

SAID = """Running 1s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  Latency Distribution
     50%    3.00ms
     99%    {p99}
  {requests} requests in 1.10s, 1.00MB read
{more}Requests/sec:   {rate}
Transfer/sec:      1.00MB
"""


def said(p99: str = "9.57ms", requests: int = 1100, rate: float = 1000.5, more: str = "") -> str:
    return SAID.format(p99=p99, requests=requests, rate=rate, more=more)


@pytest.mark.parametrize(
    ("p99", "ms"), [("500.00us", 0.5), ("9.57ms", 9.57), ("1.25s", 1250), ("1.00m", 60_000)]
)
def test_what_wrk_says_is_read(p99: str, ms: float) -> None:
    assert parsed(said(p99)) == Said(1100, 1000.5, ms, 0)


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        ("  Non-2xx or 3xx responses: 7\n", 7),
        ("  Socket errors: connect 1, read 2, write 3, timeout 4\n", 10),
        ("  Socket errors: connect 0, read 0, write 0, timeout 2\n  Non-2xx or 3xx responses: 5\n", 7),
    ],
)
def test_each_kind_of_error_counts(line: str, errors: int) -> None:
    assert parsed(said(more=line)).errors == errors


def test_what_wrk_does_not_usually_say_ends_the_run() -> None:
    with pytest.raises(StoppedError, match="unable to connect"):
        parsed("unable to connect to 127.0.0.1:1 Connection refused")


def rounds(*rates: float, errors: int = 0) -> list[Round]:
    return [Round(rate, 10.0, errors, 1e6 / rate, 0.1) for rate in rates]


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert summary(rounds(100, 900, 200))["rate"] == 200


def test_an_error_in_one_round_makes_the_figure_invalid() -> None:
    seen = summary([*rounds(100, 200), *rounds(300, errors=1)])
    assert (seen["valid"], seen["errors"]) == (False, 1)


def records(**rates: float) -> dict[str, Record]:
    found = {each.name: Record(failed="not here") for each in CONTESTANTS}
    for name, rate in rates.items():
        each = {work: rounds(rate) for work in WORKS}
        found[name.replace("_", "-")] = Record(each, starts=[0.5], memory=[50.0])
    return found


def test_ratios_are_to_the_floor_and_to_the_fastest_peer() -> None:
    found = compared(
        CONTESTANTS, records(floor=1000, service=400, s3rius=100, django_daphne=80, starlette=900)
    )
    seen = found["service"]["works"]["read"]

    assert (seen["of_floor"], seen["of_best_peer"], seen["cpu_of_floor"]) == (0.4, 4.0, 0.4)
    assert found["s3rius"]["works"]["read"]["of_best_peer"] == 1
    assert found["quart"]["failed"] == "not here"


def test_an_invalid_figure_is_compared_with_nothing() -> None:
    seen = records(floor=1000, service=400, s3rius=100, django_daphne=80)
    seen["s3rius"].rounds["read"] = rounds(100, errors=3)
    found = compared(CONTESTANTS, seen)

    assert "of_floor" not in found["s3rius"]["works"]["read"]
    assert found["service"]["works"]["read"]["of_best_peer"] == 5
    assert found["service"]["works"]["page"]["of_best_peer"] == 4
    assert "invalid: 3 errors" in figures.ratios({"contestants": found})


ORDER = {
    "id": "x",
    "reference": "A",
    "amount": "12.50",
    "currency": "EUR",
    "status": "placed",
    "created_at": "2026-01-01T00:00:00.123456+00:00",
    "updated_at": "2026-01-01T00:00:00.123456+00:00",
}


@pytest.mark.parametrize(
    "change", [{"created_at": "2026-01-01T00:00:01Z"}, {"amount": "12.5"}, {"status": None}, {"more": 1}]
)
def test_another_answer_is_not_the_stored_order(change: dict[str, Any]) -> None:
    assert not same(ORDER | change, ORDER | {"version": 1})


def test_the_stored_order_is_the_same_to_the_millisecond() -> None:
    assert same(ORDER, ORDER | {"version": 1})
    assert same(ORDER | {"created_at": "2026-01-01T00:00:00.123Z"}, ORDER | {"version": 1})


def test_only_what_is_asked_for_is_measured_and_always_the_floor() -> None:
    contestants, parts = chosen(["service", "outbound"])
    assert ([each.name for each in contestants], parts) == (["floor", "service"], ["outbound"])
    assert "executors" not in chosen([])[1]
    with pytest.raises(StoppedError, match="knows no flask"):
        chosen(["flask"])


@pytest.mark.parametrize(("plan", "seconds"), [(FULL, 600), (QUICK, 125)])
def test_a_plan_fits_into_its_time(plan: Plan, seconds: int) -> None:
    assert plan.estimate(len(CONTESTANTS)) < plan.limit <= seconds


LIFESPAN = "engine = create_async_engine(str(settings.db_url), echo=settings.db_echo)\n"


def generated(folder: Path, lifespan: str) -> Path:
    for name in ("db/models", "db/dao", "web/api"):
        (folder / name).mkdir(parents=True)
    (folder / "web/lifespan.py").write_text(lifespan)
    return folder


def test_another_template_is_given_the_feature_and_the_pool_of_all(tmp_path: Path) -> None:
    package = generated(tmp_path, LIFESPAN)
    add_orders(package)

    assert (
        "pool_size=int(os.environ['POOL']), max_overflow=0, echo="
        in (package / "web/lifespan.py").read_text()
    )
    assert (package / "web/api/orders/views.py").exists()
    assert 'prefix="/orders"' in (package / "web/api/router.py").read_text()


def test_a_template_that_has_changed_is_not_measured_with_another_pool(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="another way"):
        add_orders(generated(tmp_path, "engine = create_engine(settings)\n"))


def test_a_missing_tool_is_one_line(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "benchmarks", str(tmp_path)]
    done = subprocess.run(
        run, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The benchmark needs wrk: apt-get install wrk util-linux\n"


def test_each_contestant_can_be_installed() -> None:
    assert {each.environment for each in CONTESTANTS} == {*ENVIRONMENTS, "service", "s3rius"}
    assert {FLOOR, SERVICE} < set(CONTESTANTS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has this /proc")
def test_processor_time_and_memory_of_a_process_and_its_children() -> None:
    spin = (
        "import os, time; os.fork(); end = time.process_time() + .3\nwhile time.process_time() < end: pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", spin + "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        for _ in range(2):
            process.stdout.readline()
        pids = processes.tree(process.pid)
        assert len(pids) == 2
        assert 0.55 < processes.cpu_seconds(pids) < 1
        assert 1 < processes.memory_mb(pids) < 50
        assert processes.busy_seconds() > processes.cpu_seconds(pids)
        process.communicate(b"\n\n")
    assert process.pid not in processes.tree(os.getpid())


def test_two_contestants_may_have_two_versions_of_a_package() -> None:
    found = {"a": {"versions": {"x": "1.0"}}, "b": {"versions": {"x": "2.0", "y": "3"}}}
    assert figures.packages({"contestants": found}) == "x 1.0 and 2.0, y 3"


def test_a_machine_with_other_work_is_named_as_such() -> None:
    found = compared(CONTESTANTS, records(floor=1000, service=400))
    assert figures.company({"contestants": found}).endswith("0.10 of the cores busy meanwhile.")
    found["service"]["works"]["page"]["others"] = 0.9
    assert "too much" in figures.company({"contestants": found})


MEASURED = json.loads((ROOT / "docs/benchmark.json").read_text())


def test_the_chart_is_drawn_of_the_figures() -> None:
    assert chart.drawn(MEASURED) == (ROOT / "docs/benchmark.svg").read_text(), "make bench draws it"
    picture = ET.fromstring(chart.drawn(MEASURED))  # noqa: S314 - Our own file.
    texts = {each.text for each in picture.iter(f"{{{chart.NAMESPACE}}}text")}
    assert {each.title for each in CONTESTANTS} <= texts
    assert "prefers-color-scheme: dark" in chart.STYLE


def test_a_text_that_would_leave_its_place_in_the_chart_is_refused() -> None:
    wide = json.loads(json.dumps(MEASURED))
    wide["contestants"]["floor"]["title"] *= 10
    with pytest.raises(chart.TooWideError):
        chart.drawn(wide)


def test_the_tables_stand_in_the_documents_as_they_were_measured() -> None:
    written = {
        readme.README: ["speed"],
        readme.FIGURES: ["benchmark"],
        readme.SCALING: ["growth", "instances"],
    }
    for document, parts in written.items():
        text = document.read_text()
        assert readme.written(text) == text, "make format writes it"
        assert [name for name in parts if f"<!-- {name}:" not in text] == []


def test_the_figures_name_no_host_and_no_folder() -> None:
    assert not re.search(r"/tmp|/root|/home|127\.0\.0\.1", json.dumps(MEASURED))  # noqa: S108 - Not to be there.
    assert os.uname().nodename not in json.dumps(MEASURED)


def test_a_ratio_has_two_digits_or_more() -> None:
    assert [figures.shown(ratio) for ratio in (0.994, 0.996, 46.94)] == [".99", "1.0", "46.9"]
