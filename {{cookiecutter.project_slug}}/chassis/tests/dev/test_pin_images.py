"""`make pin-images`: which names get a digest, and which are left alone."""

import hashlib
from pathlib import Path

import pytest

from chassis.dev.pin_images import main
from chassis.dev.terminal import CommandError
from tests.dev.programs import Programs

DOCKERFILE = """FROM ghcr.io/astral-sh/uv:0.13 AS uv
FROM python:3.14-slim AS dependencies
COPY --from=uv /uv /usr/local/bin/
COPY --from=registry.example.com:5000/tools:1 /x /x
FROM dependencies
FROM debian:13@sha256:0
"""
COMPOSE = """x-service:
  image: ${IMAGE:-orders:local}
services:
  database:
    image: postgres:18
    command: [echo, "image: no:1"]
"""


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    Programs(tmp_path, monkeypatch).add("docker", {"imagetools inspect --raw": (0, "an index")})
    return f"@sha256:{hashlib.sha256(b'an index').hexdigest()}"


def test_each_tag_alone_gets_its_digest_once(tmp_path: Path, digest: str) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    expected = DOCKERFILE
    for image in ("ghcr.io/astral-sh/uv:0.13", "python:3.14-slim", "registry.example.com:5000/tools:1"):
        expected = expected.replace(image, image + digest)
    for _ in range(2):
        main(tmp_path)
        assert (tmp_path / "Dockerfile").read_text() == expected
        assert (tmp_path / "compose.yaml").read_text() == COMPOSE.replace("postgres:18", f"postgres:18{digest}")


def test_the_overlays_get_the_digest_of_now(tmp_path: Path, digest: str) -> None:
    """Dependabot updates files whose names contain `compose`, and no others."""
    overlay = tmp_path / "deploy/compose/tls.yaml"
    overlay.parent.mkdir(parents=True)
    for before in ("postgres:18", "postgres:18@sha256:0"):
        overlay.write_text(COMPOSE.replace("postgres:18", before))
        main(tmp_path)
        assert overlay.read_text() == COMPOSE.replace("postgres:18", f"postgres:18{digest}")


def test_a_registry_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Programs(tmp_path, monkeypatch).add("docker", {"inspect": (1, "")})
    (tmp_path / "Dockerfile").write_text("FROM a:1\n")
    with pytest.raises(CommandError, match="Cannot get the digest of a:1"):
        main(tmp_path)
    assert (tmp_path / "Dockerfile").read_text() == "FROM a:1\n"
