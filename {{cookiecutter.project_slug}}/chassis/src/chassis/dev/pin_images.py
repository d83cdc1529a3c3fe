"""`make pin-images`: add the current digest to each image that a Dockerfile or compose file names by tag alone.

A tag can be moved to another image, a digest cannot. Dependabot updates both, but it does not see the files of
`deploy/compose`, because their names do not contain `compose`. There each run renews the digest.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, print_status, run_command

# `FROM name:tag` and `image: name:tag`, with neither a digest nor a variable.
_IMAGE = re.compile(r"^(FROM +|COPY +--from=| +image: +)([a-z0-9][a-z0-9./_:-]*:[\w.-]+)(?= |$)", re.MULTILINE)
_DIGEST = re.compile(r"@sha256:[0-9a-f]+")


def digest(image: str) -> str:
    """Ask the registry for the index of all platforms, whose hash is the digest."""
    command = ["docker", "buildx", "imagetools", "inspect", "--raw", image]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise CommandError(f"Cannot get the digest of {image}: {done.stderr.decode().strip()}")
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


def pin(path: Path) -> None:
    text = path.read_text()
    to_pin = _DIGEST.sub("", text) if path.parent.name == "compose" else text
    pinned = _IMAGE.sub(lambda found: f"{found[0]}@{digest(found[2])}", to_pin)
    if pinned != text:
        path.write_text(pinned)
        print_status(f"{path.name}: images pinned")


def main(folder: Path = PROJECT) -> int:
    for pattern in ("Dockerfile*", "compose*.yaml", "deploy/compose/*.yaml"):
        for path in sorted(folder.glob(pattern)):
            pin(path)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, failed=1))
