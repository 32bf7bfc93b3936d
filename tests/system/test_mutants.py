"""The patches of scripts/mutants still fit the code they break; running them all is done by hand."""

import subprocess
from pathlib import Path

import pytest

from tests.support.client import ROOT


@pytest.mark.system
@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "mutants").glob("*.patch")), ids=lambda path: path.stem)
def test_a_mutant_still_applies(path: Path) -> None:
    checked = subprocess.run(["git", "apply", "--check", path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
