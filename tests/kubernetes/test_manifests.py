"""The manifests build and fit the schemas of Kubernetes, for any slug and with any component left out."""

import copy
import re
import shutil
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import utils

from tests.baking import Baker, files
from tests.kubernetes.conftest import Rendered
from tests.kubernetes.manifests import (
    DEPLOY,
    OVERLAYS,
    Manifest,
    container,
    fill_in_secrets,
    only,
    pod,
    render,
)

OLDEST, *_, NEWEST = utils.all_versions()
# These kinds are not part of Kubernetes and have no schema there. Their documentation lists the fields.
OTHERS = {
    "HTTPRoute": {
        "spec.parentRefs.name",
        "spec.parentRefs.namespace",
        "spec.parentRefs.sectionName",
        "spec.hostnames",
        "spec.rules.backendRefs.name",
        "spec.rules.backendRefs.port",
    },
    "BackendTLSPolicy": {
        "spec.targetRefs.group",
        "spec.targetRefs.kind",
        "spec.targetRefs.name",
        "spec.validation.hostname",
        "spec.validation.caCertificateRefs.group",
        "spec.validation.caCertificateRefs.kind",
        "spec.validation.caCertificateRefs.name",
    },
    "Certificate": {
        "spec.secretName",
        "spec.dnsNames",
        "spec.issuerRef.kind",
        "spec.issuerRef.name",
        "spec.duration",
        "spec.renewBefore",
        "spec.privateKey.algorithm",
        "spec.privateKey.size",
        "spec.privateKey.rotationPolicy",
        "spec.usages",
    },
}
VERSIONS = {
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "BackendTLSPolicy": "gateway.networking.k8s.io/v1",
    "Certificate": "cert-manager.io/v1",
}


def validate(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        kind = manifest["kind"]
        if kind in OTHERS:
            assert manifest["apiVersion"] == VERSIONS[kind]
            assert set(fields(manifest["spec"], "spec")) == OTHERS[kind]
        else:
            for version in (OLDEST, NEWEST):
                utils.validate(manifest, version, strict=True)


def fields(value: object, path: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [field for name, inner in value.items() for field in fields(inner, f"{path}.{name}")]
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [field for each in value for field in fields(each, path)]
    return [path]


def test_each_overlay_is_of_the_oldest_and_the_newest_schema(applied: list[Manifest]) -> None:
    validate(applied)


def test_the_schemas_find_an_unknown_field(overlay: list[Manifest]) -> None:
    for kind in ("Deployment", "HTTPRoute"):
        wrong = copy.deepcopy(only(overlay, kind))
        wrong["spec"]["templates"] = {}
        with pytest.raises((utils.ValidationError, AssertionError)):
            validate([wrong])


def test_the_namespaces_are_those_that_the_overlays_use(deployed: Path, rendered: Rendered) -> None:
    for name in OVERLAYS:
        namespace = yaml.safe_load((deployed / DEPLOY / "overlays" / name / "namespace.yaml").read_text())
        validate([namespace])
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        everything = rendered[name] + rendered[f"{name}/migrate"]
        assert {each["metadata"]["namespace"] for each in everything} == {namespace["metadata"]["name"]}


# YAML reads some labels as something else than a text, and no name is longer.
@pytest.mark.parametrize("slug", ["true", "null", "on", "e1", "a-" + "b" * 61, "a" * 53 + "-b" * 5])
def test_any_slug_makes_manifests(baker: Baker, tmp_path: Path, slug: str) -> None:
    service = baker.bake(tmp_path, {"project_slug": slug, "kubernetes": "yes"})
    fill_in_secrets(service)
    for folder in ("overlays/staging", "overlays/production", "overlays/production/migrate"):
        manifests = render(service / DEPLOY / folder)
        validate(manifests)
        labels = pod(manifests)["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == slug
        for manifest in manifests:
            assert len(manifest["metadata"]["namespace"]) <= 63
            assert manifest["kind"] != "Job" or len(manifest["metadata"]["name"]) <= 63


@pytest.mark.parametrize(
    "without", [("certificate",), ("tls", "certificate"), ("gateway", "tls", "certificate")]
)
def test_a_component_can_be_left_out(deployed: Path, tmp_path: Path, without: tuple[str, ...]) -> None:
    shutil.copytree(deployed / DEPLOY, tmp_path / DEPLOY)
    overlay = tmp_path / DEPLOY / "overlays/staging"
    lines = (overlay / "kustomization.yaml").read_text().splitlines(keepends=True)
    dropped = tuple(f"  - ../../components/{name}\n" for name in without)
    (overlay / "kustomization.yaml").write_text("".join(line for line in lines if line not in dropped))

    manifests = render(overlay)

    validate(manifests)
    tls = "tls" not in without
    assert ("APP_SERVER__TLS__CERTFILE" in str(container(manifests).get("env"))) == tls
    assert (container(manifests)["readinessProbe"]["httpGet"].get("scheme") == "HTTPS") == tls
    kinds = {manifest["kind"] for manifest in manifests}
    assert ("Certificate" in kinds, "HTTPRoute" in kinds) == (False, "gateway" not in without)


def test_a_secret_that_is_made_elsewhere_needs_no_file(deployed: Path, tmp_path: Path) -> None:
    shutil.copytree(deployed / DEPLOY, tmp_path / DEPLOY)
    environment = tmp_path / DEPLOY / "overlays/staging/environment"
    (environment / "secrets.env").unlink()
    kept = (environment / "kustomization.yaml").read_text().partition("secretGenerator:")[0]
    (environment / "kustomization.yaml").write_text(kept)

    manifests = render(tmp_path / DEPLOY / "overlays/staging")

    names = [
        volume["secret"]["secretName"] for volume in pod(manifests)["spec"]["volumes"] if "secret" in volume
    ]
    assert sorted(names) == ["order-service-secrets", "order-service-tls"]


def test_the_documents_name_what_there_is(deployed: Path) -> None:
    text = (deployed / "docs/kubernetes.md").read_text()
    named = set(re.findall(r"deploy/kubernetes/[\w./-]*\w", text))
    named |= {f"deploy/kubernetes/{path}" for path in re.findall(r"`((?:base|shared)/[\w.-]+)`", text)}

    assert len(named) > 5
    assert [name for name in named if not (deployed / name).exists()] == []


def test_no_secret_is_in_the_repository(baker: Baker, deployed: Path) -> None:
    assert [name for name in files(baker.template) if name.endswith("secrets.env")] == []
    ignored = (deployed / DEPLOY / ".gitignore").read_text().splitlines()
    assert "secrets.env" in ignored
    for overlay in OVERLAYS:
        example = deployed / DEPLOY / "overlays" / overlay / "environment/secrets.env.example"
        lines = [line for line in example.read_text().splitlines() if not line.startswith("#")]
        assert lines == ["app_database__password="]


@pytest.mark.parametrize("name", ["settings.env", "secrets.env"])
def test_what_changes_has_a_new_name_so_that_pods_are_replaced(
    deployed: Path, rendered: Rendered, tmp_path: Path, name: str
) -> None:
    shutil.copytree(deployed / DEPLOY, tmp_path / DEPLOY)
    overlay = tmp_path / DEPLOY / "overlays/staging"
    with (overlay / "environment" / name).open("a") as file:
        file.write("app_server__tls__keyfile_password=x\n")
    assert pod(render(overlay)) != pod(rendered["staging"])


def test_a_release_is_set_by_its_digest(deployed: Path, tmp_path: Path) -> None:
    shutil.copytree(deployed / DEPLOY, tmp_path / DEPLOY)
    overlay = tmp_path / DEPLOY / "overlays/production"
    path = overlay / "environment/kustomization.yaml"
    settings = yaml.safe_load(path.read_text())
    digest = f"sha256:{'0' * 64}"
    settings["images"] = [{"name": "order-service", "newName": "ghcr.io/o/order-service", "digest": digest}]
    path.write_text(yaml.safe_dump(settings))
    for folder in (overlay, overlay / "migrate"):
        assert container(render(folder))["image"] == f"ghcr.io/o/order-service@{digest}"
