"""`make bake` and `make demo`: a service made from the working tree, in a scratch folder outside of it.

The folder holds one service. Made again, it keeps what tools and the user have put there: the virtual
environment, the lock, the database.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
KEPT = (".venv", ".uv", "uv.lock", ".env", ".postgres", ".mypy_cache", ".ruff_cache", ".pytest_cache")


def main() -> None:
    folder, *typed = sys.argv[1:]
    try:
        answers = shlex.split(" ".join(typed))
    except ValueError as error:
        sys.exit(f"An answer has an open quote: {typed[0]} ({error})")
    if wrong := [answer for answer in answers if "=" not in answer]:
        sys.exit(f"{wrong[0]} is not an answer. Type name=value, for example license=MIT")
    with TemporaryDirectory() as scratch:
        template = export(Path(scratch))
        start = perf_counter()
        try:
            service = bake(template, Path(folder), dict(answer.split("=", 1) for answer in answers))
        except ValueError as error:  # A choice that is not offered.
            sys.exit(str(error))
    print(f"Made {service} in {perf_counter() - start:.1f} s", flush=True)


def export(folder: Path) -> Path:
    """Copy what git would hold of the working tree: cookiecutter copies a cache or an environment too."""
    listing = ["git", "ls-files", "-coz", "--exclude-standard"]
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return ROOT  # Downloaded as an archive, with nothing in it but what git holds.
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def bake(template: Path, folder: Path, answers: dict[str, str]) -> Path:
    """Bake into `folder`; what stood there waits beside it until the new service is whole, or comes back."""
    aside = folder.with_name(f"{folder.name}.old")
    if aside.exists():  # A run was killed, and what it had put aside is whole.
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.replace(aside)
    if any(aside.glob("*/uv.lock")):
        os.environ["SKIP_UV_LOCK"] = "1"
    try:
        made = cookiecutter(
            str(template), no_input=True, extra_context=answers, default_config=True, output_dir=str(folder)
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if aside.exists():
            aside.replace(folder)
        raise
    service = Path(made)
    for name in KEPT:
        if (kept := aside / service.name / name).exists():
            kept.rename(service / name)
    shutil.rmtree(aside, ignore_errors=True)
    return service


if __name__ == "__main__":
    main()
