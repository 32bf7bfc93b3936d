"""The root of the image holds everything that the service needs, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.pictures import STREET
from tests.support.client import ROOT

BASE_PYTHON = getattr(sys, "_base_executable")  # noqa: B009 - not in the types
VENV = Path(sys.prefix)
SETUID_OR_SETGID = 0o6000
FRAMEHOOK = VENV / "bin" / "framehook"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root") / "root"
    command = [BASE_PYTHON, ROOT / "tools" / "runtime_root.py", VENV, root]
    subprocess.run(command, check=True, capture_output=True)
    return root


def test_it_holds_one_program_and_it_is_python(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".py" and ".so" not in path.name]
    programs = [path.name for path in files if path.stat().st_mode & 0o111]
    assert len(programs) == 1
    assert programs[0].startswith("python")


def test_nothing_in_it_is_setuid(root: Path) -> None:
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_mode & SETUID_OR_SETGID]


def test_it_holds_nothing_that_installs(root: Path) -> None:
    assert not [path for path in root.rglob("*") if path.name in {"pip", "ensurepip", "site-packages", "dist-packages"}]


def test_what_it_took_from_debian_is_named(root: Path) -> None:
    status = root / "var" / "lib" / "dpkg" / "status"
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("not on Debian")
    packages = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("Package: ")]
    assert "Package: libc6" in packages
    assert "Package: bash" not in packages


@pytest.mark.system
def test_the_service_runs_on_it(root: Path) -> None:
    """The sandbox has the environment and this checkout, and nothing else of this machine."""
    lent = [option for folder in (ROOT, VENV) for option in ("--ro-bind", folder, folder)]
    confined = [
        "bwrap",
        "--bind",
        root,
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        *lent,
        "--unshare-net",
    ]
    command: list[str | Path] = [*confined, FRAMEHOOK, "infer", STREET, "--format", "json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}).stdout
    assert len(json.loads(answer)["inferences"]) > 1
    shell = subprocess.run([*confined, "/bin/sh", "-c", "true"], check=False, capture_output=True, text=True)
    assert "No such file" in shell.stderr
