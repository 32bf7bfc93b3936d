"""Clients generated from the served contract alone post a photo and read typed results."""

import json
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
TYPESCRIPT = {
    "openapi-typescript": ("openapi-typescript openapi.yaml --output api.d.ts", "client.mts"),
    "hey-api": ("openapi-ts --file hey_api.config.mjs", "hey_api.mts"),
    "orval": ("orval --input openapi.yaml --output orval/client.ts --client axios-functions", "orval.mts"),
}
"""Generator → its command, and the program that uses what it writes."""
COMPILER_OPTIONS = {"target": "es2022", "module": "nodenext", "strict": True}

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def expected(server: LiveServer) -> list[str]:
    """The lines that each client prints: label and confidence of every result."""
    answer = server.client.post("/inference?confidence=0.8", content=STREET.read_bytes())
    return [f"{found['label']} {found['confidence']:.1f}" for found in flat(answer.json())]


@pytest.fixture
def folder(server: LiveServer, tmp_path: Path) -> Path:
    """A folder with nothing but the contract that the running service serves."""
    (tmp_path / "openapi.yaml").write_bytes(server.client.get("/openapi.yaml").content)
    return tmp_path


def run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python(server: LiveServer, expected: list[str], folder: Path) -> None:
    python = TOOLS / "clients" / "bin" / "python"
    generator = python.with_name("openapi-python-client")
    run(
        [generator, "generate", "--path", "openapi.yaml", "--output-path", "framehook_client", "--meta", "none"], folder
    )
    shutil.copy(HERE / "client.py", folder)
    assert run([python, "client.py", server.url, STREET], folder).splitlines() == expected


@pytest.mark.parametrize(("command", "program"), TYPESCRIPT.values(), ids=TYPESCRIPT)
def test_typescript(server: LiveServer, expected: list[str], folder: Path, command: str, program: str) -> None:
    (folder / "node_modules").symlink_to(NPM)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER_OPTIONS, "files": [program]}))
    for name in (program, "hey_api.config.mjs"):
        shutil.copy(HERE / name, folder)
    generator, *options = command.split()
    run([NPM / ".bin" / generator, *options], folder)
    run([NPM / ".bin" / "tsc", "--project", "."], folder)
    assert run(["node", program.replace(".mts", ".mjs"), server.url, str(STREET)], folder).splitlines() == expected


def test_redocly_bundles_it(folder: Path) -> None:
    """It has no reference to a file that is not served."""
    run([NPM / ".bin" / "redocly", "bundle", "openapi.yaml", "--output", "bundled.yaml"], folder)
    assert (folder / "bundled.yaml").stat().st_size > 100_000
