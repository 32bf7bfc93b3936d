"""The packages of a release: complete, made from themselves, and of use in an environment that has nothing else."""

import filecmp
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import httpx
import pytest
from PIL import Image

from lab.graphs import write_small_detector
from lab.pictures import STREET
from lab.videos import write_video
from models.repository.folder import BUILT_IN_ZOO
from tests.support.client import ROOT
from tests.support.models.pages import TIMETABLE, page, write_reader
from tests.support.process import serving
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_for

pytestmark = pytest.mark.system

HOME = "https://example.org/framehook"
DETECTOR = BUILT_IN_ZOO / "ssdlite-mobilenet-v2"
EXTRAS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"].keys()
    - {"ray"}  # tests/system/test_ray.py
)
WITHOUT_CHECKOUT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, as the script makes them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([ROOT / "scripts" / "release", "--packages", folder, HOME], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [found] = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def about(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with the wheel and its extras, as pip resolves them today."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    programs = folder / "bin"
    pip: list[str | Path] = ["python3", "-m", "pip", "--python", programs / "python", "install", "--quiet"]
    subprocess.run([*pip, f"{wheel}[{','.join(EXTRAS)}]"], check=True, env=WITHOUT_CHECKOUT)
    return programs


def run(programs: Path, folder: Path, *arguments: str | Path) -> str:
    """Run the installed command in a folder; return what it prints."""
    command = [programs / "framehook", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=WITHOUT_CHECKOUT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_metadata_is_complete(about: Message) -> None:
    assert about["Author"]
    assert about["Requires-Python"]
    assert about["License-Expression"] == "Apache-2.0"
    assert {text.partition(",")[0] for text in about.get_all("Project-URL", [])} == {
        "Source", "Documentation", "Changelog", "Issues",
    }  # fmt: skip
    assert about["Description-Content-Type"] == "text/markdown"
    assert "](docs/" not in about.get_payload()
    assert set(EXTRAS) <= set(about.get_all("Provides-Extra", []))


def test_the_source_package_makes_the_same_wheel(dist: Path, wheel: Path, tmp_path: Path) -> None:
    """Also without the address, which it has kept."""
    [source] = dist.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "again"],
        cwd=unpacked, check=True, capture_output=True,
    )  # fmt: skip
    [made] = (tmp_path / "again").iterdir()
    assert made.name == wheel.name
    assert filecmp.cmp(made, wheel, shallow=False)


def test_it_serves_with_a_certificate_and_finds_what_the_checkout_finds(environment: Path, tmp_path: Path) -> None:
    here = json.loads(run(Path(sys.executable).parent, tmp_path, "infer", STREET, "--format", "json"))
    options, state = ["--tls-self-signed", "true"], {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": ""}
    with (
        serving(*options, wrapper=[str(environment / "python")], log=subprocess.DEVNULL, **state) as (_, port),
        httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=PATIENCE_S) as client,
    ):
        wait_for(lambda: is_ready(client), PROGRAM_S)
        found = client.post("/inference", content=STREET.read_bytes(), headers={"Content-Type": "image/jpeg"})
    assert found.json()["inferences"] == here["inferences"]


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_extra_video(environment: Path, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", [Image.open(STREET)] * 3)
    assert '"person"' in run(environment, tmp_path, "infer", clip, "--format", "json")


def test_extra_player(environment: Path, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", [Image.open(STREET)] * 20)
    assert '"person"' in run(environment, tmp_path, "play", "detect", "--serve", "--source", clip, "--speed", "max")


def test_extra_prepare(environment: Path, tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    run(environment, tmp_path, "prepare", source, tmp_path / "prepared")
    assert "ok: prepared" in run(environment, tmp_path, "check", tmp_path / "prepared")


def test_extra_eval(environment: Path, tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: {0: person, 1: car}\n")
    (tmp_path / "images" / "val" / "street.jpg").write_bytes(STREET.read_bytes())
    (tmp_path / "labels" / "val" / "street.txt").write_text("0 0.824977 0.284211 0.037323 0.105643\n")
    assert "AP50" in run(environment, tmp_path, "check", DETECTOR, "--evaluate", tmp_path)


def test_extra_ocr(environment: Path, tmp_path: Path) -> None:
    write_reader(tmp_path)
    page(*TIMETABLE).save(tmp_path / "page.png")
    options: list[str | Path] = ["--model-repository", tmp_path, "--model", "reader", "--format", "json"]
    assert '"text"' in run(environment, tmp_path, "infer", tmp_path / "page.png", *options)
