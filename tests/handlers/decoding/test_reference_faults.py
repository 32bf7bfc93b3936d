"""Faults of published servers of this protocol, one test each."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conformance.published import PUBLISHED
from lab.graphs import board, number_in, write_identity_model, write_planted_model
from lab.pictures import blank, encode, street, street_as
from tests.support.client import ContractClient
from tests.support.models.matching import flat
from tests.support.server import LiveServer, serving


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A model with a box over every edge, one for each kind of nonsense, and heads far apart in its output."""
    boxes = np.array(
        [
            [-0.5, -0.5, 0.2, 0.2],
            [0.8, 0.8, 1.5, 9],
            [np.nan, 0, 1, 1],
            [0.3, 0.3, np.inf, 1],
            [0.4, 0.4, 0.4, 0.8],
            [2, 2, 3, 3],
            [0.5, 0.1, 0.6, 0.2],
        ],
        np.float32,
    )
    scores = np.array([[0.9, 0], [0, 1.0000001], [0.99, 0], [0.99, 0], [0.99, 0], [0.99, 0], [0.6, np.nan]], np.float32)
    folder = write_planted_model(tmp_path_factory.mktemp("repository"), boxes, scores)
    with serving(folder) as live:
        yield live


def test_boxes_are_not_relative_to_a_letterboxed_canvas(identity: LiveServer) -> None:
    for size_wh in ((64, 64), (1280, 72), (72, 1280)):
        frame = board(number=40_000 | 20_000 << 16).resize(size_wh, 0)
        [found] = flat(identity.client.post("/inference", content=encode(frame, "PNG")).json())
        assert number_in(found) == 40_000 | 20_000 << 16


def test_boxes_are_clamped_and_nonsense_is_left_out(planted: LiveServer) -> None:
    answer = planted.client.post("/inference", content=blank())
    assert [(found["label"], found["l"], found["t"], found["w"], found["h"]) for found in flat(answer.json())] == [
        ("other", 0.8, 0.8, 0.2, 0.2),
        ("block", 0, 0, 0.2, 0.2),
        ("block", 0.5, 0.1, 0.1, 0.1),
    ]
    assert flat(answer.json())[0]["confidence"] == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1"])
def test_png_with_alpha_or_grey_is_served(server: LiveServer, mode: str) -> None:
    answer = server.client.post("/inference", content=encode(street().convert(mode), "PNG"), params={"confidence": 0.1})
    assert answer.status_code == 200


def test_confidence_counts_without_object(server: LiveServer) -> None:
    body = street_as("JPEG")
    assert len(flat(server.client.post("/inference?confidence=0.8", content=body).json())) < len(
        flat(server.client.post("/inference", content=body).json())
    )


def test_numbers_are_numbers(server: LiveServer) -> None:
    document = server.client.post("/inference", content=street_as("JPEG")).json()
    PUBLISHED.validate(document)
    for found in flat(document):
        assert all(isinstance(found[name], float) for name in ("confidence", "l", "t", "w", "h"))


def test_nothing_is_204_without_a_content_type(server: LiveServer) -> None:
    answer = server.client.post("/inference", content=blank())
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (204, b"", None)


def test_a_failing_model_is_500_without_a_stack_trace(identity: LiveServer) -> None:
    answer = identity.client.post("/inference", content=encode(board(failure=True), "PNG"))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inferences" not in answer.json()
    for leak in ("Traceback", "onnxruntime", "Gather", ".py"):
        assert leak not in answer.text
    assert identity.client.post("/inference", content=encode(board(3), "PNG")).status_code == 200


def test_503_always_has_retry_after(tmp_path: Path) -> None:
    with serving(write_identity_model(tmp_path), lanes=1, queue_size=0) as live, live.busy():
        for path in ("/inference", "/inference/identity"):  # at the socket, and behind it
            answer = live.client.post(path, content=encode(board(1), "PNG"))
            assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (503, True)


def test_a_4k_bmp_fits_the_default_limit(server: LiveServer) -> None:
    body = encode(street().resize((3840, 2160)), "BMP")
    assert len(body) > 24_800_000
    assert server.client.post("/inference", content=body).status_code == 200


def test_no_head_overwrites_another(server: LiveServer, planted: LiveServer) -> None:
    assert {found["label"] for found in flat(server.client.post("/inference", content=street_as("JPEG")).json())} == {
        "person",
        "car",
    }
    assert {found["label"] for found in flat(planted.client.post("/inference", content=blank()).json())} == {
        "block",
        "other",
    }


def test_one_callers_filter_does_not_serve_another(server: LiveServer) -> None:
    body = street_as("JPEG")
    expected = {
        query: server.client.post(f"/inference?{query}", content=body).content
        for query in (
            "",
            "object=car",
            "object=person",
            "confidence=0.8",
            "maxDetections=1",
            "object=person&confidence=0.2",
        )
    }
    assert len(set(expected.values())) == len(expected)
    wrong: list[str] = []

    def ask(query: str) -> None:
        with ContractClient(server.url) as client:
            wrong.extend(
                query for _ in range(10) if client.post(f"/inference?{query}", content=body).content != expected[query]
            )

    callers = [threading.Thread(target=ask, args=(query,)) for query in expected]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong
