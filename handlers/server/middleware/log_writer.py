"""Writes the log on a thread of its own, so that a reader that is slow or absent delays only the log."""

import logging
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from select import PIPE_BUF
from typing import ClassVar

MAX_WAITING_CHARACTERS = 1 << 20
"""Of lines that are not yet written: some 2000 requests."""
BATCH_S = 0.02
"""How long lines are collected: the thread wakes up fifty times a second at most, which costs less than each line."""
FLUSH_S = 1.0
"""How long the end of the process waits for the last lines."""
POLL_S = 0.002


class LogWriter:
    """A text stream whose `write` never waits; lines are written in the order in which they came.

    A line for which there is no room is dropped, and so is one that the operating system refuses, for example because
    the disk is full. Both are counted. `describe_loss`: returns the line that gives their number, which is written
    before the next line that finds room. `write` takes whole lines, one call at a time. It may be called by the garbage
    collector's finalizers, also in the middle of another call.
    """

    dropped_lines: ClassVar[int] = 0
    refused_lines: ClassVar[int] = 0

    def __init__(self, file: int, describe_loss: Callable[[int], str]) -> None:
        self._file, self._describe_loss = file, describe_loss
        self._lines: SimpleQueue[str] = SimpleQueue()  # its `put` is reentrant
        self._accepted_characters = self._settled_characters = 0
        self._unsaid_dropped = self._unsaid_refused = 0
        self._is_torn = False
        """Whether the last line in the file lacks its end."""
        threading.Thread(target=self._write_lines, name="log", daemon=True).start()

    @classmethod
    def lost_lines(cls) -> int:
        """Return how many lines of this process were dropped or refused."""
        return cls.dropped_lines + cls.refused_lines

    def write(self, line: str) -> None:
        """Accept a line, or drop it."""
        if self._accepted_characters - self._settled_characters > MAX_WAITING_CHARACTERS:
            LogWriter.dropped_lines += 1
            self._unsaid_dropped += 1
            return
        if self._unsaid_dropped:
            line = self._describe_loss(self._unsaid_dropped) + line
            self._unsaid_dropped = 0
        self._accepted_characters += len(line)
        self._lines.put(line)

    def finish(self) -> None:
        """Return once all accepted lines are written, or after a second."""
        deadline = time.monotonic() + FLUSH_S
        while self._settled_characters < self._accepted_characters and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _write_lines(self) -> None:
        while True:
            text = self._lines.get()
            time.sleep(BATCH_S)
            while not self._lines.empty():
                line = self._lines.get()
                if len(text) + len(line) > PIPE_BUF:  # a pipe does not mix the writes of several processes up to this
                    self._write(text)
                    text = ""
                text += line
            self._write(text)

    def _write(self, text: str) -> None:
        head = "\n" * self._is_torn + (self._describe_loss(self._unsaid_refused) if self._unsaid_refused else "")
        content = (head + text).encode(errors="backslashreplace")
        written = 0
        try:
            while written < len(content):
                written += os.write(self._file, content[written:])
        except OSError:
            refused = min(content.count(b"\n", written), text.count("\n"))
            LogWriter.refused_lines += refused
            self._unsaid_refused = refused + (self._unsaid_refused if written < len(head) else 0)
        else:
            self._unsaid_refused = 0
        if written:
            self._is_torn = content[written - 1 : written] != b"\n"
        self._settled_characters += len(text)


class LogHandler(logging.StreamHandler[LogWriter]):
    """Sends lines to a LogWriter; `logging.shutdown`, which Python calls at exit, waits for the last ones."""

    def say(self, line: str) -> None:
        """Write a line for people, after the lines that were logged so far."""
        self.acquire()
        self.stream.write(line + "\n")
        self.release()

    def close(self) -> None:
        """Wait for the lines that were accepted, for a second at most."""
        self.stream.finish()
        super().close()
