"""Names, paths and numbers that are in two places are the same, and the service accepts its settings."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.conftest import Rendered
from tests.kubernetes.manifests import OVERLAYS, PASSWORD, Manifest, container, environment, number, only, pod
from tests.services import run

# Prints the settings that the service reads from its variables.
ASKING = """
import json
from app.main import create_app
from app.settings import Settings
from chassis.tls import EXPIRY_WARNING
settings = Settings.load()
print(json.dumps({
    "paths": list(create_app(settings).openapi()["paths"]),
    "database": {"password": settings.database.password.get_secret_value()},
    "server": json.loads(settings.server.model_dump_json()),
    "expires_soon": EXPIRY_WARNING,
}))
"""


@pytest.fixture(scope="module")
def asked(
    rendered: Rendered, service: Path, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Have the service itself read what each step gives it; secret files stand in as variables."""
    program = tmp_path_factory.mktemp("asking") / "ask.py"
    program.write_text(ASKING)
    answers = {}
    for name, manifests in rendered.items():
        secrets = {key.upper(): value for key, value in decoded(only(manifests, "Secret")).items()}
        given = machine | environment(manifests) | secrets
        said = run(
            "uv", "run", "--quiet", "--no-sync", "python", str(program), cwd=service, environment=given
        )
        answers[name] = json.loads(said.strip().rpartition("\n")[2])
    return answers


def decoded(secret: Manifest) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def test_the_service_takes_its_settings_and_secrets(asked: dict[str, Any]) -> None:
    for answer in asked.values():
        assert answer["database"]["password"] == PASSWORD


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_times_of_pod_and_server_agree(rendered: Rendered, asked: dict[str, Any], name: str) -> None:
    server, api = asked[name]["server"], container(rendered[name])
    grace = pod(rendered[name])["spec"]["terminationGracePeriodSeconds"]
    stopping = server["drain"] + server["lame_duck"] + server["graceful_shutdown"]

    assert stopping < server["graceful_timeout"] < grace == server["grace_period"]
    # gunicorn replaces a blocked worker first, and names the line that blocks.
    liveness = api["livenessProbe"]
    assert (liveness["failureThreshold"] - 1) * liveness["periodSeconds"] > server["timeout"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_as_many_bodies_as_are_taken_fit_into_memory(
    rendered: Rendered, asked: dict[str, Any], name: str
) -> None:
    server, spec = asked[name]["server"], pod(rendered[name])["spec"]
    [tmp] = (number(volume["emptyDir"]["sizeLimit"]) for volume in spec["volumes"] if "emptyDir" in volume)
    bodies = server["max_concurrency"] * server["max_body_size"]
    idle = number("100Mi")
    assert idle + tmp + bodies <= number(container(rendered[name])["resources"]["limits"]["memory"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_probes_ask_what_the_service_answers(
    rendered: Rendered, asked: dict[str, Any], name: str
) -> None:
    probes = [probe for key, probe in container(rendered[name]).items() if key.endswith("Probe")]
    assert (
        {probe["httpGet"]["path"] for probe in probes} == {"/livez", "/readyz"} <= set(asked[name]["paths"])
    )


def test_secrets_are_files_where_the_service_looks(applied: list[Manifest], service: Path) -> None:
    assert 'SECRETS = Path("/run/secrets")' in (service / "chassis/src/chassis/settings.py").read_text()
    mounts = {each["mountPath"]: each for each in container(applied)["volumeMounts"]}
    [volume] = (v for v in pod(applied)["spec"]["volumes"] if v["name"] == mounts["/run/secrets"]["name"])

    assert volume["secret"]["secretName"] == only(applied, "Secret")["metadata"]["name"]
    assert volume["secret"]["secretName"].startswith("order-service-secrets-")
    assert mounts["/run/secrets"]["readOnly"] is True
    assert not [mount for mount in mounts.values() if "subPath" in mount]
    # The group of the pod may read, and nobody else.
    assert volume["secret"]["defaultMode"] == 0o440
    assert pod(applied)["spec"]["securityContext"]["fsGroup"] == 10001
    assert PASSWORD not in json.dumps([each for each in applied if each["kind"] != "Secret"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_certificate_is_the_one_that_is_served_and_believed(
    rendered: Rendered, asked: dict[str, Any], name: str
) -> None:
    manifests, tls = rendered[name], asked[name]["server"]["tls"]
    certificate, policy = (only(manifests, kind)["spec"] for kind in ("Certificate", "BackendTLSPolicy"))
    mounts = {each["mountPath"]: each["name"] for each in container(manifests)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(manifests)["spec"]["volumes"]}
    service = only(manifests, "Service")["metadata"]

    # The keys that cert-manager writes, in the Secret that it writes.
    assert (tls["certfile"], tls["keyfile"]) == ("/run/tls/tls.crt", "/run/tls/tls.key")
    assert volumes[mounts["/run/tls"]]["secret"]["secretName"] == certificate["secretName"]
    assert [policy["validation"]["hostname"]] == certificate["dnsNames"]
    assert certificate["dnsNames"] == [f"{service['name']}.{service['namespace']}.svc"]
    # Renewed before the service would warn, so that its warning means that something is wrong.
    assert int(certificate["renewBefore"].removesuffix("h")) * 3600 > asked[name]["expires_soon"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_route_leads_to_the_service_and_the_service_to_the_container(
    rendered: Rendered, name: str
) -> None:
    manifests = rendered[name]
    service, route = only(manifests, "Service"), only(manifests, "HTTPRoute")["spec"]
    [port] = service["spec"]["ports"]
    [target] = only(manifests, "BackendTLSPolicy")["spec"]["targetRefs"]

    assert route["rules"] == [{"backendRefs": [{"name": service["metadata"]["name"], "port": port["port"]}]}]
    assert target == {"group": "", "kind": "Service", "name": service["metadata"]["name"]}
    assert port["targetPort"] == container(manifests)["ports"][0]["name"]
    [host] = route["hostnames"]
    assert host.startswith("order-service.")
    scaled = only(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == (
        "Deployment",
        only(manifests, "Deployment")["metadata"]["name"],
    )


def test_the_migrations_run_as_the_service_does(rendered: Rendered) -> None:
    for name in OVERLAYS:
        api, job = rendered[name], rendered[f"{name}/migrate"]
        assert only(api, "ConfigMap") == only(job, "ConfigMap")
        assert only(api, "Secret") == only(job, "Secret")
        assert pod(api)["spec"]["securityContext"] == pod(job)["spec"]["securityContext"]
        assert container(api)["securityContext"] == container(job)["securityContext"]
        assert container(job)["args"] == ["alembic", "upgrade", "head"]
        spec = only(job, "Job")["spec"]
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        assert spec["activeDeadlineSeconds"] > 0
