"""The contents of a wheel: the packages, the contract and the model; it serves from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path

import pytest

from lab.pictures import STREET
from tests.support.client import CONTRACT, ROOT

FRAMEHOOK = "import sys; from handlers.server.commands.cli import main; sys.exit(main())"
TELL_PLACE = "import handlers; print(handlers.__file__)"
TELL_CONTRACT = "from handlers.server.contract import read_contract; print(read_contract().as_yaml.decode(), end='')"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel."""
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", dist]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = dist.glob("framehook-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def python(site: Path, folder: Path, *arguments: str | Path) -> str:
    """Run the packages of the wheel, with the dependencies of this environment, in another folder."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_contract_travels_along_byte_for_byte(site: Path, tmp_path: Path) -> None:
    assert Path(python(site, tmp_path, "-c", TELL_PLACE).strip()).is_relative_to(site)
    assert (site / "handlers" / "openapi.yaml").read_bytes() == (ROOT / "openapi.yaml").read_bytes()
    assert python(site, tmp_path, "-c", TELL_CONTRACT) == (ROOT / "openapi.yaml").read_text(encoding="utf-8")


def test_the_console_travels_along(site: Path) -> None:
    pages = ROOT / "handlers" / "pages"
    files = [path.relative_to(pages) for path in (*pages.glob("*.html"), *(pages / "files").iterdir())]
    assert len(files) > 10
    assert all((site / "handlers" / "pages" / name).read_bytes() == (pages / name).read_bytes() for name in files)


def test_a_photo_is_answered_from_any_folder(site: Path, tmp_path: Path) -> None:
    answer = json.loads(python(site, tmp_path, "-c", FRAMEHOOK, "infer", STREET, "--format", "json"))
    assert len(answer["inferences"]) > 1


def test_the_kit_travels_along(site: Path, tmp_path: Path) -> None:
    assert python(site, tmp_path, "-c", FRAMEHOOK, "conform", "--list").startswith("requests.jpeg ")
    kit = ROOT / "conformance"
    files = [path.relative_to(ROOT) for path in (*kit.rglob("*.jpg"), *kit.rglob("*.css"))]
    assert len(files) == 5
    assert all((site / name).read_bytes() == (ROOT / name).read_bytes() for name in files)


def test_the_catalogue_travels_along(site: Path, tmp_path: Path) -> None:
    assert python(site, tmp_path, "-c", FRAMEHOOK, "models", "pull").startswith("name")


def test_the_version_and_the_command_for_an_extra_are_those_of_a_package(site: Path, tmp_path: Path) -> None:
    """Also the files of Swagger UI's page travel along."""
    tell = "from models.extras import how_to_install; print(how_to_install('tls'))"
    assert python(site, tmp_path, "-c", tell) == "pip install 'framehook[tls]'\n"
    assert python(site, tmp_path, "-c", FRAMEHOOK, "--version") == f"framehook {CONTRACT['info']['version']}\n"
    assert (site / "handlers" / "server" / "middleware" / "swagger_ui.js").is_file()


def test_the_licences_and_the_command_travel_along(site: Path) -> None:
    [folder] = site.glob("framehook-*.dist-info")
    assert {path.name for path in (folder / "licenses").iterdir()} == {"LICENSE", "NOTICE"}
    assert "framehook = handlers.server.commands.cli:main" in (folder / "entry_points.txt").read_text()
    metadata = message_from_bytes((folder / "METADATA").read_bytes())
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_font_of_the_extra_ocr_does_not_travel_along(site: Path) -> None:
    assert [path.name for path in site.rglob("*.tt*")] == ["DejaVuSans.ttf"]


def test_nothing_else_travels_along(site: Path) -> None:
    assert {path.name.split("-")[0] for path in site.iterdir()} == {
        "handlers",
        "models",
        "player",
        "conformance",
        "scene",
        "framehook",
    }
    assert not list(site.rglob("tests"))


def test_the_editable_install_is_this_checkout(tmp_path: Path) -> None:
    """Every other test uses it; here from another folder, where only the installation can find it."""
    assert json.loads(str(distribution("framehook").read_text("direct_url.json")))["dir_info"]["editable"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", TELL_PLACE]
    printed = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == str(ROOT / "handlers" / "__init__.py")
