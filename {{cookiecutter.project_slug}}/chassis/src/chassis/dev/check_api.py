"""`make check-api`: list the changes of the OpenAPI document that break older clients; exit code 1 if there are any.

    base=origin/main make check-api

Accept a break on purpose by its line in `docs/api-breaks.txt`, as printed here, with the reason after a `#`.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chassis.dev.git import exists, is_nothing
from chassis.dev.project import PROJECT
from chassis.dev.schema_changes import Json, Schemas, resolved
from chassis.dev.terminal import CommandError, print_error, run_command

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
ACCEPTED = PROJECT / "docs/api-breaks.txt"


def changes(old: Json, new: Json) -> Iterator[str]:
    """Yield a line for each break: the operation, the place in it, and the change."""
    for path, method, before in operations(old):
        name = f"{method.upper()} {path}"
        after = new.get("paths", {}).get(path, {}).get(method)
        if after is None:
            yield f"{name}: is gone"
            continue
        yield from parameter_changes(old, new, before, after, name)
        yield from body_changes(old, new, before, after, name)
        yield from response_changes(old, new, before, after, name)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def parameter_changes(old: Json, new: Json, before: Json, after: Json, name: str) -> Iterator[str]:
    had, has = parameters(before, old), parameters(after, new)
    for key in sorted(had.keys() - has.keys()):
        yield f"{name}: {' '.join(key)} is no longer accepted"
    for key, parameter in sorted(has.items()):
        where = f"{name}: {' '.join(key)}"
        if parameter.get("required") and not had.get(key, {}).get("required"):
            yield f"{where} is now required"
        if key in had:
            schemas = Schemas(old, new, "request")
            yield from schemas.changes(had[key].get("schema", {}), parameter.get("schema", {}), where)


def parameters(operation: Json, document: Json) -> dict[tuple[str, str], Json]:
    found = (resolved(each, document) for each in operation.get("parameters", ()))
    return {(each["in"], each["name"]): each for each in found}


def body_changes(old: Json, new: Json, before: Json, after: Json, name: str) -> Iterator[str]:
    had, has = resolved(before.get("requestBody", {}), old), resolved(after.get("requestBody", {}), new)
    if has.get("required") and not had.get("required"):
        yield f"{name}: a body is now required"
    yield from content_changes(Schemas(old, new, "request"), had, has, f"{name}: body")


def response_changes(old: Json, new: Json, before: Json, after: Json, name: str) -> Iterator[str]:
    """Compare the successful responses. Errors may change."""
    for status, response in before.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        if status not in after.get("responses", {}):
            yield f"{name}: no longer returns {status}"
            continue
        had, has = resolved(response, old), resolved(after["responses"][status], new)
        yield from content_changes(Schemas(old, new, "response"), had, has, f"{name}: {status}")


def content_changes(schemas: Schemas, had: Json, has: Json, where: str) -> Iterator[str]:
    there = has.get("content", {})
    for kind, content in had.get("content", {}).items():
        if kind not in there:
            yield f"{where}: {kind} is gone"
        else:
            yield from schemas.changes(content.get("schema", {}), there[kind].get("schema", {}), where)


def document_of(folder: Path, name: str) -> Json:
    """The document of the code in a folder, in an environment of its own if it is not this one."""
    python = [sys.executable]
    if folder != PROJECT:
        python = [os.environ.get("UV", "uv"), "run", "--quiet", "--no-dev", "python"]
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [*python, "-m", "chassis.dev.openapi"]
    done = subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode} without output"]
        raise CommandError(f"The API of {name} cannot be loaded: {said[-1]}")
    found: Json = json.loads(done.stdout)
    return found


def document_at(revision: str) -> Json:
    with tempfile.TemporaryDirectory() as name:
        archive = subprocess.Popen(["git", "archive", revision], cwd=PROJECT, stdout=subprocess.PIPE)
        with archive, tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            files.extractall(name, filter="data")
        return document_of(Path(name), revision)


def accepted() -> set[str]:
    lines = ACCEPTED.read_text().splitlines() if ACCEPTED.exists() else []
    return {line.partition(" #")[0].strip() for line in lines}


def main() -> int:
    base = os.environ.get("base") or "origin/main"  # noqa: SIM112 - As it stands after `make`.
    if is_nothing(base):
        print("There is no version before this one to compare with")
        return 0
    if not exists(base):
        raise CommandError(f"There is no version {base} to compare with. Type `git fetch`, or name another: base=…")
    documents = document_at(base), document_of(PROJECT, "this version")
    breaks = [line for line in changes(*documents) if line not in accepted()]
    for line in breaks:
        print(line)
    if breaks:
        print_error(
            f"\nThese changes break clients of {base}. Keep the old beside the new, or add a version (/v2). To accept "
            "one, add its line to docs/api-breaks.txt, with the reason after a #."
        )
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
