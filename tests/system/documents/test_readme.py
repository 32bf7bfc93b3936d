"""The README is true: its commands, in a clean copy of the repository, and the answer it shows."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.wire import free_port
from tests.support.client import ROOT
from tests.support.models.matching import assert_matches, flat

README = (ROOT / "README.md").read_text()
INSTALL_DEADLINE_S = 900

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git tracks, with nothing installed."""
    target = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def port(clone: Path) -> Iterator[int]:
    """The port of the service that scripts/serve started in the clean copy."""
    number = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    with subprocess.Popen(["scripts/serve", "--port", str(number)], cwd=clone, env=environment) as process:
        deadline = time.monotonic() + INSTALL_DEADLINE_S
        while not _is_ready(number):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield number
        process.send_signal(signal.SIGTERM)


def _is_ready(number: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{number}/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_the_curl_gets_the_answer_shown(clone: Path, port: int) -> None:
    [command] = re.findall(r"^curl .*$", README, re.MULTILINE)
    [shown] = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    curl = shlex.split(command.replace(":8080/", f":{port}/"))
    answer = subprocess.run(["curl", "--silent", "--fail", *curl[1:]], cwd=clone, capture_output=True, check=True)
    assert_matches(json.loads(answer.stdout), flat(json.loads(shown)))


def test_the_command_without_a_server_works(clone: Path, port: int) -> None:
    assert port
    [command] = re.findall(r"`(\.venv/bin/framehook infer [^`]*)`", README)
    run = subprocess.run(shlex.split(command), cwd=clone, capture_output=True, text=True, check=True)
    labels = [line.split()[1] for line in run.stdout.splitlines()]
    assert (labels.count("person"), labels.count("car")) == (6, 2)


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
