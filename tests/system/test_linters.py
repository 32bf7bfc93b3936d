"""Two independent linters find nothing to say about the contract."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.client import ROOT

TOOLS = ROOT / ".tools" / "node_modules" / ".bin"

pytestmark = pytest.mark.system


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_spectral_finds_nothing() -> None:
    linted = run([TOOLS / "spectral", "lint", "openapi.yaml", "--fail-severity", "hint", "--format", "json"])
    assert linted.returncode == 0, linted.stdout
    assert json.loads(linted.stdout.partition("]")[0] + "]") == []


def test_redocly_finds_nothing() -> None:
    linted = run([TOOLS / "redocly", "lint", "openapi.yaml", "--extends", "recommended", "--format", "json"])
    assert linted.returncode == 0, linted.stdout
    totals = json.loads(linted.stdout[linted.stdout.index("{") :])["totals"]
    assert totals == {"errors": 0, "warnings": 0, "ignored": 0}, linted.stdout
