"""What the manifests for Kubernetes promise, on one machine: nginx hashes streams, the service lives as in a pod."""

import json
import os
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

from handlers.server.access.credentials import write_credentials_file
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import free_port
from tests.support.client import CONTRACT
from tests.support.credentials import ADMIN, AUTHORIZED
from tests.support.manifests import CHART, NAMES, Kinds, committed, container_of, environment, pod_of
from tests.support.process import service_of, serving
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_for

pytestmark = pytest.mark.system

FRAME = encode(board(7), "PNG")
STREAMS = [f"gate-{number}" for number in range(200)]
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {maps}
    upstream pods {{ hash "key:{key}" consistent; {servers} }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://pods; }} }}
    {pods}
}}
"""


@contextmanager
def controller(folder: Path, port: int, pods: Sequence[int]) -> Iterator[httpx.Client]:
    """Run nginx as the lines of the chart make it, in front of pods that answer with their port.

    The key begins with a word: nginx itself takes turns if it is empty, ingress-nginx hashes even that.
    """
    folder.mkdir()
    annotations = committed("everything")["Ingress"]["metadata"]["annotations"]
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
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            wait_for(lambda: _answers(client))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE_S)


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/").status_code == 200
    return False


def pods_of(client: httpx.Client) -> dict[str, str]:
    """Return the pod of each stream."""
    return {stream: client.post(f"/inference?stream={stream}", content=FRAME).text for stream in STREAMS}


def test_a_stream_keeps_its_pod_and_frames_without_one_go_to_all(tmp_path: Path) -> None:
    port, *pods = [free_port() for _ in range(4)]
    with controller(tmp_path / "nginx", port, pods) as client:
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
    port, *pods = [free_port() for _ in range(5)]
    with controller(tmp_path / "three", port, pods[:3]) as client:
        before = pods_of(client)
    with controller(tmp_path / "four", port, pods) as client:
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


@pytest.mark.parametrize("name", NAMES)
def test_the_service_lives_as_the_manifest_says(tmp_path: Path, name: str) -> None:
    """All but the port and the address, which this machine shares."""
    kinds = committed(name)
    container, variables = container_of(kinds), environment(kinds)
    volumes = mounted(tmp_path) if name == "everything" else {}
    grace_s = pod_of(kinds)["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
    with (
        (tmp_path / "log").open("w") as log,
        serving("--host", "127.0.0.1", wrapper=pod(kinds, volumes), log=log, **variables) as (process, port),
        httpx.Client(verify=False, timeout=PATIENCE_S) as client,
    ):

        def status(probe: str) -> int | None:
            asked = container[f"{probe}Probe"]["httpGet"]
            with suppress(httpx.TransportError):
                return client.get(f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}").status_code
            return None

        wait_for(lambda: status("startup") == 200, PROGRAM_S)
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
