"""The manifests make pods restricted, and start and stop them without a lost request."""

import copy
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.kubernetes.conftest import Rendered
from tests.kubernetes.manifests import (
    OVERLAYS,
    Manifest,
    container,
    environment,
    number,
    only,
    pod,
)

PROBES = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
CONTEXT = {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}
FOR_US = 97  # Of PostgreSQL's 100 connections by default, three are kept for superusers.


def unrestricted(spec: Manifest) -> list[str]:
    """The violations of the Pod Security Standard `restricted`, and of our own rules."""
    whole = spec.get("securityContext", {})
    wanted = {
        "runAsNonRoot": whole.get("runAsNonRoot") is True,
        "runAsUser": whole.get("runAsUser") == whole.get("runAsGroup") == 10001,
        "seccompProfile": whole.get("seccompProfile") == {"type": "RuntimeDefault"},
        "host": not [name for name in spec if name.startswith("host")],
        "volumes": all({"emptyDir", "secret"} & set(volume) for volume in spec["volumes"]),
        "token": spec.get("automountServiceAccountToken") is False,
        "service links": spec.get("enableServiceLinks") is False,
    }
    for each in spec["containers"] + spec.get("initContainers", []):
        context = each.get("securityContext", {})
        wanted[f"escalation of {each['name']}"] = context.get("allowPrivilegeEscalation") is False
        wanted[f"file system of {each['name']}"] = context.get("readOnlyRootFilesystem") is True
        wanted[f"capabilities of {each['name']}"] = context.get("capabilities") == {"drop": ["ALL"]}
        wanted[f"more of {each['name']}"] = set(context) <= CONTEXT
        wanted[f"ports of {each['name']}"] = not [p for p in each.get("ports", []) if "hostPort" in p]
        wanted[f"limits of {each['name']}"] = set(each["resources"]["limits"]) == {"cpu", "memory"}
    return [name for name, holds in wanted.items() if not holds]


def test_every_pod_is_restricted(applied: list[Manifest]) -> None:
    assert unrestricted(pod(applied)["spec"]) == []


LOOSENED: list[Callable[[Any], object]] = [
    lambda spec: spec["securityContext"].update(runAsNonRoot=False),
    lambda spec: spec["securityContext"].update(runAsUser=0),
    lambda spec: spec["securityContext"].pop("seccompProfile"),
    lambda spec: spec.update(hostNetwork=True),
    lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    lambda spec: spec.pop("automountServiceAccountToken"),
    lambda spec: spec.pop("enableServiceLinks"),
    lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    lambda spec: spec["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
    lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
    lambda spec: spec["containers"][0]["resources"]["limits"].pop("memory"),
]


@pytest.mark.parametrize("loosen", LOOSENED)
def test_the_rule_finds_a_pod_that_is_not(rendered: Rendered, loosen: Callable[[Any], object]) -> None:
    spec = copy.deepcopy(pod(rendered["production"])["spec"])
    loosen(spec)
    assert len(unrestricted(spec)) == 1


def test_memory_is_not_overcommitted_and_tmp_fits(applied: list[Manifest]) -> None:
    resources = container(applied)["resources"]
    [tmp] = (volume for volume in pod(applied)["spec"]["volumes"] if "emptyDir" in volume)

    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert number(resources["requests"]["cpu"]) <= number(resources["limits"]["cpu"]) == 1
    assert tmp["emptyDir"]["medium"] == "Memory"
    assert number(tmp["emptyDir"]["sizeLimit"]) <= number(resources["limits"]["memory"]) / 4


def test_an_account_without_a_token(applied: list[Manifest]) -> None:
    account = only(applied, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert account["metadata"]["name"] == pod(applied)["spec"]["serviceAccountName"]


def test_every_image_is_pinned_and_the_same(rendered: Rendered) -> None:
    for name in OVERLAYS:
        images = {container(rendered[step])["image"] for step in (name, f"{name}/migrate")}
        [image] = images
        repository, _, tag = image.rpartition(":")
        assert "/" in repository
        assert tag not in {"", "latest"}


def test_the_probes(overlay: list[Manifest]) -> None:
    api = container(overlay)
    assert api["ports"] == [{"name": "http", "containerPort": 8000}]
    for name, path in PROBES.items():
        assert api[name]["httpGet"] == {"path": path, "port": "http", "scheme": "HTTPS"}
    # /readyz itself takes up to 0.8 s, and a pod may take a minute to start.
    assert api["readinessProbe"]["timeoutSeconds"] > 1
    assert api["startupProbe"]["periodSeconds"] * api["startupProbe"]["failureThreshold"] >= 60


def test_an_update_takes_no_pod_away_before_another_is_ready(overlay: list[Manifest]) -> None:
    spec = only(overlay, "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "replicas" not in spec
    assert only(overlay, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_pod_shuts_down_by_the_servers_own_drain(overlay: list[Manifest]) -> None:
    assert "lifecycle" not in container(overlay)
    assert float(environment(overlay)["APP_SERVER__DRAIN"]) >= 10
    # The server checks at the start that all its times fit into this one.
    grace = pod(overlay)["spec"]["terminationGracePeriodSeconds"]
    assert environment(overlay)["APP_SERVER__GRACE_PERIOD"] == str(grace)


def test_pods_are_spread_but_never_wait_for_it(overlay: list[Manifest]) -> None:
    constraints = {each["topologyKey"]: each for each in pod(overlay)["spec"]["topologySpreadConstraints"]}
    assert set(constraints) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for constraint in constraints.values():
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"]["matchLabels"] == pod(overlay)["metadata"]["labels"]


def test_all_pools_fit_into_the_database(overlay: list[Manifest]) -> None:
    settings, autoscaler = environment(overlay), only(overlay, "HorizontalPodAutoscaler")["spec"]
    surge = only(overlay, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    each = int(settings["APP_SERVER__WORKERS"]) * int(settings["APP_DATABASE__POOL_SIZE"])

    assert settings["APP_DATABASE__REPLICAS"] == str(autoscaler["maxReplicas"])
    assert 1 <= autoscaler["minReplicas"] < autoscaler["maxReplicas"]
    assert (autoscaler["maxReplicas"] + surge) * each <= FOR_US
    assert settings["APP_SERVER__WORKERS"] == "1"


def test_production_survives_the_loss_of_a_zone(rendered: Rendered) -> None:
    assert only(rendered["production"], "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 3


def test_selectors_find_the_api_and_not_the_migrations(rendered: Rendered) -> None:
    for name in OVERLAYS:
        api, migration = (pod(rendered[step])["metadata"]["labels"] for step in (name, f"{name}/migrate"))
        deployment = only(rendered[name], "Deployment")["spec"]["selector"]["matchLabels"]
        budget = only(rendered[name], "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
        assert api == deployment == budget == only(rendered[name], "Service")["spec"]["selector"]
        assert migration != api


def policies(manifests: list[Manifest]) -> list[Manifest]:
    """The network policies that select the pod."""
    labels = pod(manifests)["metadata"]["labels"].items()
    found = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    return [spec for spec in found if spec["podSelector"]["matchLabels"].items() <= labels]


def ways_out(manifests: list[Manifest]) -> set[tuple[str, int]]:
    rules = [rule for policy in policies(manifests) for rule in policy.get("egress", [])]
    assert all(rule["to"] for rule in rules)
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}


def test_only_the_gateway_comes_in(overlay: list[Manifest]) -> None:
    [rule] = [rule for policy in policies(overlay) for rule in policy.get("ingress", [])]
    [source] = rule["from"]
    [gateway] = only(overlay, "HTTPRoute")["spec"]["parentRefs"]

    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert source == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": gateway["namespace"]}}
    }


def test_what_goes_out(rendered: Rendered) -> None:
    needed = {("UDP", 53), ("TCP", 53), ("TCP", 5432)}
    for name in OVERLAYS:
        for policy in policies(rendered[name]) + policies(rendered[f"{name}/migrate"]):
            assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert ways_out(rendered[name]) == needed | {("TCP", 443)}
        assert ways_out(rendered[f"{name}/migrate"]) == needed
        assert not [
            rule for policy in policies(rendered[f"{name}/migrate"]) for rule in policy.get("ingress", [])
        ]


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("1.1.1.1", True),
        ("169.254.169.254", False),
        ("10.96.0.1", False),
        ("2606:4700::1", True),
        ("fd00::1", False),
    ],
)
def test_https_reaches_public_addresses_alone(
    overlay: list[Manifest], address: str, *, reached: bool
) -> None:
    rules = [rule for policy in policies(overlay) for rule in policy["egress"]]
    [https] = (rule for rule in rules if rule["ports"] == [{"protocol": "TCP", "port": 443}])

    def allows(block: Manifest) -> bool:
        parts = [block["cidr"], *block.get("except", [])]
        whole, *without = (ip_address(address) in ip_network(part) for part in parts)
        return whole and not any(without)

    assert any(allows(to["ipBlock"]) for to in https["to"]) is reached
