"""The load balancers of deploy/, in front of three services on this machine."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import ROOT
from lab.wire import free_port, is_open

HOST = "127.0.0.1"
PORTS = (8080, 8081, 8082, 8083)
"""In both files: the balancer's own, and those of the instances."""
PATIENCE = "75s"
"""In both files: how long they wait for an answer."""
THIRD = re.compile(r"^ *server .*(INSTANCE_THREE|:8083).*\n", re.MULTILINE)
"""In both files: the lines of the third instance."""
NGINX_MAIN = """{user}
include /etc/nginx/modules-enabled/*.conf;
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; include {folder}/framehook.conf;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
}}
"""
"""What Debian's own nginx.conf says around the file, in a folder of one's own."""
START_S = 60


def haproxy(folder: Path) -> Sequence[str]:
    """Return the command that runs HAProxy with the file in this folder, as a master and a worker."""
    return "haproxy", "-W", "-db", "-f", str(folder / "haproxy.cfg")


def nginx(folder: Path) -> Sequence[str]:
    """Return the command that runs nginx with the file in this folder."""
    main = folder / "nginx.conf"
    main.write_text(NGINX_MAIN.format(folder=folder, user="" if os.geteuid() else "user root;"), encoding="utf-8")
    return "nginx", "-e", str(folder / "error.log"), "-c", str(main)


@dataclass(frozen=True, slots=True)
class Balancer:
    """A balancer of deploy/: its file, how to run it, and the signal that lets it read its file again."""

    file: Path
    command: Callable[[Path], Sequence[str]]
    reload: signal.Signals


BALANCERS: Mapping[str, Balancer] = {
    "haproxy": Balancer(ROOT / "deploy" / "haproxy" / "haproxy.cfg", haproxy, signal.SIGUSR2),
    "nginx": Balancer(ROOT / "deploy" / "nginx" / "framehook.conf", nginx, signal.SIGHUP),
}


@dataclass(frozen=True, slots=True)
class Running:
    """A balancer that runs. `add_third`: adds the third instance to its file, and lets it read that again."""

    pid: int
    port: int
    log: Path
    add_third: Callable[[], None]


def configure(name: str, ports: Sequence[int], folder: Path, patience: str = PATIENCE, instances: int = 3) -> None:
    """Write the file of deploy/ into a folder, with these ports, the balancer's own first, and for 2 or 3 instances."""
    actual = dict(zip(PORTS, ports, strict=True))
    file = BALANCERS[name].file
    text = file.read_text(encoding="utf-8").replace(PATIENCE, patience)
    text = text if instances == len(ports) - 1 else THIRD.sub("", text)
    text = re.sub(rf"{HOST}:(\d+)", lambda found: f"{HOST}:{actual[int(found[1])]}", text)
    (folder / file.name).write_text(text, encoding="utf-8")


@contextmanager
def balancing(
    name: str, instances: Sequence[int], folder: Path, patience: str = PATIENCE, *, without_third: bool = False
) -> Iterator[Running]:
    """Run a balancer in front of three ports until the block ends."""
    balancer, ports = BALANCERS[name], (free_port(), *instances)
    configure(name, ports, folder, patience, 2 if without_third else 3)
    written = folder / f"{name}.log"
    with written.open("wb") as log:
        process = subprocess.Popen(balancer.command(folder), stderr=log, stdout=log, start_new_session=True)

    def add_third() -> None:
        configure(name, ports, folder, patience)
        process.send_signal(balancer.reload)

    try:
        _wait_until_open(ports[0])
        yield Running(process.pid, ports[0], written, add_third)
    finally:
        process.terminate()
        process.wait(START_S)


def _wait_until_open(port: int) -> None:
    """Raise TimeoutError if nobody listens in time."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if is_open(port):
            return
        time.sleep(0.02)
    raise TimeoutError(f"Nobody listens on port {port}.")
