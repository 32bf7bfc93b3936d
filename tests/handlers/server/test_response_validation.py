"""Answers that are checked before they are sent: right ones pass, wrong ones become a 500."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.encoding import metadata
from handlers.errors import ConfigurationError
from handlers.server.app import create_app
from handlers.server.settings import Settings
from tests.support.graphs import board, write_identity_model
from tests.support.pictures import encode
from tests.support.server import LiveServer, serving

FRAME, EMPTY_FRAME = encode(board(7), "PNG"), encode(board(nothing=True), "PNG")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(write_identity_model(tmp_path_factory.mktemp("repository")), validate_responses=True) as live:
        yield live


def test_right_answers_pass(checked: LiveServer) -> None:
    assert checked.client.post("/inference", content=FRAME).status_code == 200
    assert checked.client.post("/inference", content=EMPTY_FRAME).status_code == 204
    assert checked.client.post("/inference", content=b"rubbish").status_code == 400
    for path in ("/models", "/models/identity", "/health/live", "/metrics", "/openapi.yaml", "/openapi.json"):
        assert checked.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b'{"inferences": []}',
        b'{"inferences": [{"type": "entity"}]}',
        b'{"inferences": [{"type": "text"}]}',
        b"[",
    ],
)
def test_a_wrong_answer_is_not_sent(checked: LiveServer, monkeypatch: pytest.MonkeyPatch, document: bytes) -> None:
    monkeypatch.setattr(metadata, "encode", lambda _: document)
    answer = checked.client.post("/inference", content=FRAME)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:framehook:internal-error"


def test_the_extra_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_identity_model(tmp_path)
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    settings = Settings(model_repository=tmp_path, default_model="identity", validate_responses=True)
    with pytest.raises(ConfigurationError, match=r"framehook\[validation\]"):
        create_app(settings, lambda: None)
