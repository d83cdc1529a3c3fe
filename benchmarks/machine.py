"""What a run ran on: nothing that names a host, a user or a folder."""

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks import pooler
from benchmarks.database import Database


def described(database: Database) -> dict[str, object]:
    information = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", information, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    release = re.match(r"\d+\.\d+", platform.release())
    return {
        "processor": model[1].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "linux": release[0] if release else "",
        "python": platform.python_version(),
        "postgresql": str(database.ask("SHOW server_version")),
        "wrk": _wrk(),
        **({"pgbouncer": pooler.version()} if pooler.program() else {}),
    }


def _wrk() -> str:
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found[0] if found else ""
