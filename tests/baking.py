"""How tests make services: as users do, but far from the user's own files."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
SERVICE = "{{cookiecutter.project_slug}}"
UNRENDERED = re.compile(r"\{[{%][^}]*\bcookiecutter\b|\bcookiecutter\.(project|python|license|owner)")


@dataclass(frozen=True)
class Baker:
    template: Path
    home: Path

    def bake(self, output: Path, answers: dict[str, str] | None = None, *, hooks: bool = True) -> Path:
        """Bake in process, which is fast; the answers come in as they do from the command line."""
        service = cookiecutter(
            str(self.template),
            no_input=True,
            extra_context=answers,
            output_dir=str(output),
            config_file=str(self.home / "config.yaml"),
            accept_hooks=hooks,
        )
        return Path(service)

    def __post_init__(self) -> None:
        folders = {"cookiecutters_dir": str(self.home / "clones"), "replay_dir": str(self.home / "replay")}
        (self.home / "config.yaml").write_text(json.dumps(folders))

    def run(
        self, *command: str, cwd: Path, typed: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run cookiecutter or cruft as a user does; all that is said is in `stdout`."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=cwd,
            env=self.environment(cwd) | (environment or {}),
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def environment(self, cwd: Path) -> dict[str, str]:
        nobody = {"GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@localhost"}
        nobody |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in nobody.items()}
        theirs = {"HOME": self.home, "COOKIECUTTER_CONFIG": self.home / "config.yaml", "PWD": cwd}
        isolated = {name: str(path) for name, path in theirs.items()} | {"GIT_CONFIG_NOSYSTEM": "1"}
        return os.environ | nobody | isolated


def files(folder: Path) -> dict[str, Path]:
    """Every file below a folder, by its path from there."""
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
