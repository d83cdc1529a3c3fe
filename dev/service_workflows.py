"""The half of `make check-workflows` that looks at a service's workflows, in a repository of their own.

actionlint looks in the root of the repository for a workflow that another one calls, and here that is the
template's.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.bake import ROOT


def main() -> int:
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "{{cookiecutter.project_slug}}/.github", folder / ".github")
        (folder / ".git").mkdir()
        return subprocess.run(["actionlint"], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
