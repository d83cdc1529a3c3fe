"""Where the contestants live: each in a virtual environment in the user's cache, none in the repository.

What is there stays as it is; without the folder, everything is made anew of the newest versions.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.contestants import ENVIRONMENTS, FLOOR, SERVICE, Contestant
from benchmarks.stopping import StoppedError

ROOT = Path(__file__).resolve().parent.parent
APPS = Path(__file__).with_name("apps")
PEER = {
    "order_model.py": "db/models/order_model.py",
    "order_dao.py": "db/dao/order_dao.py",
    "schema.py": "web/api/orders/schema.py",
    "views.py": "web/api/orders/views.py",
}
FEATURES = (
    "--migrations",
    "--gunicorn",
    "--api-type=rest",
    "--db=postgresql",
    "--orm=sqlalchemy",
    "--ci=none",
    "--dummy",
    "--routers",
)


PREPARED = {*ENVIRONMENTS, "service", "s3rius", "outbound"}


class Environments:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service = folder / "service" / "order-service"

    def prepare(self, names: Iterable[str]) -> dict[str, str]:
        """Install what is missing; returns why an environment cannot be had. Two there must be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        failed = {}
        for name in dict.fromkeys(name for name in names if name in PREPARED):
            try:
                self._prepare(name)
            except StoppedError as reason:
                if name in {SERVICE.environment, FLOOR.environment}:
                    raise
                failed[name] = str(reason)
        return failed

    def python(self, name: str) -> Path:
        return self.home(name) / ".venv/bin/python"

    def home(self, name: str) -> Path:
        homes = {"service": self.service, "s3rius": self.folder / "s3rius" / "peer"}
        return homes.get(name, self.folder / name)

    def command(self, contestant: Contestant, port: int) -> list[str]:
        program, *arguments = (part.format(port=port) for part in contestant.command)
        return [str(self.python(contestant.environment).with_name(program)), *arguments]

    def versions(self, contestant: Contestant) -> dict[str, str]:
        listed = self._listed(contestant.environment)
        if contestant.environment == "s3rius":
            listed |= self._listed("generator")
        return {name: listed[name] for name in contestant.shown}

    def _listed(self, name: str) -> dict[str, str]:
        said = run("uv", "pip", "list", "--format", "json", "--python", str(self.python(name)))
        return {each["name"]: each["version"] for each in json.loads(said)}

    def _prepare(self, name: str) -> None:
        if name == "service":
            # Made anew from the working tree each time; its environment stays.
            run(sys.executable, "-m", "dev.bake", str(self.service.parent), "project_slug=order-service")
            run("uv", "sync", "--quiet", "--compile-bytecode", cwd=self.service)
        elif name == "s3rius":
            self._generate()
        elif name == "outbound":
            ours = (
                str(self.service / "chassis"),
                str(self.service),
            )  # uv pip knows nothing of the workspace.
            self._install(name, (*ours, "httpx-aiohttp[httpx2]", "tenacity"))
        else:
            self._install(name, ENVIRONMENTS[name])

    def _install(self, name: str, packages: tuple[str, ...]) -> None:
        home = self.folder / name
        complete = home / "complete"
        if complete.exists() and complete.read_text() == repr(packages):
            return
        print(f"  installing {name}", flush=True)
        run("uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(home / ".venv"))
        into = ("--quiet", "--compile-bytecode", "--python", str(self.python(name)))
        run("uv", "pip", "install", *into, *packages)
        complete.write_text(repr(packages))

    def _generate(self) -> None:
        """Generate s3rius' template, and add a feature to it as its own example feature is made."""
        peer = self.home("s3rius")
        if (peer / "complete").exists():
            return
        self._install("generator", ("fastapi-template",))
        shutil.rmtree(peer.parent, ignore_errors=True)
        peer.parent.mkdir()
        generate = ("-m", "fastapi_template", "--quiet", "--name", "peer", *FEATURES)
        # It would choose a Python of its own, which may have to be fetched.
        run(str(self.python("generator")), *generate, cwd=peer.parent, UV_PYTHON=sys.executable)
        add_orders(peer / "peer")
        run("uv", "sync", "--quiet", "--no-default-groups", "--compile-bytecode", cwd=peer)
        run("uv", "pip", "install", "--quiet", "--python", str(self.python("s3rius")), "uuid-utils")
        (peer / "complete").touch()


def add_orders(package: Path) -> None:
    """Add the feature, and give the engine our database and the pool that all have."""
    (package / "web/api/orders").mkdir()
    for name, place in PEER.items():
        shutil.copy2(APPS / "s3rius" / name, package / place)
    (package / "web/api/orders/__init__.py").write_text("")
    with (package / "web/api/router.py").open("a") as router:
        router.write("\nfrom peer.web.api.orders.views import router as orders\n\n")
        router.write('api_router.include_router(orders, prefix="/orders", tags=["orders"])\n')
    lifespan = package / "web/lifespan.py"
    ours = "os.environ['DATABASE'].replace(':', '+asyncpg:', 1), "
    ours += "pool_size=int(os.environ['POOL']), max_overflow=0, "
    theirs = "create_async_engine(str(settings.db_url), "
    text = lifespan.read_text()
    if theirs not in text:
        raise StoppedError("s3rius' template makes its engine in another way than this benchmark knows")
    lifespan.write_text("import os\n" + text.replace(theirs, f"create_async_engine({ours}"))


def run(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean(os.environ) | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [""]
        raise StoppedError(f"`{Path(command[0]).name} {command[1]}` failed: {said[0]}")
    return done.stdout


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is meant for another service, another virtual environment, or another folder."""
    ours = ("APP_", "PEER_", "OTEL_", "FASTAPI_OTEL", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}
