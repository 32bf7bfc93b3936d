"""A package that is installed beside framehook adds a family: examples/family does."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from lab.pictures import STREET
from models.families import BUILT_IN, FamilySection, installed
from models.families.installed import GROUP, installed_families
from tests.support.client import ROOT
from tests.support.models.layouts import Layout, write_layout

COMMAND = "import sys; from handlers.server.commands.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed example."""
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", dist]
    subprocess.run(build, cwd=ROOT / "examples" / "family", check=True, capture_output=True)
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees a circle of 40 pixels around (160, 160) on a canvas of 320 x 320."""
    layout = Layout(
        {"name": "ssd"}, lambda: {"circles": np.array([[[160, 160, 40, 0.9]]], np.float32)}, labels=("hole",)
    )
    path = write_layout(tmp_path_factory.mktemp("models") / "holes", layout)
    config = (path / "model.yaml").read_text()
    (path / "model.yaml").write_text(config.replace("name: ssd", "name: circles\n") + "licence: MIT\n")
    return path


def framehook(site: Path | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *([str(site)] if site else [])])}
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_model_of_an_installed_family_is_served(site: Path, folder: Path) -> None:
    answer = framehook(site, "infer", STREET, "--model-repository", folder.parent, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    [inference] = json.loads(answer.stdout)["inferences"]
    assert inference["entity"]["tag"] == {"value": "hole", "confidence": 0.9}
    assert inference["entity"]["box"]["w"] == pytest.approx(80 / 320, abs=1e-5)  # 768 pixels fill the canvas


def test_it_is_checked_and_listed_like_all_others(site: Path, folder: Path) -> None:
    assert "family circles, 1 label," in framehook(site, "check", folder).stdout
    listed = framehook(site, "models", "--model-repository", folder.parent, "--format", "json")
    assert json.loads(listed.stdout)["family"] == "circles"


def test_without_the_package_the_family_is_not_known(folder: Path) -> None:
    refused = framehook(None, "check", folder)
    assert refused.returncode == 1
    assert "family: expected a section with a name, one of ssd, yolov3" in refused.stderr


def test_a_broken_family_costs_nothing_until_it_is_named(site: Path, folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    broken.mkdir()
    [dist_info] = site.glob("*.dist-info")
    (broken / dist_info.name).symlink_to(dist_info)  # without the package itself
    assert framehook(broken, "check", ROOT / "models" / "zoo" / "blazeface-back").returncode == 0
    refused = framehook(broken, "check", folder)
    assert refused.returncode == 1
    assert (
        "the family circles of framehook-circles cannot be used: No module named 'framehook_circles'" in refused.stderr
    )


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Disc-1", "builtins:int", "expected a name of at most 64 characters"),
        ("disc", "builtins:int", "expected builtins:int to be a FamilySection with the class variable reads"),
        ("disc", "models.families.family:FamilySection", "to be a FamilySection with the class variable reads"),
        ("disc", "models.families.ssd:SsdConfig", "its name is ssd; expected the entry point to have the same"),
        ("ssd", "models.families.ssd:SsdConfig", "another family has this name"),
        ("disc", "no_such_package:Disc", "No module named 'no_such_package'"),
        ("disc", "models.families.ssd:Disc", "has no attribute 'Disc'"),
    ],
)
def test_what_is_no_family_is_said(monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str) -> None:
    monkeypatch.setattr(installed, "entry_points", lambda group: [EntryPoint(name, value, group)])
    families = installed_families(BUILT_IN)
    assert families.sections == ()
    assert fault in families.faults[name]
    assert families.faults[name].startswith(f"the family {name} of an installed package cannot be used: ")


def test_the_entry_point_is_the_documented_one() -> None:
    assert f'"{GROUP}"' in (ROOT / "examples" / "family" / "pyproject.toml").read_text()
    assert issubclass(BUILT_IN[0], FamilySection)
