"""No name in a request and no path in a model's folder makes the service open a file outside the repository."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import onnx
import pytest
from onnx import external_data_helper

from lab.graphs import write_identity_model
from lab.wire import statuses, talk
from tests.support.client import ROOT
from tests.support.credentials import ADMIN_TOKEN, RELOADABLE
from tests.support.process import serving, wait_until_ready
from tests.support.raw_requests import CLOSE, FRAME, LENGTH
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system

CANARY = f"canary-{uuid4().hex}"
STRACE = ("strace", "-f", "-y", "--seccomp-bpf", "-s", "4096", "-e", "trace=%file", "-o")
SETTLE_S = 1.0
OPENED = re.compile(r"open(?:at2?)?\(")
OURS = (
    f"{tempfile.gettempdir()}/framehook-", f"{ROOT}/scene", f"{ROOT}/models/", f"{ROOT}/handlers/", f"{sys.prefix}/",
    f"{sys.base_prefix}/", "/usr/", "/lib/", "/lib64/", "/proc/", "/sys/", "/dev/",
    "/etc/ld.so.cache", "/etc/locale.alias", "/etc/localtime", "/etc/ssl/openssl.cnf",
)  # fmt: skip
NAMES = {
    "parent": f"../{CANARY}",
    "two parents": f"../../{CANARY}",
    "many parents": "../" * 40 + CANARY,
    "behind a model": f"identity/../../{CANARY}",
    "encoded dots": f"%2e%2e/{CANARY}",
    "encoded slash": f"..%2f{CANARY}",
    "encoded twice": f"%252e%252e%252f{CANARY}",
    "all encoded": f"%2e%2e%2f{CANARY}",
    "behind a model, encoded": f"identity%2f..%2f..%2f{CANARY}",
    "backslash": f"..\\{CANARY}",
    "encoded backslash": f"..%5c{CANARY}",
    "NUL": f"%00{CANARY}",
    "NUL in the middle": f"..%2f{CANARY}%00.yaml",
    "line break": f"%0a..%2f{CANARY}",
    "absolute": "{outside}",
    "absolute, encoded": "{outside_encoded}",
    "two slashes": "/{outside}",
    "URL": "file:%2f%2f{outside_encoded}",
    "full-width dots": quote(f"\uff0e\uff0e/{CANARY}"),
    "full-width slash": quote(f"..\uff0f{CANARY}"),
    "one dot leader": quote(f"\u2024\u2024/{CANARY}"),
    "overlong UTF-8": f"%c0%ae%c0%ae%c0%af{CANARY}",
    "IIS": f"%u002e%u002e%u2215{CANARY}",
    "dots doubled": f"....//{CANARY}",
    "parameter": f"..;/{CANARY}",
    "home": f"~%2f{CANARY}",
    "shell": f"$(cat%20..%2f{CANARY})",
    "wildcard": f"*%2f..%2f{CANARY}",
    "very long": "..%2f" * 300 + CANARY,
    "longer than a name may be": CANARY + "a" * 5000,
}
NO_STREAMS = ("many parents", "NUL", "NUL in the middle", "line break", "very long")
"""Names that no stream may have: a stream is called as people like, but not longer, and in printable characters."""
TARGETS = {
    "frame": ("POST", "/inference/{name}"),
    "model": ("GET", "/models/{name}"),
    "reload": ("POST", "/models/{name}/reload"),
    "stream": ("POST", "/inference?stream={name}"),
}


@dataclass(frozen=True, slots=True)
class Traced:
    """A service under strace. `root`: its model repository. `trace`: its system calls with file names."""

    port: int
    root: Path
    trace: Path

    def lines_of(self, act: Callable[[], None]) -> list[str]:
        """Return the calls made during an action."""
        before = self.trace.stat().st_size
        act()
        time.sleep(SETTLE_S)
        with self.trace.open(encoding="utf-8", errors="replace") as trace:
            trace.seek(before)
            return trace.read().splitlines()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A service with a file CANARY in folders above and beside its repository."""
    top = tmp_path_factory.mktemp("top")
    root = top / "models"
    write_identity_model(root)
    for folder in (top, root):
        (folder / CANARY).write_text("forklift\n")
    trace = top / "trace"
    arguments = ("--model-repository", str(root), "--default-model", "identity")
    wrapper, settings = (
        (*STRACE, str(trace)),
        {f"FRAMEHOOK_{name.upper()}": value for name, value in RELOADABLE.items()},
    )
    with serving(*arguments, wrapper=wrapper, log=subprocess.DEVNULL, **settings) as (process, port):
        wait_until_ready(port)
        assert statuses(talk(port, request("reload", "identity"))) == (200,)  # finds a place for copies once
        yield Traced(port, root, trace)
        [service] = (Path("/proc") / str(process.pid) / "task" / str(process.pid) / "children").read_text().split()
        os.kill(int(service), signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def opened_elsewhere(lines: list[str], root: Path) -> set[str]:
    """Return the opened files outside the repository, its copies, the service and the system."""
    found = (re.search(r" = \d+<([^>]+)>$", line) for line in lines if OPENED.search(line))
    paths = {path[1] for path in found if path}
    return {path for path in paths if path != str(ROOT) and not f"{path}/".startswith((f"{root}/", *OURS))}


def request(target: str, name: str) -> bytes:
    """Return the bytes of a request with this path unchanged."""
    method, path = TARGETS[target]
    body = LENGTH if method == "POST" else b""
    head = f"{method} {path.format(name=name)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n"
    return head.encode() + body + CLOSE + b"\r\n" + (FRAME if body else b"")


@pytest.mark.parametrize("target", TARGETS)
def test_no_name_in_a_request_becomes_a_path(traced: Traced, target: str) -> None:
    """Not even to check whether it exists: names are looked up in a table."""
    outside = str(traced.root.parent / CANARY)
    answers: dict[str, tuple[int, ...]] = {}

    def ask() -> None:
        for what, name in NAMES.items():
            path = name.format(outside=outside, outside_encoded=quote(outside, safe=""))
            answers[what] = statuses(talk(traced.port, request(target, path)))

    lines = traced.lines_of(ask)
    expected = dict.fromkeys(NAMES, (200,) if target == "stream" else (404,))
    if target == "stream":
        expected |= dict.fromkeys(NO_STREAMS, (400,))
    assert answers == expected | {"longer than a name may be": (414,)}
    assert not [line for line in lines if CANARY in line]
    assert not opened_elsewhere(lines, traced.root)


def write_text(name: str, text: str) -> Callable[[Path, Path], object]:
    """Return a function that writes a text into a file of the model."""
    return lambda folder, outside: (folder / name).write_text(text.format(outside=outside))


def config(old: str, new: str) -> Callable[[Path, Path], object]:
    """Return a function that changes the model's model.yaml."""

    def change(folder: Path, outside: Path) -> None:
        path = folder / "model.yaml"
        path.write_text(path.read_text().replace(old, new.format(outside=outside)))

    return change


def link(name: str) -> Callable[[Path, Path], object]:
    """Return a function that replaces a file of the model by a link to an equal file outside."""

    def change(folder: Path, outside: Path) -> None:
        (folder / name).rename(outside.parent / f"{CANARY}-{name}")
        (folder / name).symlink_to(outside.parent / f"{CANARY}-{name}")

    return change


def link_folder(folder: Path, outside: Path) -> None:
    """Replace the model's folder by a link to an equal folder outside."""
    folder.rename(outside.parent / f"{CANARY}-folder")
    folder.symlink_to(outside.parent / f"{CANARY}-folder")


def external(location: str) -> Callable[[Path, Path], object]:
    """Return a function that stores one of the model's constants in a file outside."""

    def change(folder: Path, outside: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        for constant in model.graph.initializer:
            if constant.name == "weights":
                external_data_helper.set_external_data(constant, location.format(outside=outside))
                constant.ClearField("raw_data")
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    return change


FOLDERS: dict[str, Callable[[Path, Path], object]] = {
    "file above": config("model.onnx", f"../{CANARY}"),
    "file far above": config("model.onnx", f"../../{CANARY}"),
    "file absolute": config("model.onnx", "{outside}"),
    "labels above": config("labels.txt", f"../{CANARY}"),
    "labels absolute": config("labels.txt", "{outside}"),
    "labels with NUL": config("labels.txt", f'"..\\0/{CANARY}"'),
    "picture above": config(
        "family:", f"golden: {{{{picture: ../{CANARY}, expect: [{{{{label: block, confidence: 1}}}}]}}}}\nfamily:"
    ),
    "YAML that opens": write_text("model.yaml", "!!python/object/apply:builtins.open [{outside}]"),
    "manifest above": write_text("SHA256SUMS", f"{'0' * 64}  ../{CANARY}\n"),
    "model.yaml a link": link("model.yaml"),
    "labels a link": link("labels.txt"),
    "weights a link": link("model.onnx"),
    "folder a link": link_folder,
    "external data above": external(f"../{CANARY}"),
    "external data far above": external("../../../../../../../../..{outside}"),
    "external data absolute": external("{outside}"),
}


@pytest.mark.parametrize("change", FOLDERS.values(), ids=FOLDERS)
def test_no_folder_leads_out_of_the_repository(
    traced: Traced, tmp_path: Path, change: Callable[[Path, Path], object]
) -> None:
    """Neither when it is dropped in nor when its reload is requested."""
    name = f"dropped-{uuid4().hex}"
    change(write_identity_model(tmp_path, name), traced.root.parent / CANARY)
    answers: list[tuple[int, ...]] = []

    def drop() -> None:
        (tmp_path / name).rename(traced.root / name)
        answers.append(statuses(talk(traced.port, request("reload", name))))

    lines = traced.lines_of(drop)
    assert answers == [(422,)]
    assert any(name in line for line in lines)
    assert not [line for line in lines if CANARY in line and OPENED.search(line)]
    assert not opened_elsewhere(lines, traced.root)
