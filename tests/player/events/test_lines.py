"""Lines of JSON: whole ones only."""

import json
import os
from pathlib import Path

import pytest

from player.events.lines import LineFile, StandardOutput
from player.events.output import EndedError, LaterError
from tests.support.player_events import lines_of, seen


def test_standard_output_gets_a_line_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    event = seen()
    output = StandardOutput()
    assert output.deliver([event, seen()]) == 1
    output.close()
    out = capfd.readouterr().out
    assert json.loads(out) == event.as_record()
    assert out.endswith("}\n")


def test_standard_output_ends_with_its_reader() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(EndedError, match="Nobody reads") as caught:
        StandardOutput(writing).deliver([seen()])
    assert caught.value.is_final
    os.close(writing)


def test_a_line_that_did_not_fit_is_continued() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.write(writing, b"." * (1 << 16))  # the pipe is full
    output, event = StandardOutput(writing), seen()
    os.read(reading, 4096)
    with pytest.raises(LaterError):
        output.deliver([seen("x" * 6000)])
    os.read(reading, 1 << 16)
    assert output.deliver([event]) == 1
    assert json.loads(os.read(reading, 1 << 16)) == event.as_record()
    os.close(reading)
    os.close(writing)


def test_a_file_gets_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    events = [seen(), seen("gate")]
    output = LineFile(path)
    for event in events:
        assert output.deliver([event]) == 1
    output.close()
    output.close()
    assert [json.loads(line) for line in lines_of(path)] == [{}, *(event.as_record() for event in events)]


def test_half_a_line_of_a_former_process_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"id": "12', encoding="utf-8")
    output, event = LineFile(path), seen()
    output.deliver([event])
    output.close()
    assert lines_of(path)[0] == '{"id": "12'
    assert json.loads(lines_of(path)[1]) == event.as_record()


@pytest.mark.parametrize("is_removed", [False, True], ids=["moved", "removed"])
def test_a_rotated_file_begins_anew(tmp_path: Path, *, is_removed: bool) -> None:
    path, events = tmp_path / "events.jsonl", [seen(), seen(), seen()]
    output = LineFile(path)
    output.deliver(events[:1])
    output.deliver(events[1:])
    path.rename(tmp_path / "events.jsonl.1")
    if is_removed:
        (tmp_path / "events.jsonl.1").unlink()
    output.deliver(events[2:])
    output.close()
    assert [json.loads(line)["id"] for line in lines_of(path)] == [events[2].id]


def test_a_folder_that_is_away_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "away" / "events.jsonl"
    output = LineFile(path)
    with pytest.raises(LaterError, match=r"events.jsonl cannot be written: No such file or directory\.") as caught:
        output.deliver([seen()])
    assert not caught.value.is_final
    path.parent.mkdir()
    assert output.deliver([seen()]) == 1
    output.close()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, events = tmp_path / "events.jsonl", [seen(), seen()]
    output, write = LineFile(path), os.write
    output.deliver(events[:1])
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:100]) if len(line) > 200 else _full())
    with pytest.raises(LaterError, match="No space left"):
        output.deliver(events[1:])
    assert len(lines_of(path)) == 1
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:100]))
    output.deliver(events[1:])
    output.close()
    assert [json.loads(line)["id"] for line in lines_of(path)] == [event.id for event in events]


def _full() -> int:
    raise OSError(28, "No space left on device")
