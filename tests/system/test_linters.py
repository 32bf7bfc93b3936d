"""Two independent linters find no fault in the contract."""

import json
import subprocess
from pathlib import Path

import pytest

from handlers.server.access.recognition import Recognition
from handlers.server.access.security import Security
from handlers.server.contract import DEFAULT_KEY_HEADER, read_contract
from tests.support.client import ROOT

TOOLS = ROOT / ".tools" / "node_modules" / ".bin"

pytestmark = pytest.mark.system


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(params=["file", "served"])
def contract(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The contract as a file, and as served by a service without credentials."""
    if request.param == "file":
        return ROOT / "openapi.yaml"
    security = Security(Recognition((), DEFAULT_KEY_HEADER, digest_md5=False), (), "any")
    served = tmp_path / "openapi.yaml"
    served.write_bytes(read_contract(security).as_yaml)
    return served


def test_spectral_finds_nothing(contract: Path) -> None:
    linted = run([TOOLS / "spectral", "lint", contract, "--fail-severity", "hint", "--format", "json"])
    assert linted.returncode == 0, linted.stdout
    assert json.loads(linted.stdout.partition("]")[0] + "]") == []


def test_redocly_finds_nothing(contract: Path) -> None:
    linted = run([TOOLS / "redocly", "lint", contract, "--extends", "recommended", "--format", "json"])
    assert linted.returncode == 0, linted.stdout
    totals = json.loads(linted.stdout[linted.stdout.index("{") :])["totals"]
    assert totals == {"errors": 0, "warnings": 0, "ignored": 0}, linted.stdout
