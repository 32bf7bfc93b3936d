"""Repositories with chained models, and pictures for them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from handlers.encoding.captions import MAIN_FONT
from lab.graphs import write_planted_model
from lab.pictures import street
from models.repository.folder import BUILT_IN_ZOO
from tests.support.models.pages import write_reader

PLATE = "B-AK 4217"
PLATE_LTWH_PX = 300, 400, 168, 44
"""Where the plate lies on the street, in pixels."""


def write_then(folder: Path, *links: str) -> Path:
    """Add links to the model.yaml of a folder, each as YAML, and return the folder."""
    with (folder / "model.yaml").open("a") as config:
        config.write("then:\n" + "".join(f"  - {link}\n" for link in links))
    return folder


def write_things(repository: Path) -> Path:
    """Write the built-in detector, which gives cups and cats to the built-in classifier; return its folder."""
    shutil.copytree(BUILT_IN_ZOO / "efficientnet-lite0", repository / "kind")
    things = shutil.copytree(BUILT_IN_ZOO / "ssdlite-mobilenet-v2", repository / "things")
    return write_then(things, "{model: kind, labels: [cup, cat]}")


def write_plates(repository: Path, *links: str) -> Path:
    """Write a model that always finds the plate of `street_with_plate`, and a reader, which gets it."""
    left, top, width, height = PLATE_LTWH_PX
    sides = np.array(street().size * 2)
    boxes_xyxy = np.array([[left, top, left + width, top + height]]) / sides
    planted = write_planted_model(repository, boxes_xyxy.astype(np.float32), np.array([[0.9]], np.float32), ["plate"])
    plates = planted.rename(repository / "plates")
    if not (repository / "reader").exists():
        write_reader(repository)
    return write_then(plates, *(links or ["{model: reader}"]))


def street_with_plate(text: str = PLATE) -> Image.Image:
    """Return a photo of a street with a licence plate drawn into it."""
    picture = street().copy()
    left, top, width, height = PLATE_LTWH_PX
    canvas = ImageDraw.Draw(picture)
    canvas.rectangle((left, top, left + width, top + height), "white", "black", 2)
    canvas.text((left + width / 2, top + height / 2), text, "black", MAIN_FONT.load(28), anchor="mm")
    return picture


def planted_boxes(repository: Path, boxes_xyxy: Sequence[Sequence[float]], labels: Sequence[str] = ("thing",)) -> Path:
    """Write a model that always finds these boxes, in shares of the picture, all of the first label."""
    scores = np.zeros((len(boxes_xyxy), len(labels)), np.float32)
    scores[:, 0] = np.linspace(0.99, 0.6, len(boxes_xyxy))
    return write_planted_model(repository, np.array(boxes_xyxy, np.float32).reshape(-1, 4), scores, labels)
