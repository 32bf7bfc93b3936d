"""The manifests for Kubernetes, as they are committed: hardened, and in step with the service."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from handlers.parsing.queries import STREAM_PARAMETERS
from handlers.server.settings import Settings
from handlers.server.settings_sources import ENVIRONMENT_PREFIX
from tests.support.client import CONTRACT, ROOT
from tests.support.manifests import (
    CHART,
    DOCUMENT,
    MANIFESTS,
    NAMES,
    Kinds,
    committed,
    container_of,
    environment,
    pod_of,
)

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
UID = 10001
METHODS = {"get", "put", "post", "delete"}
MIB = 2**20
MEASURED_MIB = 275
"""Of a service with two lanes and the built-in models: docs/maintainers/performance.md#processes-and-threads."""


@pytest.fixture(params=NAMES)
def kinds(request: pytest.FixtureRequest) -> Kinds:
    return committed(request.param)


@pytest.fixture
def everything() -> Kinds:
    return committed("everything")


def bytes_of(quantity: str) -> int:
    return int(quantity.removesuffix("Mi")) * MIB


def test_the_pod_is_hardened(kinds: Kinds) -> None:
    pod, container = pod_of(kinds), container_of(kinds)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "a Service called framehook would set FRAMEHOOK_PORT"
    assert f"USER {UID}:{UID}" in (ROOT / "Dockerfile").read_text()


def test_only_tmp_and_the_settings_of_streams_may_be_written(kinds: Kinds) -> None:
    mounts = container_of(kinds)["volumeMounts"]
    assert {mount["mountPath"] for mount in mounts if not mount.get("readOnly")} <= {"/tmp", "/streams"}
    [tmp] = [volume["emptyDir"] for volume in pod_of(kinds)["volumes"] if volume["name"] == "tmp"]
    assert tmp["medium"] == "Memory"
    assert {mount["name"] for mount in mounts} == {volume["name"] for volume in pod_of(kinds)["volumes"]}


def test_secrets_can_be_read_by_the_group_of_the_service(everything: Kinds) -> None:
    secrets = [volume["secret"] for volume in pod_of(everything)["volumes"] if "secret" in volume]
    assert {secret["secretName"] for secret in secrets} == {"framehook-credentials", "framehook-tls"}
    assert {secret["defaultMode"] for secret in secrets} == {0o440}


def test_every_variable_is_a_setting(kinds: Kinds) -> None:
    named = {name.removeprefix(ENVIRONMENT_PREFIX).lower(): value for name, value in environment(kinds).items()}
    assert named.keys() <= Settings.model_fields.keys()
    Settings.model_validate(named)


def test_paths_in_settings_are_mounted(everything: Kinds) -> None:
    mounted = {mount["mountPath"] for mount in container_of(everything)["volumeMounts"]}
    paths = re.findall(
        r"/[\w/.-]+", ",".join(value for value in environment(everything).values() if "10.0" not in value)
    )
    assert {"/models", "/streams", "/run/framehook/tls/tls.key"} <= set(paths)
    assert not [
        path for path in paths if not any(path == folder or path.startswith(f"{folder}/") for folder in mounted)
    ]


def test_what_the_chart_sets_itself_cannot_be_set(everything: Kinds) -> None:
    names = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["propertyNames"]
    reserved = set(names["not"]["enum"])
    assert {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in reserved} <= Settings.model_fields.keys() | {
        "config"
    }
    given = yaml.safe_load((MANIFESTS / "everything.values.yaml").read_text())["settings"]
    defaults = {"FRAMEHOOK_ALLOWED_HOSTS", "FRAMEHOOK_DRAIN_DELAY_S", "FRAMEHOOK_MODEL_REPOSITORY"}
    assert environment(everything).keys() - given.keys() - defaults <= reserved


def test_one_port_leads_to_the_service(kinds: Kinds) -> None:
    assert container_of(kinds)["ports"] == [{"name": "http", "containerPort": Settings().port}]
    assert kinds["Service"]["spec"]["ports"] == [{"name": "http", "port": Settings().port, "targetPort": "http"}]
    policy = kinds["NetworkPolicy"]["spec"]
    [admitted] = policy["ingress"]
    assert admitted["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert (set(policy["policyTypes"]), policy["egress"]) == ({"Ingress", "Egress"}, [])


def test_objects_find_the_pods(kinds: Kinds) -> None:
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    [spread] = pod_of(kinds)["topologySpreadConstraints"]
    selectors = [
        kinds["Service"]["spec"]["selector"],
        kinds["Deployment"]["spec"]["selector"]["matchLabels"],
        kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)


@pytest.mark.parametrize(
    ("probe", "path"), [("startup", "/health/ready"), ("readiness", "/health/ready"), ("liveness", "/health/live")]
)
def test_a_probe_needs_no_credential_and_speaks_as_the_service_does(kinds: Kinds, probe: str, path: str) -> None:
    asked = container_of(kinds)[f"{probe}Probe"]["httpGet"]
    scheme = "HTTPS" if "FRAMEHOOK_TLS_CERTIFICATE" in environment(kinds) else "HTTP"
    assert asked == {"path": path, "port": "http", "scheme": scheme}
    assert CONTRACT["paths"][path]["get"]["x-permission"] in Settings().anonymous_may


def test_it_drains_for_longer_than_two_probes_and_ends_before_it_is_killed(kinds: Kinds) -> None:
    container = container_of(kinds)
    drain_s = float(environment(kinds)["FRAMEHOOK_DRAIN_DELAY_S"])
    assert drain_s > 2 * container["readinessProbe"]["periodSeconds"]
    needed_s = container["lifecycle"]["preStop"]["sleep"]["seconds"] + drain_s + Settings().shutdown_timeout_s
    assert needed_s < pod_of(kinds)["terminationGracePeriodSeconds"]


def test_each_core_is_a_lane_with_the_memory_that_it_may_need(kinds: Kinds) -> None:
    resources = container_of(kinds)["resources"]
    lanes = int(resources["limits"]["cpu"])
    assert resources["requests"]["cpu"] == resources["limits"]["cpu"]
    [tmp] = [volume["emptyDir"] for volume in pod_of(kinds)["volumes"] if volume["name"] == "tmp"]
    pictures = 8 * Settings().max_pixels * lanes + Settings().max_bytes_in_flight
    most = MEASURED_MIB * MIB + pictures + bytes_of(tmp["sizeLimit"])
    assert most <= bytes_of(resources["limits"]["memory"])
    assert resources["requests"]["memory"] == "512Mi"


def test_the_autoscaler_reads_a_metric_that_the_service_has(everything: Kinds) -> None:
    scaler = everything["HorizontalPodAutoscaler"]["spec"]
    [pods] = [metric["pods"] for metric in scaler["metrics"] if metric["type"] == "Pods"]
    [rule] = [yaml.safe_load(text)["rules"] for text in re.findall(r"```yaml\n(rules:.*?)```", DOCUMENT, re.DOTALL)]
    assert pods["metric"]["name"] == "framehook_queue_depth"
    assert [re.match(r"\w+", one["seriesQuery"])[0] for one in rule] == ["framehook_queue_depth"]  # type: ignore[index]
    assert "| `framehook_queue_depth` | gauge |" in (ROOT / "docs" / "metrics.md").read_text()
    assert "replicas" not in everything["Deployment"]["spec"], "an upgrade would undo what the autoscaler did"
    assert scaler["scaleTargetRef"]["name"] == everything["Deployment"]["metadata"]["name"]


def test_alerts_name_metrics_that_the_service_has(everything: Kinds) -> None:
    documented = set(re.findall(r"^\| `(framehook_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    rules = [rule for group in everything["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]]
    named = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for rule in rules
        for name in re.findall(r"framehook_\w+", rule["expr"])
    }
    assert named
    assert named <= documented
    assert (CHART / "files" / "alerts.yml").resolve() == ROOT / "deploy" / "prometheus" / "alerts.yml"
    assert everything["PrometheusRule"]["spec"] == yaml.safe_load((CHART / "files" / "alerts.yml").read_text())


def test_prometheus_reads_the_metrics(everything: Kinds) -> None:
    [endpoint] = everything["ServiceMonitor"]["spec"]["endpoints"]
    assert CONTRACT["paths"][endpoint["path"]]["get"]["x-permission"] in Settings().anonymous_may
    assert (endpoint["port"], endpoint["scheme"]) == ("http", "https")
    labels, monitor = everything["Service"]["metadata"]["labels"], everything["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert f'job="{labels[monitor["jobLabel"]]}"' in (CHART / "files" / "alerts.yml").read_text()


def test_the_ingress_takes_what_the_service_takes(everything: Kinds) -> None:
    ingress, variables = everything["Ingress"], environment(everything)
    annotations = {name.rpartition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}
    assert annotations["proxy-body-size"] == variables["FRAMEHOOK_MAX_BODY_BYTES"]
    assert annotations["backend-protocol"] == "HTTPS"
    [rule] = ingress["spec"]["rules"]
    assert variables["FRAMEHOOK_ALLOWED_HOSTS"] == rule["host"], "browsers use this name"


def test_every_way_to_name_a_stream_decides_on_its_pod(everything: Kinds) -> None:
    """tests/system/test_kubernetes.py asks nginx itself."""
    key = everything["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/upstream-hash-by"]
    assert key == "".join(f"$arg_{name}" for name in STREAM_PARAMETERS) + "$framehook_other"
    lines = (CHART / "files" / "ingress-nginx.conf").read_text()
    assert lines in DOCUMENT
    pattern = re.search(r'"~(\^.+)" \$framehook_stream;', lines)
    assert pattern
    named = [path for path in CONTRACT["paths"] if "{stream}" in path]
    assert len(named) >= 4
    assert not [path for path in named if not re.match(pattern[1].replace("?<", "?P<"), path)]


def test_versions_are_those_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version
    assert VALUES["image"] == f"framehook:{version}"


def test_every_value_is_explained() -> None:
    groups = {
        name: value for name, value in VALUES.items() if isinstance(value, dict) and value and name != "resources"
    }
    names = {f"{name}.{key}" for name, value in groups.items() for key in value} | VALUES.keys() - groups.keys()
    rows = re.findall(r"^\| (`.+?) \|", DOCUMENT, re.MULTILINE)
    assert names <= {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}


def test_configuration_says_what_the_manifests_do() -> None:
    [section] = re.findall(r"## Kubernetes\n(.*?)\n## ", (ROOT / "docs" / "configuration.md").read_text(), re.DOTALL)
    assert "enableServiceLinks: false" in section
    assert "(kubernetes.md)" in section
