"""framehook on a small Ray cluster on this machine: deploy/ray/framehook.yaml, with other sizes."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import ROOT
from lab.processes import descendants
from lab.wire import free_port

BIN = ROOT / ".tools" / "ray" / "bin"
CONFIG = ROOT / "deploy" / "ray" / "framehook.yaml"
CPUS = 4
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "handlers.cluster.proxy:middlewares",
    "FORWARDED_ALLOW_IPS": "",
}
"""Of all processes; the last two as docs/ray.md says."""
END_S = 30


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A cluster that serves, perhaps not ready yet. `nodes`: the process that started its nodes."""

    url: str
    nodes: subprocess.Popen[str]

    def replicas(self, deployment: str) -> list[int]:
        """Return the process ids of the replicas of a deployment."""
        return descendants(self.nodes.pid, f"ray::ServeReplica:framehook:{deployment}".encode())

    def processes(self) -> list[int]:
        """Return the process ids of everything in the cluster."""
        return descendants(self.nodes.pid)

    def lose_a_node(self) -> None:
        """Kill the second node and everything on it."""
        assert self.nodes.stdin
        assert self.nodes.stdout
        print(file=self.nodes.stdin, flush=True)
        assert self.nodes.stdout.readline() == "removed\n"


@contextmanager
def serving_on_ray(
    workers: Mapping[str, Any], arguments: Mapping[str, Any], log: Path, ingress: Mapping[str, Any] | None = None
) -> Iterator[RayCluster]:
    """Deploy framehook until the block ends. The proxy and the ingress are on the first node.

    `workers`, `ingress`: options of these deployments. `arguments`: of the application. `log`: gets Serve's log.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # paths of sockets must be short
        environment = {**os.environ, **ENVIRONMENT, "RAY_TMPDIR": folder}
        config = Path(folder, "framehook.yaml")
        config.write_text(yaml.safe_dump(_config(port, workers, arguments, ingress or {})))
        with _nodes(environment) as nodes, _served(nodes, config, environment, log):
            yield RayCluster(f"http://127.0.0.1:{port}", nodes)


def _config(
    port: int, workers: Mapping[str, Any], arguments: Mapping[str, Any], ingress: Mapping[str, Any]
) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["proxy_location"] = "HeadOnly"
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    [application] = config["applications"]
    application["args"] |= arguments
    front, models = application["deployments"]
    front |= ingress
    front["ray_actor_options"]["resources"] = {"head": 1}
    models |= workers
    return config


@contextmanager
def _nodes(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [str(BIN / "python"), "-m", "lab.ray_nodes", str(CPUS)]
    nodes = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield nodes
    finally:
        started = descendants(nodes.pid)
        with suppress(subprocess.TimeoutExpired):
            nodes.communicate(timeout=END_S)
        for pid in (nodes.pid, *started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        nodes.wait()


@contextmanager
def _served(nodes: subprocess.Popen[str], config: Path, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    assert nodes.stdout
    address = nodes.stdout.readline().strip()
    with log.open("w") as output:
        command = [str(BIN / "serve"), "run", str(config), "--address", address]
        served = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        served.kill()  # its own end would wait for the replicas; the cluster ends at once
        served.wait()
