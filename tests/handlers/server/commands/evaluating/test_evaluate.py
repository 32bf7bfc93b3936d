"""`framehook check --evaluate`: the figures are those of a known case, whatever the format of the labels."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handlers.server.commands.cli import main
from lab.graphs import LABELS, write_planted_model
from lab.pictures import PHOTOS, blank
from tests.support.client import ROOT
from tests.support.models.matching import flat
from tests.support.process import framehook

SIDE = 200
BLOCK, OTHER = LABELS
UNKNOWN = "unicorn"
FOUND_XYXY = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)
SCORES = np.array([[0.9, 0], [0.6, 0]], np.float32)
"""The model finds these two blocks in every picture."""
RIGHT, MISSED, ALL = [0, 0, 0.5, 0.5], [0, 0.5, 0.5, 0.5], [0, 0, 1, 1]
"""Boxes, ltwh as shares: one that it finds, one that it does not, and the whole picture."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_planted_model(tmp_path_factory.mktemp("models"), FOUND_XYXY, SCORES)


def coco(objects: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Return COCO's document for pictures 0.png, 1.png ... with these objects; the ids of labels are 7, 8 ..."""
    labels = (*LABELS, UNKNOWN)
    annotations = [
        {
            "image_id": number,
            "category_id": 7 + labels.index(found.get("label", BLOCK)),
            "bbox": [edge * SIDE for edge in found["box"]],
            "iscrowd": found.get("iscrowd", 0),
        }
        for number, of_picture in enumerate(objects)
        for found in of_picture
    ]
    images = [
        {"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE} for number, _ in enumerate(objects)
    ]
    categories = [{"id": number, "name": label} for number, label in enumerate(labels, start=7)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(folder: Path, document: dict[str, Any]) -> Path:
    """Write a folder as COCO's own: annotations/ beside a folder with the pictures."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "instances.json").write_text(json.dumps(document))
    (folder / "val").mkdir()
    for image in document["images"]:
        (folder / "val" / image["file_name"]).write_bytes(blank((SIDE, SIDE)))
    return folder


def write_yolo(folder: Path, rows: Sequence[str], names: str | None = "names: {0: block, 1: other}") -> Path:
    """Write a folder as YOLO's trainers take it. `rows`: the labels of each picture; empty: none."""
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir(parents=True)
    for number, text in enumerate(rows):
        (folder / "images" / "val" / f"{number}.png").write_bytes(blank((SIDE, SIDE)))
        if text:
            (folder / "labels" / "val" / f"{number}.txt").write_text(text)
    if names is not None:
        (folder / "data.yaml").write_text(names)
    return folder


def evaluate(model: Path, place: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """Return the row of the first model: column → figure."""
    assert main(["check", str(model), "--evaluate", str(place), "--thresholds", "0.5,0.75,0.95", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    begins = next(index for index, line in enumerate(lines) if line.startswith("model "))
    head = lines[begins].replace("P/R at ", "P/R@").split()
    return {**dict(zip(head, lines[begins + 1].split(), strict=True)), "text": "\n".join(lines)}


KNOWN = {"labels": "1", "AP": "50.5", "AP50": "50.5", "P/R@0.5": "0.25/0.50", "P/R@0.75": "0.50/0.50"}
"""The first block of the first picture is right, three detections are wrong, one object is missed: precision is 1 up to
a recall of 0.5, and 0 beyond, so 51 of the 101 recalls count."""


@pytest.mark.parametrize(
    ("objects", "figures"),
    [
        pytest.param([[{"box": RIGHT}], [{"box": MISSED}]], KNOWN, id="known case"),
        pytest.param(
            [[{"box": RIGHT}], [{"box": MISSED}, {"box": ALL, "iscrowd": 1}]],
            KNOWN | {"P/R@0.5": "0.50/0.50", "P/R@0.75": "1.00/0.50"},  # what is in the crowd does not count
            id="a crowd",
        ),
        pytest.param(
            [[{"box": RIGHT}], [{"box": MISSED}, {"box": ALL, "label": UNKNOWN}]],
            KNOWN,
            id="a label that the model does not have",
        ),
        pytest.param(
            [[{"box": RIGHT}], [{"box": MISSED}, {"box": RIGHT, "label": OTHER}]],
            KNOWN | {"labels": "2", "AP": "25.2", "AP50": "25.2", "P/R@0.5": "0.25/0.33", "P/R@0.75": "0.50/0.33"},
            id="another label",
        ),
        pytest.param(
            [[{"box": [0, 0, 0.5, 0.36]}], []],  # IoU 0.72: right at five of ten thresholds
            KNOWN | {"AP": "50.0", "AP50": "100.0", "P/R@0.5": "0.25/1.00", "P/R@0.75": "0.50/1.00"},
            id="an inexact box",
        ),
    ],
)
def test_the_figures_are_those_that_a_person_computes(
    model: Path, tmp_path: Path, objects: Any, figures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    row = evaluate(model, write_coco(tmp_path / "set", coco(objects)), capsys)
    assert {name: row[name] for name in figures} == figures
    assert row["P/R@0.95"].startswith("-/0.00")
    assert ("1 label(s), which do not count for it: unicorn." in row["text"]) == (UNKNOWN in str(objects))


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        pytest.param(["0 0.25 0.25 0.5 0.5", "0 0.25 0.75 0.5 0.5\n\n"], "names: [block, other]", id="boxes"),
        pytest.param(["0 .25 .25 .5 .5 .99", "0.0 .25 .75 .5 .5"], "names: {0: block, 1: other}", id="confidences"),
        pytest.param(["0 0 0 .5 0 .5 .5 0 .5", "0 .25 .75 .5 .5"], None, id="an outline, and no names"),
    ],
)
def test_labels_of_yolo_give_the_same(
    model: Path, tmp_path: Path, rows: list[str], names: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    row = evaluate(model, write_yolo(tmp_path / "set", [*rows, ""], names), capsys)
    expected = KNOWN | {"P/R@0.5": "0.17/0.50", "P/R@0.75": "0.33/0.50"}  # of a third picture, without objects
    assert {name: row[name] for name in expected} == expected
    assert ("their ids are those of the default model" in row["text"]) == (names is None)
    documents = coco([[{"box": RIGHT}], [{"box": MISSED}], []])
    same = evaluate(model, write_coco(tmp_path / "coco", documents), capsys)
    assert {name: row[name] for name in KNOWN} == {name: same[name] for name in KNOWN}


def test_a_model_is_perfect_where_its_own_answers_are_the_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = ["coffee.jpg", "vtest-400.jpg"]
    labels = (ROOT / "models" / "zoo" / "ssdlite-mobilenet-v2" / "labels.txt").read_text().splitlines()
    assert main(["infer", "--format", "json", *(str(PHOTOS / name) for name in photos)]) == 0
    images, annotations = [], []
    for number, line in enumerate(capsys.readouterr().out.splitlines()):
        with Image.open(PHOTOS / photos[number]) as photo:
            width, height = photo.size
        images.append({"id": number, "file_name": photos[number], "width": width, "height": height})
        for found in flat(json.loads(line)):
            box = [found["l"] * width, found["t"] * height, found["w"] * width, found["h"] * height]
            annotations.append({"image_id": number, "category_id": labels.index(found["label"]), "bbox": box})
    categories = [{"id": number, "name": label} for number, label in enumerate(labels)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    for name in photos:
        (tmp_path / name).write_bytes((PHOTOS / name).read_bytes())
    (tmp_path / "labels.json").write_text(json.dumps(document))
    assert main(["check", "--models", "ssdlite-mobilenet-v2,blazeface-back", "--evaluate", str(tmp_path)]) == 0
    printed, progress = capsys.readouterr()
    assert progress == ""  # no bar where nobody sees it
    row = next(line for line in printed.splitlines() if line.startswith("ssdlite-mobilenet-v2"))
    assert row.split()[2:4] == ["100.0", "100.0"]
    assert row.split()[8] == "1.00/1.00"
    assert "blazeface-back is left out: it finds no object" in printed


def test_models_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = tmp_path / "models"
    for name, scores in (("better", SCORES), ("worse", SCORES[::-1])):
        write_planted_model(repository, FOUND_XYXY, scores).rename(repository / name)
    place, plot = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], [{"box": RIGHT}]])), tmp_path / "curves.png"
    row = evaluate(repository, place, capsys, "--plot", str(plot))
    assert row["AP"] == "100.0"
    lines = row["text"].splitlines()
    assert next(line for line in lines if line.startswith("worse ")).split()[2] == "50.0"
    assert "label  objects  better AP/AP50  worse AP/AP50" in lines
    assert "block        2     100.0/100.0      50.0/50.0" in lines
    with Image.open(plot) as picture:
        assert (picture.format, picture.size) == ("PNG", (900, 640))
        colours = {colour for _, colour in picture.getcolors(1 << 20) or ()}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours


def test_the_figures_are_data_too(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], [{"box": MISSED}]]))
    options = ["--evaluate", str(place), "--thresholds", "0.5"]
    assert main(["check", str(model), *options, "--format", "json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["accuracy"]
    assert accuracy["ap"] == accuracy["byLabel"]["block"]["ap50"] == pytest.approx(51 / 101)
    assert accuracy["at"] == {"0.5": {"precision": 0.25, "recall": 0.5}}
    assert main(["check", str(model), *options, "--format", "csv"]) == 0
    [row] = csv.DictReader(capsys.readouterr().out.splitlines())
    assert float(row["ap50"]) == pytest.approx(51 / 101)


def test_pictures_that_cannot_be_read_are_counted_and_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], [{"box": MISSED}], *([[{"box": ALL}]] * 6)]))
    for number in range(2, 7):
        (place / "val" / f"{number}.png").write_bytes(b"no picture")
    (place / "val" / "7.png").unlink()
    row = evaluate(model, place, capsys)
    assert {name: row[name] for name in KNOWN} == KNOWN
    assert f"6 picture(s) cannot be read and are left out: {place}/val/2.png, " in row["text"]
    assert "val/6.png, and 1 more. The first: This is not a JPEG, PNG, WebP or BMP picture" in row["text"]
    assert "ok: 2 labelled picture(s) with 2 object(s)" in row["text"]


def test_pictures_without_objects_alone_are_not_enough(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], []]))
    (place / "val" / "0.png").write_bytes(b"no picture")
    assert main(["check", str(model), "--evaluate", str(place)]) == 1
    assert "no model can be evaluated with these pictures. 1 picture(s) cannot be read" in capsys.readouterr().err


def test_one_json_file_can_be_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], [{"box": MISSED}]]))
    (place / "annotations" / "captions.json").write_text("{}")
    assert main(["check", str(model), "--evaluate", str(place)]) == 1
    line = capsys.readouterr().err
    assert f"{place} has 2 JSON files; name one instead of the folder, as {place}/annotations/captions.json." in line
    row = evaluate(model, place / "annotations" / "instances.json", capsys)
    assert {name: row[name] for name in KNOWN} == KNOWN


def test_the_pictures_are_those_that_the_json_file_is_named_for(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}], [{"box": MISSED}]]))
    (place / "annotations" / "instances.json").rename(place / "annotations" / "instances_val.json")
    (place / "train").mkdir()  # with pictures of the same names
    for number in range(2):
        (place / "train" / f"{number}.png").write_bytes(b"no picture")
    row = evaluate(model, place, capsys)
    assert {name: row[name] for name in KNOWN} == KNOWN


def broken_coco(**changes: Any) -> dict[str, Any]:
    document = coco([[{"box": RIGHT}]])
    document["annotations"][0] |= changes
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(broken_coco(image_id=5), "has an image_id or category_id that the file does not have", id="image"),
        pytest.param(broken_coco(category_id=5), "has an image_id or category_id", id="category"),
        pytest.param(broken_coco(bbox=[0, 0, float("nan"), 1]), "annotations.0.bbox.2: Input should be", id="NaN"),
        pytest.param(broken_coco(bbox=[0, 0, 1]), "not in COCO's format: annotations.0.bbox.3: ", id="three edges"),
        pytest.param({"images": []}, "not in COCO's format: annotations: Field required", id="no annotations"),
        pytest.param(coco([[]]), "has no picture with a labelled object", id="no object"),
        pytest.param(coco([[{"box": ALL, "label": UNKNOWN}]]), "no model can be evaluated", id="no known label"),
    ],
)
def test_a_wrong_document_is_refused(
    model: Path, tmp_path: Path, document: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(document))
    assert main(["check", str(model), "--evaluate", str(tmp_path)]) == 1
    assert reason in capsys.readouterr().err


def test_names_of_classes_may_be_a_text(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_yolo(tmp_path / "set", ["1 .25 .25 .5 .5", "1 .25 .75 .5 .5"], None)
    (place / "labels" / "classes.txt").write_text("other\nblock\n")
    row = evaluate(model, place, capsys)
    assert {name: row[name] for name in KNOWN} == KNOWN
    (place / "data.yaml").write_text("nc: 2")
    assert main(["check", str(model), "--evaluate", str(place)]) == 1
    assert "data.yaml: names: expected a list, or ids from 0 with their names." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param("2 .5 .5 .5 .5", "0.txt, line 1: expected a class id from 0 to 1, then", id="an unknown class"),
        pytest.param("0.5 .5 .5 .5 .5", "0.txt, line 1: expected", id="half a class"),
        pytest.param("0 .5 .5 .5", "0.txt, line 1: expected", id="three numbers"),
        pytest.param("0 .5 .5 .5 .5\n0 .5 nan .5 .5", "0.txt, line 2: expected", id="not a number"),
        pytest.param("0 .5 .5 1e999 .5", "0.txt, line 1: expected", id="infinite"),
    ],
)
def test_a_wrong_label_file_is_refused(
    model: Path, tmp_path: Path, row: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(model), "--evaluate", str(write_yolo(tmp_path / "set", [row]))]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ["--evaluate", "/nonexistent"],
            "/nonexistent has no labelled pictures: expected a JSON file in COCO's format",
        ),
        (["--plot", "x.png"], "--plot goes with --evaluate."),
    ],
)
def test_a_wrong_call_is_explained(
    model: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(model), *options]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("thresholds", ["0.5,2", "nan", "", "0.5;0.6"])
def test_thresholds_are_fractions(thresholds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", "--evaluate", "x", "--thresholds", thresholds])
    assert "--thresholds: expected numbers from 0 to 1" in capsys.readouterr().err


def test_a_plot_that_cannot_be_written_is_told(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_coco(tmp_path / "set", coco([[{"box": RIGHT}]]))
    assert main(["check", str(model), "--evaluate", str(place), "--plot", "/proc/nowhere/curves.png"]) == 1
    assert "/proc/nowhere/curves.png cannot be written: No such file" in capsys.readouterr().err


def test_evaluating_says_what_it_lacks(model: Path, tmp_path: Path) -> None:
    (tmp_path / "pycocotools.py").write_text("")
    run = framehook("check", model, "--evaluate", tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert run.returncode == 1
    assert run.stderr == "framehook: Evaluating models needs pycocotools: scripts/setup eval.\n"
