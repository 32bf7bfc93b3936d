"""scripts/setup as a person meets it: which words it takes, what it says, and what it leaves alone."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from models.extras import how_to_install
from tests.support.client import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PYTHON = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$2" != venv ] || { mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; }
"""
"""Stands for Python: makes environments, installs nothing, and writes down what it should do."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the scripts need of a clone, in which nothing is set up."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "pyproject.toml", folder)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def run(clone: Path, command: str) -> tuple[int, str, list[str]]:
    """Run a command in the clone; return its status, what it said, and what Python was called with."""
    calls = clone.parent / "calls"
    calls.write_text("")
    environment = {**os.environ, "PYTHON": str(clone.parent / "python"), "CALLS": str(calls)}
    done = subprocess.run(command.split(), cwd=clone, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_command_for_an_extra_installs_it(clone: Path, extra: str) -> None:
    """And framehook itself, also if nothing is set up yet; the second time there is nothing to do."""
    status, said, calls = run(clone, how_to_install(extra))
    assert (status, said) == (0, "Setting up .venv (once) ...\n")
    installed = [call.rpartition(" ")[2] for call in calls if " install " in call]
    assert installed == [f"requirements/{extra}.txt", "requirements/build.txt", "."]
    status, said, calls = run(clone, how_to_install(extra))
    assert (status, said) == (0, "")
    assert not [call for call in calls if "pip" in call]


def test_without_the_script_pip_installs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.extras.SETUP", tmp_path / "setup")
    assert how_to_install("ocr") == "pip install 'framehook[ocr]'"
    assert how_to_install() == "pip install framehook"


def test_a_wrong_word_installs_nothing(clone: Path) -> None:
    status, said, calls = run(clone, "scripts/setup tls orc")
    assert (status, calls) == (2, [])
    assert said.startswith("scripts/setup: there is no lock orc; there are: bench build ")
    assert not (clone / ".venv").exists()


def test_the_bill_of_materials_leaves_the_serving_environment_alone(clone: Path) -> None:
    status, _, calls = run(clone, "scripts/sbom")
    assert (status, calls[-1]) == (0, "-m tools.sbom")
    assert not (clone / ".venv").exists()
