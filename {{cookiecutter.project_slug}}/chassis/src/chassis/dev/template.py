"""`make resource`, `upstream`, `outdated`, `update` and `link`: run tools of the template, which no service contains.

Each runs in the right version of the template. `resource` and `upstream` come from the commit that made the service,
in any clone that has it; without one, the template is cloned. `update` and `link` come from the version in `to=`, and
`outdated` from the newest version, in a fresh clone.

A command is a module of the folder `tools/`. Its first lines name the packages that it needs (PEP 723), and it has an
environment of its own. It works on this folder, and gets these variables besides those that were typed after `make`:

    SERVICE_PYTHON   the Python of the service, which runs what has to import the service
    TEMPLATE_CLONE   a clone of the template with its versions

The exit code is the command's; 2 if the template or the packages cannot be fetched, and 130 after Ctrl-C.
"""

import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import FrameType

from chassis.dev.processes import exit_code
from chassis.dev.template_clone import clone, commit_of, expanded, git, origin, with_commit
from chassis.dev.terminal import CommandError, end_on_signals, run_command

ADDING = ("resource", "upstream")
_PARTS = ("tools", "generators")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(command: str, folder: Path) -> int:
    """Run a command out of a temporary folder."""
    repository, commit = _version(command, folder)
    _unpack(repository, commit, folder)
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "SERVICE_PYTHON": sys.executable,
        "TEMPLATE_CLONE": str(repository),
    }
    # -P: the folder of the service may hold modules of the same names.
    return _wait([str(_python(command, folder)), "-P", "-m", f"tools.{command}"], environment)


def _version(command: str, folder: Path) -> tuple[Path, str]:
    """Find a clone, and the commit of it whose tools are wanted."""
    if command in ADDING:
        made_by = origin()
        return with_commit(made_by), made_by.commit
    wanted = "" if command == "outdated" else os.environ.get("to", "")  # noqa: SIM112 - As it stands after `make`.
    fresh = clone(_linked_to() if command == "link" else origin().url, folder / "template.git")
    return fresh, commit_of(fresh, wanted)


def _linked_to() -> str:
    url, version = (os.environ.get(name, "") for name in ("template", "to"))
    if not url or not version:
        raise CommandError("A link needs both: make link template=<its URL> to=<the version that made this service>")
    return expanded(url)


def _unpack(repository: Path, commit: str, folder: Path) -> None:
    done = git(repository, "archive", "--format=tar", commit, *_PARTS)
    if done.returncode:
        raise CommandError(f"Version {commit[:12]} of the template has no tools/ and generators/; type: make update")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def _python(command: str, folder: Path) -> Path:
    """Make the environment that a command needs; no network where uv has its packages already."""
    home = folder / "environment"
    script = folder / "tools" / f"{command}.py"
    sync = [
        os.environ.get("UV", "uv"),
        "sync",
        "--quiet",
        "--active",
        "--python",
        sys.executable,
        "--script",
        str(script),
    ]
    environment = os.environ | {"VIRTUAL_ENV": str(home)}
    done = subprocess.run([*sync, "--offline"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        done = subprocess.run(sync, env=environment, capture_output=True, text=True, check=False)
    if not done.returncode:
        return home / "bin/python"
    said = [line.strip() for line in done.stderr.splitlines()] or ["uv prints no reason"]
    why = next((line.removeprefix("cause: ") for line in said if line.startswith("cause: ")), said[0])
    raise CommandError(f"uv cannot install the packages of the template's tools ({why}). Check the network")


def _wait(command: list[str], environment: dict[str, str]) -> int:
    """Wait for the command. It gets our signals, because it has to finish or undo its work."""
    with subprocess.Popen(command, env=environment) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(number)

        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, pass_on)
        process.wait()
    return exit_code(process)


def main() -> int:
    end_on_signals()
    with tempfile.TemporaryDirectory(prefix="tools-") as folder:
        return run(sys.argv[1], Path(folder))


if __name__ == "__main__":
    name = f"make {sys.argv[1]}" if sys.argv[1] in ADDING else ""
    sys.exit(run_command(main, name=name, stopped="Stopped: nothing has changed"))
