"""`docker compose up` right after generation, and the data after `docker compose down`."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.containers.engine import Project, committed, copied, docker, execute, inspect
from tests.measurements import Measure
from tests.services import call

pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(600)]

ORDER = {"reference": "C-1", "amount": "12.50", "currency": "EUR"}
PASSWORD = ("cat", "/run/secrets/app_database__password")
SUPERUSER = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = 'service'"


@pytest.fixture(scope="module")
def project(packed: Path, image: str) -> Iterator[Project]:
    assert image == f"{packed.name}:local", "compose runs what make has built"
    project = Project(packed)
    with project.running():
        yield project


def password(project: Project) -> str:
    return project.compose("exec", "app", *PASSWORD)


def test_it_comes_up_and_answers(project: Project, measure: Measure) -> None:
    measure("compose up --wait, with the image built and no data", project.took)

    ready = execute("curl", "--silent", "--fail", f"http://{project.address}/readyz")
    assert json.loads(ready) == {"status": "ok", "database": "ok"}
    log = project.compose("logs", "app")
    assert "too few connections" not in log
    assert "does not verify the server" not in log


@pytest.mark.parametrize("service", ["app", "migrate", "database", "secrets"])
def test_each_container_is_hardened_and_limited(project: Project, service: str) -> None:
    [name] = project.containers(service)
    found = inspect(name)
    host = found["HostConfig"]

    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapAdd"] == (["CAP_CHOWN"] if service == "secrets" else None)
    assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0
    assert found["Config"]["User"] == {"database": "postgres", "secrets": "0:0"}.get(service, "10001:10001")
    assert password(project) not in json.dumps(found)


def test_only_those_who_need_a_password_have_it(project: Project) -> None:
    files = project.compose("exec", "app", "find", "/run/secrets", "-type", "f", "-printf", "%f %m %U\n")
    theirs = project.compose(
        "exec", "database", "find", "/run/secrets", "-type", "f", "-printf", "%f %m %U\n"
    )

    assert files.split("\n")[:-1] == ["app_database__password 400 10001"]
    assert sorted(theirs.split("\n")[:-1]) == ["postgres_password 400 999", "service_password 400 999"]
    assert len(password(project)) == 43


def test_down_leaves_no_anonymous_volume(project: Project) -> None:
    assert project.anonymous_volumes() == []


def test_the_role_of_the_service_is_not_a_superuser(project: Project) -> None:
    asked = project.compose("exec", "database", "psql", "-U", "postgres", "-Atc", SUPERUSER)
    assert asked.strip() == "f"


def test_a_stop_loses_no_request_and_a_start_no_data(project: Project) -> None:
    url, body = f"http://{project.address}", json.dumps(ORDER)
    with closing(http.client.HTTPConnection(project.address, timeout=30)) as connection:
        connection.putrequest("POST", "/v1/orders")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        time.sleep(0.5)
        down = threading.Thread(target=project.compose, args=("down",))
        down.start()
        time.sleep(7)  # After the drain and the lame duck second: the listener is closed.
        with pytest.raises(OSError, match=r"refused|reset|closed"):
            call("GET", f"{url}/livez")
        connection.send(body.encode())
        placed = connection.getresponse()
    down.join(60)

    assert placed.status == 201
    assert project.containers("app") == []
    project.compose("up", "--wait")
    found = call("GET", f"{url}{placed.headers['location']}")
    assert (found.status, found.json["reference"]) == (200, ORDER["reference"])


def test_a_colleagues_clone_works_too(project: Project, baker: Baker, packed: Path, tmp_path: Path) -> None:
    origin = copied(packed, tmp_path)
    committed(baker, origin)
    execute("git", "clone", "-q", origin, tmp_path / "clone")
    theirs = Project(tmp_path / "clone")
    with theirs.running():
        assert call("GET", f"http://{theirs.address}/readyz").status == 200
        assert password(theirs) != password(project)
        assert execute("git", "status", "--porcelain", cwd=tmp_path / "clone") == ""


def test_the_grace_period_is_that_of_the_server(project: Project, image: str) -> None:
    script = "from chassis.server import ServerSettings as S; s = S(); print(s.model_dump_json())"
    server = json.loads(docker("run", "--rm", image, "python", "-c", script))
    services = json.loads(project.compose("config", "--format=json"))["services"]

    assert services["app"]["stop_grace_period"] == f"{server['grace_period']}s"
    assert server["graceful_timeout"] < server["grace_period"]


def test_three_replicas_find_enough_connections(project: Project) -> None:
    asked = project.compose("exec", "database", "psql", "-U", "postgres", "-Atc", "SHOW max_connections")
    script = "from app.settings import Settings as S; s = S(); print(s.server.workers * s.database.pool_size)"
    each = int(project.compose("exec", "app", "python", "-c", script))

    assert 3 * each <= int(asked) - 3, "three connections are kept for superusers"
