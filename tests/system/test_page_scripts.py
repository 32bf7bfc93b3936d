"""The scripts of the pages: their types fit together, and fit the contract."""

import json
import subprocess
from pathlib import Path

import pytest

from lab import ROOT

pytestmark = pytest.mark.system

TOOLS = ROOT / ".tools" / "node_modules" / ".bin"
FILES = ROOT / "handlers" / "pages" / "files"
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "target": "esnext",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["esnext", "dom", "dom.iterable"],
    "types": [],
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, types made from the contract, and the options of the compiler."""
    folder = tmp_path_factory.mktemp("scripts")
    for script in FILES.glob("*.js"):
        (folder / script.name).write_bytes(script.read_bytes())
    run(TOOLS / "openapi-typescript", ROOT / "openapi.yaml", "--output", folder / "contract.d.ts")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))
    return folder


def check(folder: Path) -> str:
    """Return what the compiler finds wrong."""
    return run(TOOLS / "tsc", "--project", folder)


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout


def test_their_types_fit_the_contract(scripts: Path) -> None:
    assert check(scripts) == ""


def test_a_member_that_the_contract_does_not_have_is_found(scripts: Path) -> None:
    script = scripts / "models.js"
    right = script.read_text()
    script.write_text(right.replace("{ models, defaultModel,", "{ models, default: defaultModel,"))
    found = check(scripts)
    script.write_text(right)
    assert "Property 'default' does not exist" in found
