"""Runs cookiecutter in a separate process.

Two versions in one process do not work: the second would use the `local_extensions` of the first.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.terminal import CommandError

RENDER_SECONDS = 60

type Json = dict[str, Any]


def render(template: Path, answers: Json, folder: Path) -> tuple[Path, Json]:
    """Make what a template makes of the answers in a new folder; return where it is, and the context."""
    folder.mkdir()
    # The template alone decides what is not answered, never a configuration of the user's.
    (folder / "config.json").write_text(json.dumps({"replay_dir": str(folder / "replay")}))
    command = [sys.executable, "-P", "-m", "tools.rendering", str(template), str(folder)]
    done = subprocess.run(
        command,
        env=os.environ | {"SKIP_UV_LOCK": "1"},  # What comes of it in the service is locked there, and once.
        input=json.dumps(answers),
        capture_output=True,
        text=True,
        timeout=RENDER_SECONDS,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines() or ["cookiecutter printed nothing"]
        raise CommandError(said[-1].strip())
    [made], [replay] = (folder / "made").iterdir(), (folder / "replay").iterdir()
    context: Json = json.loads(replay.read_text("utf-8"))["cookiecutter"]
    return made, context


def main() -> None:
    from cookiecutter.exceptions import CookiecutterException  # noqa: PLC0415 - Not in the other process.
    from cookiecutter.main import cookiecutter  # noqa: PLC0415 - As above.

    template, folder = map(Path, sys.argv[1:])
    try:
        cookiecutter(
            str(template),
            no_input=True,
            extra_context=json.load(sys.stdin),
            output_dir=str(folder / "made"),
            config_file=str(folder / "config.json"),
        )
    except (SystemExit, CookiecutterException) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
