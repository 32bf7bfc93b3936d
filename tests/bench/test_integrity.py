"""The integrity bench, for a short time: answers while worker processes are killed."""

import pytest

from bench.faults import integrity


def test_every_frame_gets_its_own_answer_while_workers_are_killed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scripts/bench integrity --kill-every 2` does the same with 200 000 frames."""
    monkeypatch.setattr(integrity, "WITHIN_S", 20)  # the machine may stand still
    arguments = ["--frames", "1500", "--load", "0.5", "--load", "2", "--abandon", "0.02", "--kill-every", "3"]
    status = integrity.main(arguments)
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "workers killed: 0" not in printed
