"""`make deploy`, with programs that only note how they were called."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.dev import deploy, kubernetes, smoke, swarm
from chassis.dev.terminal import CommandError
from tests.dev.programs import Programs

IMAGE = f"ghcr.io/us/orders:1.4.0@sha256:{'a' * 64}"
RENDERED = """apiVersion: apps/v1
metadata:
  name: orders
  namespace: orders-staging
spec:
      containers:
      - image: registry.example.com/orders:0.1.0
        name: api
      - image: envoyproxy/envoy:v1
        name: another
"""
OK = {
    "kustomize": (0, RENDERED),
    "apply": (0, ""),
    "--output=name": (0, "serviceaccount/orders\njob.batch/orders-migrate\n"),
    "get": (0, "Complete"),
    "logs": (0, "it broke here"),
    "rollout": (0, ""),
    "delete": (0, ""),
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    for module in (deploy, kubernetes, swarm):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "orders"\n')
    monkeypatch.setattr(kubernetes, "POLL_SECONDS", 0.0)
    for name, value in {"environment": "staging", "image": IMAGE, "url": "https://orders.example"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(smoke, "main", lambda: 0)
    return Programs(tmp_path, monkeypatch)


@pytest.fixture
def cluster(programs: Programs, tmp_path: Path) -> Programs:
    (tmp_path / "deploy/kubernetes").mkdir(parents=True)
    programs.add("kubectl", OK)
    return programs


def verbs(programs: Programs) -> list[str]:
    """What was done, without what was only asked."""
    done = [call.split()[1:3] for call in programs.calls]
    return [" ".join(call) if call[0] == "rollout" else call[0] for call in done if call[0] != "kustomize"]


def test_it_migrates_then_rolls_out_then_tests(cluster: Programs) -> None:
    assert deploy.main() == 0
    assert verbs(cluster) == ["delete", "apply", "get", "apply", "rollout status"]
    assert f"      - image: {IMAGE}\n" in cluster.given
    assert "envoyproxy/envoy:v1" in cluster.given
    assert "registry.example.com" not in cluster.given
    applied = [call for call in cluster.calls if "kustomize" in call]
    assert applied[1].endswith("overlays/staging/migrate")
    assert all("--namespace=orders-staging" in call for call in cluster.calls if "rollout" in call)


def test_a_migration_that_fails_rolls_out_nothing(cluster: Programs, capfd: pytest.CaptureFixture[str]) -> None:
    cluster.add("kubectl", {"get": (0, "FailureTarget Failed")})
    with pytest.raises(CommandError, match="The version before it is still running"):
        deploy.main()
    assert verbs(cluster) == ["delete", "apply", "get", "logs"]
    assert "it broke here" in capfd.readouterr().err


def test_what_does_not_start_is_rolled_back(cluster: Programs) -> None:
    cluster.add("kubectl", {"rollout status": (1, "")})
    with pytest.raises(CommandError, match="does not start either"):
        deploy.main()
    assert verbs(cluster)[3:] == ["apply", "rollout status", "rollout undo", "rollout status"]


def test_what_fails_its_smoke_test_is_rolled_back(cluster: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "main", lambda: 1)
    assert deploy.main() == 1
    assert verbs(cluster)[3:] == ["apply", "rollout status", "rollout undo", "rollout status"]


def test_an_old_image_comes_back_without_migrations(cluster: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("migrate", "no")
    assert deploy.main() == 0
    assert verbs(cluster) == ["apply", "rollout status"]


def test_manifests_without_the_image_are_a_mistake(cluster: Programs) -> None:
    cluster.add("kubectl", {"kustomize": (0, "kind: Service\n")})
    with pytest.raises(CommandError, match="does not name an image orders"):
        deploy.main()


@pytest.fixture
def swarm_of(programs: Programs, tmp_path: Path) -> Callable[[str], Programs]:
    def make(running: str) -> Programs:
        (tmp_path / swarm.FILE).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / swarm.FILE).touch()
        said = json.dumps([{"Spec": {"TaskTemplate": {"ContainerSpec": {"Image": running}}}}])
        programs.add("docker", {"inspect": (0, said), "stack": (0, ""), "rollback": (0, "")})
        return programs

    return make


STACK = "docker stack deploy --detach=false --with-registry-auth --compose-file=deploy/compose/swarm.yaml orders"
MIGRATES = "MIGRATION=alembic upgrade head"
ROLLBACK = "docker service rollback --detach=false orders_app"


def test_a_swarm_gets_the_image(swarm_of: Callable[[str], Programs]) -> None:
    programs = swarm_of(IMAGE)
    assert deploy.main() == 0
    assert programs.calls == [f"{STACK} IMAGE={IMAGE} {MIGRATES}", "docker service inspect orders_app"]


def test_an_older_image_comes_to_a_swarm_without_its_migrations(
    swarm_of: Callable[[str], Programs], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = swarm_of(IMAGE)
    monkeypatch.setenv("migrate", "no")
    assert deploy.main() == 0
    assert programs.calls[0] == f"{STACK} IMAGE={IMAGE} MIGRATION=true"


def test_a_swarm_that_has_gone_back_by_itself_is_a_failure(swarm_of: Callable[[str], Programs]) -> None:
    programs = swarm_of("ghcr.io/us/orders@sha256:old")
    assert deploy.main() == 1
    assert ROLLBACK not in programs.calls


def test_a_swarm_is_rolled_back_by_the_smoke_test(
    swarm_of: Callable[[str], Programs], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = swarm_of(IMAGE)
    monkeypatch.setattr(smoke, "main", lambda: 1)
    assert deploy.main() == 1
    assert programs.calls[-1] == ROLLBACK


def test_without_either_there_is_nowhere_to_go(programs: Programs) -> None:
    with pytest.raises(CommandError, match="neither deploy/kubernetes nor"):
        deploy.main()
    assert programs.calls == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("image", "ghcr.io/us/orders:1.4.0", "needs a digest"),
        ("image", f"x; rm -r / @sha256:{'a' * 64}", "needs a digest"),
        ("environment", "../production", "The environment is missing or invalid"),
        ("environment", "", "The environment is missing or invalid"),
    ],
)
def test_what_is_refused(cluster: Programs, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match=said):
        deploy.main()
    assert cluster.calls == []


@pytest.mark.usefixtures("cluster")
def test_files_come_as_variables_and_overwrite_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG_TEXT", "SECRETS_ENV"):
        monkeypatch.setenv(name, "secret\n\n")
    assert deploy.main() == 0
    written = [tmp_path / "home/.kube/config", tmp_path / deploy.SECRETS.format("staging")]
    assert [path.read_text() for path in written] == ["secret\n"] * 2
    assert [path.stat().st_mode & 0o777 for path in written] == [0o600] * 2
    assert "KUBECONFIG_TEXT" not in os.environ

    (tmp_path / "home/.ssh").mkdir()
    hosts = tmp_path / "home/.ssh/known_hosts"
    hosts.write_text("one\n")
    monkeypatch.setenv("SSH_KNOWN_HOSTS", "two")
    assert deploy.main() == 0
    assert hosts.read_text() == "one\ntwo\n"

    monkeypatch.setenv("KUBECONFIG_TEXT", "another")
    with pytest.raises(CommandError, match="exists already"):
        deploy.main()
    assert written[0].read_text() == "secret\n"
