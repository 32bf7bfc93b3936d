"""The chart for Kubernetes, rendered by helm and judged by helm, schemas and checkov."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.client import ROOT
from tests.support.manifests import (
    CHART,
    DOCUMENT,
    MANIFESTS,
    NAMES,
    container_of,
    environment,
    kinds_of,
    pod_of,
)

pytestmark = pytest.mark.system

HELM = ROOT / ".tools" / "kubernetes" / "helm" / "helm"
TOOLS = ROOT / ".tools" / "kubernetes" / "bin"
EVERYTHING = MANIFESTS / "everything.values.yaml"
VALUES: dict[str, list[str | Path]] = dict(zip(NAMES, ([], ["--values", EVERYTHING]), strict=True))

FOUND_BY_CHECKOV = {
    "CKV_K8S_15": "pulling always: images that were built here and loaded by hand could not be used",
    "CKV_K8S_21": "no namespace: it is chosen at the installation",
    "CKV_K8S_43": "no digest: there is no published image",
}


def run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def render(*arguments: str | Path, chart: Path = CHART) -> str:
    rendered = run(HELM, "template", "framehook", chart, *arguments)
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


@pytest.mark.parametrize("name", VALUES)
def test_the_chart_renders_to_the_committed_manifest(name: str) -> None:
    """deploy/helm/framehook/README.md has the commands that render it again."""
    assert render(*VALUES[name]) == (MANIFESTS / f"{name}.yaml").read_text()


def test_a_package_of_the_chart_renders_the_same(tmp_path: Path) -> None:
    packed = run(HELM, "package", CHART, "--destination", tmp_path)
    assert packed.returncode == 0, packed.stderr
    [package] = tmp_path.iterdir()
    assert render(*VALUES["everything"], chart=package) == (MANIFESTS / "everything.yaml").read_text()


@pytest.mark.parametrize("name", VALUES)
def test_helm_lints_the_chart(name: str) -> None:
    linted = run(HELM, "lint", "--strict", CHART, *VALUES[name])
    assert linted.returncode == 0, linted.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("replica=2", "replica"),
        ("settings.QUEUE_SIZE=64", "QUEUE_SIZE"),
        ("settings.FRAMEHOOK_PORT=9000", "FRAMEHOOK_PORT"),
        ("settings.FRAMEHOOK_CREDENTIALS=x", "FRAMEHOOK_CREDENTIALS"),
        ("settings.FRAMEHOOK_MODELS=", "FRAMEHOOK_MODELS"),
        ("image=null", "missing property 'image'"),
        ("credentials=null", "missing property 'credentials'"),
        ("tmpSizeLimit=", "tmpSizeLimit"),
        ("settings.FRAMEHOOK_ANONYMOUS_MAY=nothing", "must include monitor"),
        ("ingress.enabled=true", "host"),
        ("ingress.enabled=true,ingress.host=*.a.example", "host"),
        ("replicas=0", "replicas"),
        ("models.volume.emptyDir=,models.volume.hostPath.path=/x", "volume"),
    ],
)
def test_helm_refuses_wrong_values(values: str, reason: str) -> None:
    refused = run(HELM, "template", "framehook", CHART, "--set", values)
    assert refused.returncode == 1
    assert reason in refused.stderr


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("MAX_BODY_BYTES=33554432", "33554432"),
        ("QUEUE_TIMEOUT_S=0.5", "0.5"),
        ("WIDE_LANE=true", "true"),
        ("MODELS=a", "a"),
    ],
)
def test_settings_of_any_type_arrive_as_text(setting: str, text: str) -> None:
    name = setting.partition("=")[0]
    kinds = kinds_of(render("--set", f"settings.FRAMEHOOK_{setting}"))
    assert environment(kinds)[f"FRAMEHOOK_{name}"] == text


def test_names_that_yaml_reads_otherwise_stay_text() -> None:
    names = "credentials.secretName=1e3,tls.secretName=0x1,ingress.host=1e3,ingress.tlsSecretName=010"
    kinds = kinds_of(render("--set", "ingress.enabled=true", "--set-string", names))
    secrets = [volume["secret"]["secretName"] for volume in pod_of(kinds)["volumes"] if "secret" in volume]
    assert secrets == ["1e3", "0x1"]
    ingress = kinds["Ingress"]["spec"]
    assert ingress["tls"] == [{"hosts": ["1e3"], "secretName": "010"}]
    assert ingress["rules"][0]["host"] == "1e3"


def test_the_grace_period_follows_the_settings() -> None:
    times = "settings.FRAMEHOOK_DRAIN_DELAY_S=20.5,settings.FRAMEHOOK_SHUTDOWN_TIMEOUT_S=30"
    assert pod_of(kinds_of(render("--set", times)))["terminationGracePeriodSeconds"] == 62


def test_probes_that_have_no_certificate_do_not_ask_for_one() -> None:
    authority = "settings.FRAMEHOOK_TLS_CLIENT_CA=/run/framehook/tls/ca.crt"
    container = container_of(kinds_of(render("--set", authority, "--set", "tls.secretName=tls")))
    assert [container[f"{name}Probe"]["tcpSocket"] for name in ("startup", "readiness", "liveness")] == [
        {"port": "http"}
    ] * 3


def test_a_service_that_waits_for_a_model_is_not_started_again() -> None:
    container = container_of(kinds_of(render("--set", "settings.FRAMEHOOK_ON_BROKEN_MODEL=wait")))
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness")}
    assert paths == {"startup": "/health/live", "readiness": "/health/ready"}


def test_other_controllers_get_their_own_annotations_only() -> None:
    ingress = "ingress.enabled=true,ingress.host=a.example,ingress.className=haproxy,ingress.annotations.b=c"
    assert kinds_of(render("--set", ingress))["Ingress"]["metadata"]["annotations"] == {"b": "c"}


def test_the_notes_say_what_is_left_to_do() -> None:
    ingress = "ingress.enabled=true,ingress.host=a.example"
    shown = run(HELM, "install", "framehook", CHART, "--dry-run=client", "--set", ingress)
    assert shown.returncode == 0, shown.stderr
    assert "There are no credentials" in shown.stdout
    assert 'map "$arg_stream$arg_id$framehook_view" $framehook_other {' in shown.stdout


def test_the_values_of_the_page_are_understood(tmp_path: Path) -> None:
    """Each by itself, and all together but one: models in an image are an alternative to those in a claim."""
    assert f"upgrade --install framehook {CHART.relative_to(ROOT)} --values my-values.yaml" in DOCUMENT
    texts = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    together: list[str | Path] = []
    for number, text in enumerate(text for text in texts if not text.startswith(("rules:", "apiVersion:"))):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        render("--values", file)
        together += [] if "reference:" in text else ["--values", file]
    assert {"Ingress", "ServiceMonitor", "PrometheusRule"} <= kinds_of(render(*together)).keys()


def test_the_policy_of_the_page_is_for_the_pods_of_the_chart() -> None:
    [text] = re.findall(r"```yaml\n(apiVersion:.*?)```", DOCUMENT, re.DOTALL)
    [deployment] = [each for each in yaml.safe_load_all(render()) if each["kind"] == "Deployment"]
    assert yaml.safe_load(text)["spec"]["podSelector"] == deployment["spec"]["selector"]


def test_the_query_of_the_adapter_gives_the_mean_queue_of_each_pod(tmp_path: Path) -> None:
    """Prometheus's own tool evaluates it, with what the adapter puts into its places."""
    [text] = re.findall(r"```yaml\n(rules:.*?)```", DOCUMENT, re.DOTALL)
    [rule] = yaml.safe_load(text)["rules"]
    query = rule["metricsQuery"].replace("<<.Series>>", "framehook_queue_depth").replace("<<.GroupBy>>", "pod")
    query = query.replace("<<.LabelMatchers>>", 'namespace="default",pod=~"a|b"')
    series = {
        f'framehook_queue_depth{{namespace="{namespace}",pod="{pod}",instance="{pod}:8080"}}': values
        for namespace, pod, values in [
            ("default", "a", "9 0 4 4 4"),
            ("default", "b", "1 1 1 1 1"),
            ("other", "a", "8x4"),
        ]
    }
    expected = [{"labels": f'{{pod="{pod}"}}', "value": value} for pod, value in (("a", 3), ("b", 1))]
    tests = [
        {"input_series": [{"series": name, "values": values} for name, values in series.items()],
         "interval": "15s",
         "promql_expr_test": [{"expr": query, "eval_time": "70s", "exp_samples": expected}]},
    ]  # fmt: skip
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": tests}))
    tested = run("promtool", "test", "rules", tmp_path / "test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_version_of_kubernetes_accepts_all_objects() -> None:
    oldest = re.search(r">=(1\.\d+)\.", yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"])
    assert oldest
    files = [MANIFESTS / f"{name}.yaml" for name in VALUES]
    checked = run(TOOLS / "python", Path(__file__).with_name("check_kubernetes.py"), oldest[1], *files)
    assert checked.returncode == 0, checked.stderr
    kinds = dict(line.split(" ", 1) for line in checked.stdout.splitlines())
    assert len(kinds) > 5
    assert kinds.pop("operator") == "PrometheusRule ServiceMonitor"
    everything = "Deployment HorizontalPodAutoscaler Ingress NetworkPolicy PodDisruptionBudget Service"
    assert set(kinds.values()) == {everything}


@pytest.mark.parametrize(
    ("right", "wrong"), [("port: http\n      path", "prt: http\n      path"), ("maxSurge", "surge")]
)
def test_the_schemas_reject_a_misspelt_member(tmp_path: Path, right: str, wrong: str) -> None:
    text = (MANIFESTS / "everything.yaml").read_text()
    assert right in text
    (tmp_path / "wrong.yaml").write_text(text.replace(right, wrong))
    checked = run(TOOLS / "python", Path(__file__).with_name("check_kubernetes.py"), "1.37", tmp_path / "wrong.yaml")
    assert checked.returncode == 1


def test_checkov_finds_what_is_explained_and_nothing_else() -> None:
    options = ("--framework", "kubernetes", "--skip-download", "--output", "json")
    found = json.loads(run(TOOLS / "checkov", "--directory", MANIFESTS, *options).stdout)
    failed = {check["check_id"] for check in found["results"]["failed_checks"]}
    assert failed == FOUND_BY_CHECKOV.keys()
    assert found["summary"]["passed"] > 100
    assert all(f"`{name}`" in DOCUMENT for name in failed)
