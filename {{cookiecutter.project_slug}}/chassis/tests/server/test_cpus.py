import os
from pathlib import Path

import pytest

from chassis.server._cpus import available_cpus


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8)


@pytest.mark.parametrize(("quota", "cpus"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1)])
def test_cgroup_v2(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path / "v2/cpu.max", quota)
    assert available_cpus(tmp_path / "v2", tmp_path / "v1", tmp_path / "own") == cpus


def test_a_group_above_has_the_quota(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/system.slice/app.service\n")
    write(tmp_path / "v2/system.slice/cpu.max", "300000 100000")
    write(tmp_path / "v2/system.slice/app.service/cpu.max", "max 100000")
    assert available_cpus(tmp_path / "v2", tmp_path / "v1", tmp_path / "own") == 3


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 8), ("400000", 4)])
def test_cgroup_v1(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path / "v1/cpu.cfs_quota_us", quota)
    write(tmp_path / "v1/cpu.cfs_period_us", "100000")
    assert available_cpus(tmp_path / "v2", tmp_path / "v1", tmp_path / "own") == cpus


def test_no_cgroups(tmp_path: Path) -> None:
    assert available_cpus(tmp_path, tmp_path, tmp_path / "own") == 8
