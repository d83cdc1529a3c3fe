"""`make pin-images`: gives each image that a Dockerfile or compose file names by a tag alone the digest it has now.

A tag can be moved to another image, a digest cannot. Dependabot updates both, but it does not see the files of
`deploy/compose`, because their names do not contain `compose`. There each run renews the digest.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from chassis.dev.project import PROJECT
from chassis.dev.terminal import complain

# `FROM name:tag` and `image: name:tag`, without a variable; the last group is the digest.
_IMAGE = re.compile(
    r"^(FROM +|COPY +--from=| +image: +)([a-z0-9][a-z0-9./_:-]*:[\w.-]+)(@sha256:[0-9a-f]+)?(?= |$)", re.MULTILINE
)


def digest(image: str) -> str:
    """Ask the registry for the index of all platforms, whose hash is the digest."""
    command = ["docker", "buildx", "imagetools", "inspect", "--raw", image]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"The digest of {image} cannot be had: {done.stderr.decode().strip()}")
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


def pin(path: Path, *, renew: bool = False) -> None:
    def pinned_once(found: re.Match[str]) -> str:
        return found[0] if found[3] and not renew else f"{found[1]}{found[2]}@{digest(found[2])}"

    text = path.read_text()
    pinned = _IMAGE.sub(pinned_once, text)
    if pinned != text:
        path.write_text(pinned)
        complain(f"{path.name}: images pinned")


def main(folder: Path = PROJECT) -> None:
    for path in sorted((*folder.glob("Dockerfile*"), *folder.glob("compose*.yaml"))):
        pin(path)
    for path in sorted(folder.glob("deploy/compose/*.yaml")):
        pin(path, renew=True)


if __name__ == "__main__":
    main()
