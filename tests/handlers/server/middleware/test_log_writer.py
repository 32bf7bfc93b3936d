"""The log: its lines keep their order, nobody waits for them, and those that are lost are counted."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF

import pytest

from handlers.server.middleware import log_writer
from handlers.server.middleware.log_writer import FLUSH_S, MAX_WAITING_CHARACTERS, LogWriter
from tests.support.waiting import PATIENCE_S, wait_for


@pytest.fixture(autouse=True)
def nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogWriter, "dropped_lines", 0)
    monkeypatch.setattr(LogWriter, "refused_lines", 0)
    monkeypatch.setattr(log_writer, "FLUSH_S", PATIENCE_S)  # the machine may be busy


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, to read from and to write to; the test closes the second."""
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def writer_to(file: int) -> LogWriter:
    return LogWriter(file, lambda lines: f"lost {lines}\n")


def fill(pipe: int) -> list[str]:
    """Fill a pipe, so that nothing fits in until it is read; return the lines that are in it."""
    lines, line = [], "f" * (PIPE_BUF - 1)
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while os.write(pipe, f"{line}\n".encode()):
            lines.append(line)
    os.set_blocking(pipe, True)
    return lines


def read_all(file: int) -> list[str]:
    content = b"".join(iter(lambda: os.read(file, 1 << 16), b""))
    return content.decode().splitlines()


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    """Also one that is longer than what a pipe takes at once."""
    lines = [f"{number} {'x' * (number % 50)}" for number in range(5000)] + ["y" * 20_000, "the last one"]
    with (tmp_path / "log").open("wb") as file:
        writer = writer_to(file.fileno())
        for line in lines:
            writer.write(line + "\n")
        writer.finish()
    assert (tmp_path / "log").read_text().splitlines() == lines
    assert LogWriter.lost_lines() == 0


def test_a_line_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = writer_to(file.fileno())
        writer.write("caf\udce9\n")
        writer.finish()
    assert (tmp_path / "log").read_text() == "caf\\udce9\n"


def test_a_pipe_that_nobody_reads_holds_up_nobody(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are dropped, counted and reported where they are missing, once the pipe is read again."""
    before = fill(pipe[1])
    writer = writer_to(pipe[1])
    line = "x" * 999 + "\n"
    for _ in range(3000):
        writer.write(line)
    dropped = LogWriter.lost_lines()
    assert 3000 - dropped <= MAX_WAITING_CHARACTERS / len(line) + 10
    with monkeypatch.context() as hasty:
        hasty.setattr(log_writer, "FLUSH_S", FLUSH_S)
        started_at = time.perf_counter()
        writer.finish()
        assert time.perf_counter() - started_at < PATIENCE_S / 2
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(read_all(pipe[0])))
    reader.start()
    writer.finish()
    writer.write("afterwards\n")
    writer.finish()
    os.close(pipe[1])
    reader.join()
    assert got == before + [line.strip()] * (3000 - dropped) + [f"lost {dropped}", "afterwards"]


def test_refused_lines_are_counted_and_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line that was cut off by the failure is ended before the next one."""
    room, write = 10, os.write

    def write_until_full(file: int, content: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(file, content[:room])
        room -= written
        return written

    monkeypatch.setattr("handlers.server.middleware.log_writer.os.write", write_until_full)
    with (tmp_path / "log").open("wb") as file:
        writer = writer_to(file.fileno())
        for text in ("first\nsecond\n", "third\n"):
            for line in text.splitlines(keepends=True):
                writer.write(line)
            writer.finish()
        assert LogWriter.lost_lines() == 2
        room = 1000
        writer.write("fourth\n")
        wait_for(lambda: room < 1000)
        writer.finish()
    assert (tmp_path / "log").read_text().splitlines() == ["first", "seco", "lost 2", "fourth"]
    assert LogWriter.lost_lines() == 2
