"""`make pin-images`: add the current digest to each image that a Dockerfile or compose file names by tag alone.

A tag can be moved to another image, a digest cannot. Dependabot updates both.
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


def digest(image: str) -> str:
    """Ask the registry for the index of all platforms, whose hash is the digest."""
    command = ["docker", "buildx", "imagetools", "inspect", "--raw", image]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise CommandError(f"Cannot get the digest of {image}: {done.stderr.decode().strip()}")
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


def pin(path: Path) -> None:
    text = path.read_text()
    pinned = _IMAGE.sub(lambda found: f"{found[0]}@{digest(found[2])}", text)
    if pinned != text:
        path.write_text(pinned)
        print_status(f"{path.name}: images pinned")


def main(folder: Path = PROJECT) -> int:
    for path in sorted((*folder.glob("Dockerfile*"), *folder.glob("compose*.yaml"))):
        pin(path)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, failed=1))
