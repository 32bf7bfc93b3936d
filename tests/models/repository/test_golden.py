"""The zoo's models find the same in real photos as an independent, plain computation (tools/golden_answers.py)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.pictures import PHOTOS, STREET
from models.order import FrameOrder
from models.repository.folder import BUILT_IN_ZOO
from models.runtime.engine import Engine
from tests.support.models.engines import loaded_engine_of
from tests.support.models.matching import assert_matches
from tests.support.models.repositories import read_repository

GOLDEN: dict[str, dict[str, list[dict[str, Any]]]] = json.loads((PHOTOS / "golden.json").read_text())
FILES = [STREET, *sorted(PHOTOS.glob("*.jpg"))]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with loaded_engine_of(BUILT_IN_ZOO, "ssdlite-mobilenet-v2") as engine:
        yield engine


def test_every_photo_has_a_golden_answer_of_every_model() -> None:
    assert set(GOLDEN) == {folder.name for folder in read_repository(BUILT_IN_ZOO)}
    assert all({path.name for path in FILES} == set(answers) for answers in GOLDEN.values())


@pytest.mark.parametrize("model", list(GOLDEN))
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_photo_gets_its_golden_answer(engine: Engine, model: str, path: Path) -> None:
    order = FrameOrder(path.read_bytes(), model=model, encoding="metadata")
    document = engine.infer(order).result().value
    assert_matches(json.loads(document or b'{"inferences": []}'), GOLDEN[model][path.name])
