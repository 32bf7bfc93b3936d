"""`framehook doctor`, as a user types it."""

import io
import json

import pytest

from conformance.doctor.examining import QUESTIONS
from handlers.server.commands.cli import main
from tests.support.seeded.server import seeded


def test_a_right_server_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    with seeded() as url:
        assert main(["doctor", url, "--rate", "0.5"]) == 0  # a busy machine may miss frames of a higher one
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith("?") and not line.startswith(" ")] == list(QUESTIONS)
    assert f"  ✓ Yes, at {url}." in lines


def test_a_sick_server_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with seeded(user="me", password="secret") as url:
        assert main(["doctor", url, "--format", "json"]) == 1
    read = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-5:]
    assert [each["question"] for each in read] == list(QUESTIONS)
    assert [each["judgement"] for each in read][-1] == "bad"
    assert all(set(each) == {"question", "judgement", "answer", "advice"} for each in read)


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "http://127.0.0.1:1"]) == 1
    assert "Connection refused" in capsys.readouterr().out


def test_a_public_server_must_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "http://8.8.8.8"]) == 2
    assert "--allow 8.8.8.8" in capsys.readouterr().err


def test_letters_that_the_output_cannot_have_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert main(["doctor", "http://127.0.0.1:1"]) == 1
    assert b"  ? http://127.0.0.1:1/inference gives no answer" in written.getvalue()
