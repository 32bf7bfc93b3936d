"""Labels as their makers publish them, and the refusals of what cannot be labels."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.errors import ModelConfigError
from models.repository.folder import read_folder
from models.repository.labels import names_an_object, read_labels
from tests.support.models.layouts import LAYOUTS, write_layout


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param("", id="none"),
        pytest.param("a\n\nb", id="an empty line"),
        pytest.param("a\na", id="twice the same"),
        pytest.param("a\ntench, Tinca tinca", id="a comma"),
        pytest.param("a\n" + "x" * 10_240, id="10 KB"),
        pytest.param("a\nb\tc", id="a control character"),
        pytest.param("".join(f"{number}\n" for number in range(200_000)), id="more than 1 MiB"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, labels: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(labels)
    with pytest.raises(ModelConfigError, match=r"labels\.txt"):
        read_labels(path)


def test_labels_in_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("Zaunkönig".encode("latin-1"))
    with pytest.raises(ModelConfigError, match="cannot be read as UTF-8"):
        read_labels(path)


def test_labels_may_come_from_windows(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcar\r\nperson\r\n".encode())
    assert read_labels(path) == ("car", "person")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0  person\n1  bicycle\n3  car\n", ("person", "bicycle", "N/A", "car"), id="numbered, with a gap"),
        pytest.param("0: person\n1: car", ("person", "car"), id="numbered with colons"),
        pytest.param("7 eleven\n8 ball", ("7 eleven", "8 ball"), id="numbers that are no ids"),
        pytest.param("0\n1\n2", ("0", "1", "2"), id="digits"),
        pytest.param("0 euro\n0 cent", ("0 euro", "0 cent"), id="the same number twice"),
        pytest.param("N/A\nperson\nN/A\nn/a", ("N/A", "person", "N/A", "n/a"), id="repeated N/A"),
        pytest.param("__background__\nperson", ("__background__", "person"), id="a background"),
    ],
)
def test_labels_as_published_are_taken(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    assert read_labels(path) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("names: [person, car]", ("person", "car"), id="a list"),
        pytest.param("path: x\nnc: 2\nnames:\n  0: person\n  2: car\n", ("person", "N/A", "car"), id="by id"),
    ],
)
def test_labels_may_be_those_of_a_data_yaml(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    assert read_labels(path) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.txt", "a\ntench, Tinca tinca", r"line 2: 'tench, Tinca tinca' has a comma, .*, such as 'tench'\."),
        ("labels.txt", "crane\nx\ncrane", r"line 3: 'crane' is the label of class 0 already; .* as in 'crane 2'\."),
        ("labels.txt", "a\n\nb", r"line 2: expected 1 to 200 printable characters, got ''\."),
        ("labels.txt", "N/A\nbackground", "expected at least one label"),
        ("labels.txt", "0 a\n1 a", "line 2: 'a' is the label"),
        ("data.yaml", "nc: 80", "expected the key names"),
        ("data.yaml", "names: person", "expected the key names"),
        ("data.yaml", "names: [a, a]", r"names\.1: 'a' is the label of class 0 already"),
        ("data.yaml", "names: {0: b, 999999999: a}", "names: '999999999' is no class id"),
        ("data.yaml", "names: {0: b, '1': a}", "names: '1' is no class id"),
        ("data.yaml", "names: {0: b, true: a}", "names: 'True' is no class id"),
        ("data.yaml", "names: [yes, door]", r"names\.0: expected a label, between quotes"),
        ("data.yaml", "names: {0: a, 1: }", r"names\.1: expected a label"),
    ],
)
def test_refused_labels_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ModelConfigError, match=message):
        read_labels(path)


def test_ids_that_are_too_large_are_no_ids(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("0 a\n999999999 b")
    assert read_labels(path) == ("0 a", "999999999 b")


@pytest.mark.parametrize("label", ["BACKGROUND", "__background__", "N/A", "???"])
def test_what_names_no_object(label: str) -> None:
    assert not names_an_object(label)
    assert names_an_object(f"{label} door")


@pytest.mark.parametrize(
    ("section", "labels", "message"),
    [
        ({"preset": "tensorflow"}, "???\nperson", "first_class is 1; remove the label"),
        ({"preset": "openvino"}, "background\nperson", "first_class is 1; remove the label"),
        ({"preset": "torchvision"}, "person\ncar", "begin the labels with __background__"),
        ({"preset": "tensorflow"}, "person\n???", None),
        ({"preset": "tensorflow", "first_class": 0}, "???\nperson", None),
        ({"preset": "torchvision"}, "__background__\nperson", None),
        ({"preset": "torchvision", "first_class": 1}, "person\ncar", None),
    ],
)
def test_labels_that_begin_with_another_class_are_refused(
    tmp_path: Path, section: dict[str, Any], labels: str, message: str | None
) -> None:
    folder = write_layout(tmp_path / "model", LAYOUTS["torchvision"])
    document = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump(document | {"family": {"name": "postprocessed", **section}}))
    (folder / "labels.txt").write_text(labels)
    with pytest.raises(ModelConfigError, match=message) if message else nullcontext():
        read_folder(folder)
