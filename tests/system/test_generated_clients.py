"""Clients generated from openapi.yaml alone post a photo and read typed results."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.pictures import STREET
from tests.support.client import ROOT
from tests.support.models.matching import flat
from tests.support.server import LiveServer

HERE = Path(__file__).parent
TOOLS = ROOT / ".tools"
NPM = TOOLS / "node_modules"

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def expected(server: LiveServer) -> list[str]:
    """The lines that each client prints: label and confidence of every result."""
    answer = server.client.post("/inference?confidence=0.8", content=STREET.read_bytes())
    return [f"{found['label']} {found['confidence']:.1f}" for found in flat(answer.json())]


def run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python(server: LiveServer, expected: list[str], tmp_path: Path) -> None:
    python = TOOLS / "clients" / "bin" / "python"
    generator = python.with_name("openapi-python-client")
    contract, package = ROOT / "openapi.yaml", tmp_path / "framehook_client"
    run([generator, "generate", "--path", contract, "--output-path", package, "--meta", "none"], tmp_path)
    shutil.copy(HERE / "client.py", tmp_path)
    assert run([python, "client.py", server.url, STREET], tmp_path).splitlines() == expected


def test_typescript(server: LiveServer, expected: list[str], tmp_path: Path) -> None:
    run([NPM / ".bin" / "openapi-typescript", ROOT / "openapi.yaml", "--output", "api.d.ts"], tmp_path)
    shutil.copy(HERE / "client.mts", tmp_path)
    (tmp_path / "node_modules").symlink_to(NPM)
    run([NPM / ".bin" / "tsc", "--target", "es2022", "--module", "nodenext", "--strict", "client.mts"], tmp_path)
    assert run(["node", "client.mjs", server.url, str(STREET)], tmp_path).splitlines() == expected
