"""Every admitted frame gets its own answer: frames carry numbers, and the answers prove which frame they are for."""

import threading
from pathlib import Path

import numpy as np
import pytest

from lab.graphs import board, number_in, write_identity_model, write_planted_model
from lab.pictures import encode
from tests.support.client import ContractClient
from tests.support.models.matching import flat
from tests.support.server import LiveServer, running, serving

CALLERS, FRAMES_EACH = 12, 40
FORMATS = ("PNG", "BMP", "JPEG", "WEBP")
NUMBERS = (0, 1, 2**16 - 1, 2**16, 2**31, 2**32 - 1, 0xDEADBEEF & ~(1 << 31))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_number_goes_in_and_comes_out(identity: LiveServer, number: int, name: str) -> None:
    frame = board(number).resize((416, 416), 0)
    [found] = flat(identity.client.post("/inference", content=encode(frame, name)).json())
    assert number_in(found) == number


def test_concurrent_frames_are_never_mixed_up(identity: LiveServer) -> None:
    mistakes: list[str] = []

    def call(caller: int) -> None:
        with ContractClient(identity.url) as client:
            for frame in range(FRAMES_EACH):
                number = caller << 16 | frame
                request_id = f"frame-{number}"
                answer = client.post(
                    ("/inference", "/score", "/inference/identity")[frame % 3],
                    content=encode(board(number, nothing=frame % 10 == 9), FORMATS[frame % 3]),
                    headers={"x-ms-client-request-id": request_id},
                )
                if answer.headers["x-ms-client-request-id"] != request_id:
                    mistakes.append(f"{request_id} was answered as {answer.headers['x-ms-client-request-id']}")
                got = [number_in(found) for found in flat(answer.json())] if answer.content else []
                if got != ([] if frame % 10 == 9 else [number]):
                    mistakes.append(f"{number} got {got}")

    callers = [threading.Thread(target=call, args=(caller,)) for caller in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not mistakes


def test_labels_of_any_script_come_through(tmp_path: Path) -> None:
    labels = ('Zebra "quer" \\ 斑马 🦓 \u202eabc'.replace("\u202e", ""), "x" * 200)
    with serving(write_identity_model(tmp_path, labels=labels)) as live:
        [found] = flat(live.client.post("/inference", content=encode(board(1), "PNG")).json())
        assert found["label"] == labels[0]
        assert live.client.get("/models/identity").json()["labels"] == list(labels)
        only = live.client.post("/inference", content=encode(board(1), "PNG"), params={"object": labels[0]})
        assert flat(only.json()) == [found]


def test_each_model_answers_under_its_own_path(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    write_planted_model(tmp_path, np.array([[0, 0, 0.5, 0.5]], np.float32), np.array([[0, 0.7]], np.float32))
    body = encode(board(number=9), "PNG")
    with running(model_repository=tmp_path, default_model="planted") as live:
        labels = {
            path: [found["label"] for found in flat(live.client.post(path, content=body).json())]
            for path in ("/inference", "/score", "/inference/identity", "/inference/planted")
        }
        names = [model["name"] for model in live.client.get("/models").json()["models"]]
    assert labels == {
        "/inference": ["other"],
        "/score": ["other"],
        "/inference/identity": ["block"],
        "/inference/planted": ["other"],
    }
    assert names == ["identity", "planted"]
