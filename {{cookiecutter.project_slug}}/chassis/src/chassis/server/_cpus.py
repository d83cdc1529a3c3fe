"""The number of CPUs that this process may use. In a container that can be fewer than the machine has."""

import os
from collections.abc import Iterator
from pathlib import Path

_V2 = Path("/sys/fs/cgroup")
_V1 = Path("/sys/fs/cgroup/cpu")


def available_cpus(v2: Path = _V2, v1: Path = _V1, own: Path = Path("/proc/self/cgroup")) -> int:
    """Count whole CPUs, at least one: the affinity mask, or less if a cgroup's quota allows less."""
    quotas = [*_v2_quotas(v2, own), *_v1_quotas(v1)]
    return max(1, int(min([os.process_cpu_count() or 1, *quotas])))


def _v2_quotas(root: Path, own: Path) -> Iterator[float]:
    """Each group from ours up to the root can have a quota. In a container our group looks like the root."""
    group = root
    for name in ["", *_group_names(own)]:
        group /= name
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit():
            yield int(quota) / int(period)


def _group_names(own: Path) -> list[str]:
    line = next((line for line in _read(own).splitlines() if line.startswith("0::")), "")
    return [name for name in line.removeprefix("0::").split("/") if name]


def _v1_quotas(root: Path) -> Iterator[float]:
    quota, period = _read(root / "cpu.cfs_quota_us"), _read(root / "cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():  # No quota is -1.
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
