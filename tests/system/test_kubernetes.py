"""The chart for Kubernetes, rendered by helm, judged by schemas and checkov, and lived by nginx and the service."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

from handlers.server.access.credentials import write_credentials_file
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import free_port
from tests.support.client import CONTRACT, ROOT
from tests.support.credentials import ADMIN, AUTHORIZED
from tests.support.manifests import (
    CHART,
    DOCUMENT,
    MANIFESTS,
    Kinds,
    committed,
    container_of,
    environment,
    kinds_of,
    pod_of,
)
from tests.support.process import service_of, serving
from tests.support.waiting import wait_for

pytestmark = pytest.mark.system

HELM = ROOT / ".tools" / "kubernetes" / "helm" / "helm"
TOOLS = ROOT / ".tools" / "kubernetes" / "bin"
EVERYTHING = MANIFESTS / "everything.values.yaml"
VALUES: dict[str, list[str | Path]] = {"framehook": [], "everything": ["--values", EVERYTHING]}
FRAME = encode(board(7), "PNG")
STREAMS = [f"gate-{number}" for number in range(200)]

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
        ("settings.FRAMEHOOK_ANONYMOUS_MAY=nothing", "must include monitor"),
        ("ingress.enabled=true", "host"),
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


def test_the_commands_and_values_of_the_page_are_understood(tmp_path: Path) -> None:
    """`helm install` and `helm upgrade` would ask a cluster; `helm template` reads the same values."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith("helm ")]
    assert len(commands) >= 4
    for words in commands:
        assert words[1] in {"install", "upgrade"}
        render(*(word for word in words[4:] if word != "--reuse-values"))
    given = [text for text in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL) if not text.startswith("rules:")]
    assert len(given) >= 3
    for number, text in enumerate(given):
        (tmp_path / f"{number}.yaml").write_text(text)
        render("--values", tmp_path / f"{number}.yaml")


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


NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {maps}
    upstream pods {{ hash "{key}" consistent; {servers} }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://pods; }} }}
    {pods}
}}
"""


@contextmanager
def controller(folder: Path, pods: Sequence[int]) -> Iterator[httpx.Client]:
    """Run nginx as the lines of the chart make it, in front of pods that answer with their port."""
    folder.mkdir()
    annotations = committed("everything")["Ingress"]["metadata"]["annotations"]
    port = free_port()
    config = NGINX.format(
        folder=folder,
        port=port,
        maps=(CHART / "files" / "ingress-nginx.conf").read_text(),
        key=annotations["nginx.ingress.kubernetes.io/upstream-hash-by"],
        servers=" ".join(f"server 127.0.0.1:{pod};" for pod in pods),
        pods="\n".join(f"server {{ listen 127.0.0.1:{pod}; return 200 {pod}; }}" for pod in pods),
    )
    (folder / "nginx.conf").write_text(config)
    nginx = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf"])
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_for(lambda: _answers(client))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(10)


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/").status_code == 200
    return False


def pods_of(client: httpx.Client) -> dict[str, str]:
    """Return the pod of each stream."""
    return {stream: client.post(f"/inference?stream={stream}", content=FRAME).text for stream in STREAMS}


def test_a_stream_keeps_its_pod_and_frames_without_one_go_to_all(tmp_path: Path) -> None:
    pods = [free_port() for _ in range(3)]
    with controller(tmp_path / "nginx", pods) as client:
        chosen = pods_of(client)
        assert set(chosen.values()) == {str(pod) for pod in pods}
        assert pods_of(client) == chosen
        views = [path for path in CONTRACT["paths"] if "{stream}" in path]
        for stream in STREAMS[:20]:
            others = [f"/score?confidence=0.5&id={stream}", *(path.replace("{stream}", stream) for path in views)]
            assert {client.get(other).text for other in others} == {chosen[stream]}
        anywhere = Counter(client.post("/inference", content=FRAME).text for _ in range(90))
    assert anywhere.keys() == {str(pod) for pod in pods}


def test_a_pod_more_takes_its_share_of_the_streams_and_no_other_moves(tmp_path: Path) -> None:
    pods = [free_port() for _ in range(4)]
    with controller(tmp_path / "three", pods[:3]) as client:
        before = pods_of(client)
    with controller(tmp_path / "four", pods) as client:
        after = pods_of(client)
    moved = [stream for stream in STREAMS if before[stream] != after[stream]]
    assert {after[stream] for stream in moved} == {str(pods[3])}
    assert 0.1 < len(moved) / len(STREAMS) < 0.45


def mounted(folder: Path) -> dict[str, Path]:
    """Make the volumes of everything.yaml, as Kubernetes mounts them; return them by name."""
    (folder / "models").mkdir()
    write_identity_model(folder / "models", "forklifts")
    write_credentials_file(folder / "credentials.yaml", [ADMIN])
    certificate = trustme.CA().issue_cert("framehook", "127.0.0.1")
    texts = {
        "credentials": {"credentials.yaml": (folder / "credentials.yaml").read_bytes()},
        "tls": {
            "tls.crt": b"".join(blob.bytes() for blob in certificate.cert_chain_pems),
            "tls.key": certificate.private_key_pem.bytes(),
        },
        "streams": {"yard.yaml": b"motion: {}\n"},
    }
    for name, files in texts.items():
        version = folder / name / "..2026"
        version.mkdir(parents=True)
        (folder / name / "..data").symlink_to(version.name)
        for file, content in files.items():
            (version / file).write_bytes(content)
            (folder / name / file).symlink_to(Path("..data") / file)
    return {name: folder / name for name in ("models", *texts)}


def pod(kinds: Kinds, volumes: dict[str, Path]) -> list[str]:
    """Return the command before the service's own that confines it like the pod."""
    uid = str(pod_of(kinds)["securityContext"]["runAsUser"])
    command = ["bwrap", "--unshare-user", "--uid", uid, "--gid", uid, "--cap-drop", "ALL", "--die-with-parent"]
    for path in sorted(Path("/").iterdir()):
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir() and path.name not in {"proc", "dev", "tmp", "run", "lost+found"}:
            command += ["--ro-bind", str(path), str(path)]
    for mount in container_of(kinds)["volumeMounts"]:
        source = volumes.get(mount["name"])
        command += ["--ro-bind", str(source), mount["mountPath"]] if source else ["--tmpfs", mount["mountPath"]]
    return [*command, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/"]


@pytest.mark.parametrize("name", VALUES)
def test_the_service_lives_as_the_manifest_says(tmp_path: Path, name: str) -> None:
    """All but the port and the address, which this machine shares."""
    kinds = committed(name)
    container, variables = container_of(kinds), environment(kinds)
    volumes = mounted(tmp_path) if name == "everything" else {}
    grace_s = pod_of(kinds)["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
    with (
        (tmp_path / "log").open("w") as log,
        serving("--host", "127.0.0.1", wrapper=pod(kinds, volumes), log=log, **variables) as (process, port),
        httpx.Client(verify=False) as client,
    ):

        def status(probe: str) -> int | None:
            asked = container[f"{probe}Probe"]["httpGet"]
            with suppress(httpx.TransportError):
                return client.get(f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}").status_code
            return None

        wait_for(lambda: status("startup") == 200)
        assert (status("liveness"), status("readiness")) == (200, 200)
        address = f"{container['livenessProbe']['httpGet']['scheme'].lower()}://127.0.0.1:{port}"
        answer = client.post(f"{address}/inference?stream=yard", content=FRAME, headers=AUTHORIZED)
        assert answer.status_code in {200, 204}
        if volumes:
            assert client.post(f"{address}/inference", content=FRAME).status_code == 401
            settings = f"{address}/streams/yard/settings"
            assert client.get(settings, headers=AUTHORIZED).json() == {"motion": {}}
            assert client.put(settings, json={"motion": {}}, headers=AUTHORIZED).status_code == 409
        os.kill(service_of(process.pid), signal.SIGTERM)
        wait_for(lambda: status("readiness") == 503)
        assert process.wait(grace_s) == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line for line in lines if line["level"] == "error"] == []
