"""Every entry of the catalogue says where its file is, pins it, and gives a folder that can be served."""

from pathlib import Path

import pytest
import yaml

from models.catalogue.entries import CATALOGUE, Entry, read_catalogue
from models.errors import ModelConfigError, PullError
from models.families import FAMILIES, Signature, Spec, Tensor
from models.families.config import InputConfig
from models.repository.config import ModelConfig
from models.repository.folder import read_folder
from tests.support.client import ROOT

MODELS = read_catalogue().models
LICENCES = {"Apache-2.0", "MIT"}
MUTABLE = {"main", "master", "latest", "HEAD"}


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_entry_is_pinned(name: str) -> None:
    entry = MODELS[name]
    assert entry.licence in LICENCES
    assert f"/{entry.revision}/" in entry.urls[0]
    assert not any(MUTABLE & set(url.split("/")) for url in entry.urls)


def test_no_file_is_there_twice() -> None:
    assert len({entry.sha256 for entry in MODELS.values()}) == len(MODELS)
    assert len({url for entry in MODELS.values() for url in entry.urls}) == sum(len(e.urls) for e in MODELS.values())


def test_an_entry_gives_a_folder_that_can_be_read(name: str, tmp_path: Path) -> None:
    entry, folder = MODELS[name], tmp_path / name
    folder.mkdir()
    (folder / "model.onnx").touch()
    for file, text in read_catalogue().texts(entry).items():
        (folder / file).write_text(text)
    read = read_folder(folder)
    assert (read.config.licence, read.config.source) == (entry.licence, entry.urls[0])
    assert entry.picture.shows in read.labels
    assert entry.picture.path.is_file()
    assert isinstance(read.config.input, InputConfig)


def floats(*shape: int) -> Tensor:
    return Tensor("float32", shape)


def yolox(side_px: int, anchors: int) -> Signature:
    return Signature({"images": floats(1, 3, side_px, side_px)}, {"output": floats(1, anchors, 85)})


def detr(side_px: int, classes: int) -> Signature:
    outputs = {"logits": floats(1, 300, classes), "pred_boxes": floats(1, 300, 4)}
    return Signature({"pixel_values": floats(1, 3, side_px, side_px)}, outputs)


def yunet(side_px: int) -> Signature:
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    outputs = {
        f"{kind}_{stride}": floats(1, (side_px // stride) ** 2, width)
        for kind, width in widths.items()
        for stride in (8, 16, 32)
    }
    return Signature({"input": floats(1, 3, side_px, side_px)}, outputs)


FILES = {
    "yolox-nano": yolox(416, 3549),
    "yolox-tiny": yolox(416, 3549),
    "yolox-s": yolox(640, 8400),
    "dfine-n": detr(640, 80),
    "dfine-s": detr(640, 80),
    "rtdetrv2-s": detr(640, 80),
    "rfdetr-nano": detr(384, 91),
    "rfdetr-small": detr(512, 91),
    "yunet": yunet(640),
}
"""What the publishers say of their files."""


def test_model_yaml_fits_the_file_as_its_publisher_describes_it(name: str) -> None:
    entry = MODELS[name]
    config = ModelConfig.model_validate(yaml.safe_load(entry.model_yaml()))
    labels = read_catalogue().labels[entry.labels]
    family = FAMILIES[config.family.name](Spec(config.family, config.input, config.output, labels, FILES[name]))
    assert family.picture
    with pytest.raises(ModelConfigError):
        FAMILIES[config.family.name](Spec(config.family, config.input, config.output, (*labels, "more"), FILES[name]))


def test_the_labels_of_coco_are_those_of_the_default_model() -> None:
    default = (ROOT / "models" / "zoo" / "ssdlite-mobilenet-v2" / "labels.txt").read_text().split()
    labels = read_catalogue().labels
    assert " ".join(labels["coco-80"]).split() == default
    by_id = dict(enumerate(labels["coco-91"]))
    assert [label for label in by_id.values() if label != "N/A"] == list(labels["coco-80"])
    assert (by_id[1], by_id[44], by_id[62], by_id[90]) == ("person", "bottle", "chair", "toothbrush")


def test_model_yaml_is_short_and_plain() -> None:
    text = MODELS["yolox-nano"].model_yaml()
    assert ModelConfig.model_validate(yaml.safe_load(text)).family.name == "yolox"
    assert "input:\n  size_wh: [416, 416]\n" in text


def test_every_model_of_the_catalogue_is_documented_with_its_facts() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in (ROOT / "docs" / "getting-models.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    documented = {row[1].strip("`"): row[2:6] for row in rows}
    assert documented == {name: _documented(entry) for name, entry in MODELS.items()}


def _documented(entry: Entry) -> list[str]:
    width, height = entry.input["size_wh"]
    accuracy = f"{entry.published.map:.1f}" if entry.published else "-"
    return [entry.licence, f"{entry.size_bytes / 1e6:.1f} MB", f"{width} x {height}", accuracy]


def test_an_unknown_name_is_answered_with_the_names() -> None:
    with pytest.raises(PullError, match=r"no model 'yolo\\n'; it has: yolox-nano, "):
        read_catalogue().find("yolo\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sha256: c", "sha256: g"),
        ("https://github", "http://github"),
        ("licence: Apache-2.0", "license: Apache-2.0"),
    ],
)
def test_a_malformed_catalogue_is_refused(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match="validation error"):
        read_catalogue(path)
