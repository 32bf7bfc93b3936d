"""`framehook check` compares a model's answer to the golden picture in its folder."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.graphs import board, write_identity_model
from lab.pictures import STREET, encode
from tests.support.process import framehook

BOX_OF_7 = [7 / 2**17, 0, 1 - 7 / 2**17, 1]


def write_golden(repository: Path, *expect: dict[str, Any], picture: str = "golden.png") -> Path:
    """Write the identity model with a golden picture of a 7."""
    folder = write_identity_model(repository)
    (folder / "golden.png").write_bytes(encode(board(7), "PNG"))
    with (folder / "model.yaml").open("a") as config:
        config.write(f"golden: {{picture: {picture}, expect: {json.dumps(expect)}}}\n")
    return folder


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        pytest.param({}, None, id="as expected"),
        pytest.param({"box_ltwh": None}, None, id="anywhere"),
        pytest.param({"confidence": 0.81}, None, id="a little less sure"),
        pytest.param({"label": "other"}, "expected other 0.90 at .*, got block 0.90 at", id="another label"),
        pytest.param({"confidence": 0.79}, "expected block 0.79 at .*, got block 0.90 at", id="less sure"),
        pytest.param({"box_ltwh": [0, 0, 0.8, 1]}, r"0\.800, 1\.000\], got block 0\.90 at", id="another place"),
    ],
)
def test_check_fails_when_the_golden_picture_is_answered_otherwise(
    tmp_path: Path, expected: dict[str, Any], got: str | None
) -> None:
    entry = {"label": "block", "confidence": 0.9, "box_ltwh": BOX_OF_7, **expected}
    run = framehook("check", write_golden(tmp_path, entry))
    assert run.returncode == (1 if got else 0)
    assert ("the golden picture gives the expected results" in run.stdout) is not bool(got)
    if got:
        assert re.fullmatch(f"framehook: .*model.yaml: golden: model identity, golden.png: .*{got}.*\n", run.stderr)


def test_each_result_counts_for_one_expected(tmp_path: Path) -> None:
    block = {"label": "block", "confidence": 0.9}
    assert framehook("check", write_golden(tmp_path / "once", block)).returncode == 0
    twice = framehook("check", write_golden(tmp_path / "twice", block, block))
    assert twice.returncode == 1
    assert "expected block 0.90, got block 0.90" in twice.stderr


def test_a_golden_picture_that_is_none_is_named(tmp_path: Path) -> None:
    run = framehook("check", write_golden(tmp_path, {"label": "block", "confidence": 0.9}, picture="labels.txt"))
    assert run.returncode == 1
    assert re.fullmatch(r"framehook: .*labels\.txt: .*not a JPEG, PNG, WebP or BMP picture.*\n", run.stderr)


def test_the_zoo_finds_what_it_must(tmp_path: Path) -> None:
    """And a user's own golden picture beside it passes too."""
    assert framehook("check").stdout.count("the golden picture gives the expected results") == 3
    seen = framehook("check", write_golden(tmp_path, {"label": "other", "confidence": 0.9}), "--picture", STREET)
    assert seen.returncode == 1
