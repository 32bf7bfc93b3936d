"""bench/twins.py reads pictures from packages, and a model agrees with itself."""

import zipfile
from pathlib import Path

import pytest

from bench.agreement import Judge
from bench.twins import Classifier, classifier_row, detector_row, pictures
from lab.pictures import PHOTOS, encode, street


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(PHOTOS / "coffee.jpg", "package/data/coffee.JPG")
        archive.writestr("package/street.png", encode(street(), "PNG"))
        archive.writestr("package/icon.png", encode(street().resize((32, 32)), "PNG"))
        archive.writestr("package/broken.jpg", (PHOTOS / "coffee.jpg").read_bytes()[:100])
        archive.writestr("package/code.py", b"")
    return path


def test_readable_pictures_of_a_package_count(package: Path) -> None:
    assert [picture.size for picture in pictures(package)] == [(600, 400), (768, 576)]


def test_pictures_of_a_folder_count(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "street.png").write_bytes(encode(street(), "PNG"))
    assert [picture.size for picture in pictures(tmp_path)] == [(768, 576)]


def test_a_model_agrees_with_itself(package: Path) -> None:
    classifiers, judges = (Classifier(None), Classifier(None)), (Judge(None), Judge(None))
    assert classifier_row(classifiers, package) == "2 | 1 of 1 | 2 of 2 | 1.0000 | 1.000 | 0.000 |"
    assert detector_row(judges, package) == "10 of 10 | 0 | 0 | 1.0000 | 0.0000 | 0 of 10 |"
