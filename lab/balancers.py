"""The load balancers of deploy/, in front of three services on this machine."""

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import ROOT
from lab.wire import free_port

HOST = "127.0.0.1"
HAPROXY_FILE = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
NGINX_FILE = ROOT / "deploy" / "nginx" / "framehook.conf"
PORTS = (8080, 8081, 8082, 8083)
"""In both files: the balancer's own, and those of the instances."""
PATIENCE = "75s"
"""In both files: how long they wait for an answer."""
NGINX_MAIN = """
include /etc/nginx/modules-enabled/*.conf;
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; include {folder}/framehook.conf;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
}}
"""
"""What Debian's own nginx.conf says around the file, in a folder of one's own."""
START_S = 10


def haproxy(text: str, folder: Path) -> Sequence[str]:
    """Return the command that runs HAProxy with a configuration."""
    (folder / HAPROXY_FILE.name).write_text(text, encoding="utf-8")
    return "haproxy", "-db", "-f", str(folder / HAPROXY_FILE.name)


def nginx(text: str, folder: Path) -> Sequence[str]:
    """Return the command that runs nginx with a configuration."""
    (folder / NGINX_FILE.name).write_text(text, encoding="utf-8")
    main = folder / "nginx.conf"
    main.write_text(NGINX_MAIN.format(folder=folder), encoding="utf-8")
    return "nginx", "-e", str(folder / "error.log"), "-c", str(main)


BALANCERS: Mapping[str, tuple[Path, Callable[[str, Path], Sequence[str]]]] = {
    "haproxy": (HAPROXY_FILE, haproxy),
    "nginx": (NGINX_FILE, nginx),
}
"""Name → the file in deploy/, and how to run it."""


def command_for(name: str, ports: Sequence[int], folder: Path, patience: str = PATIENCE) -> Sequence[str]:
    """Return the command of a balancer with its file of deploy/, but these ports (its own first) and this patience."""
    file, command = BALANCERS[name]
    actual = dict(zip(PORTS, ports, strict=True))
    text = file.read_text(encoding="utf-8").replace(PATIENCE, patience)
    return command(re.sub(rf"{HOST}:(\d+)", lambda found: f"{HOST}:{actual[int(found[1])]}", text), folder)


@contextmanager
def balancing(name: str, instances: Sequence[int], folder: Path, patience: str = PATIENCE) -> Iterator[tuple[int, int]]:
    """Run a balancer in front of three ports until the block ends; yield its process id and its own port."""
    port = free_port()
    command = command_for(name, (port, *instances), folder, patience)
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
    try:
        _wait_until_open(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(START_S)


def _wait_until_open(port: int) -> None:
    """Raise TimeoutError if nobody listens in time."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            socket.create_connection((HOST, port)).close()
            return
        time.sleep(0.02)
    raise TimeoutError(f"Nobody listens on port {port}.")
