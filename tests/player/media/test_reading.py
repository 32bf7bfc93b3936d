"""A reader goes on for ever, and stops at once."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from player.errors import SourceError
from player.flow import Packet
from player.media.address import address_of
from player.media.reading import BackOff, Reader
from player.media.sources import Session, Source
from tests.support.http_camera import http_camera
from tests.support.waiting import wait_for


@dataclass
class Diary:
    """A listener that notes what it learns."""

    sessions: list[int] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def on_session(self, session: Session) -> None:
        self.sessions.append(session.number)

    def on_lost(self, error: SourceError) -> None:
        self.losses.append(str(error))


def source(url: str) -> Source:
    return Source(address_of(url), open_timeout_s=30, read_timeout_s=30)


def take(packets: Iterator[Packet], count: int) -> list[Packet]:
    return [next(packets) for _ in range(count)]


def test_a_camera_that_ends_its_stream_is_read_again(camera: str) -> None:
    diary = Diary()
    reader = Reader(source(f"{camera}/few"), diary, BackOff(0.01, 0.05))
    packets = take(iter(reader), 20)
    assert diary.sessions == list(range(len(diary.sessions)))
    assert len(diary.sessions) >= 4
    assert len(diary.losses) >= len(diary.sessions) - 1
    assert [packet.session for packet in packets] == sorted(packet.session for packet in packets)
    assert all(before.at_s < after.at_s for before, after in pairwise(packets))
    assert reader.join(30)


def test_a_camera_that_is_not_there_is_waited_for(jpegs: list[bytes]) -> None:
    diary = Diary()
    with http_camera(jpegs) as url:
        pass
    reader = Reader(source(f"{url}/stream"), diary, BackOff(0.01, 0.05))
    thread = threading.Thread(target=lambda: list(reader))
    thread.start()
    wait_for(lambda: len(diary.losses) > 5)
    assert diary.sessions == []
    reader.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert reader.join(30)


@pytest.mark.parametrize("path", ["stream", "stops", "silent", "missing"])
def test_a_reader_stops_at_once(camera: str, path: str) -> None:
    impatient = replace(source(f"{camera}/{path}"), open_timeout_s=4, read_timeout_s=4)
    reader = Reader(impatient, Diary(), BackOff(100))
    thread = threading.Thread(target=lambda: list(reader))
    thread.start()
    time.sleep(0.3)
    reader.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert reader.join(30)


def test_a_stopped_reader_gives_nothing(video: Path) -> None:
    reader = Reader(source(str(video)), Diary())
    reader.stop()
    assert reader.join(0)
    assert list(reader) == []


def test_a_file_ends(video: Path) -> None:
    diary = Diary()
    reader = Reader(replace(source(str(video)), is_paced=False), diary)
    assert len(list(reader)) == 20
    assert (diary.sessions, diary.losses) == ([0], [])


def test_a_file_that_cannot_be_read_ends_with_an_error(tmp_path: Path) -> None:
    diary = Diary()
    with pytest.raises(SourceError, match="does not exist"):
        list(Reader(source(str(tmp_path / "none.mp4")), diary))
    assert diary.losses == []


def test_a_looped_file_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    diary = Diary()
    reader = Reader(replace(source(str(tmp_path / "none.mp4")), is_looped=True), diary, BackOff(0.01, 0.01))
    thread = threading.Thread(target=lambda: list(reader))
    thread.start()
    wait_for(lambda: len(diary.losses) > 2)
    reader.stop()
    thread.join(30)


def test_a_file_is_read_at_the_pace_of_its_pictures(video: Path) -> None:
    began_s = time.monotonic()
    packets = take(iter(Reader(source(str(video)), Diary())), 10)
    passed_s = time.monotonic() - began_s
    assert passed_s > 0.8
    assert packets[-1].order_s <= time.time()


def test_a_reader_waits_for_a_pipeline_that_is_busy(video: Path) -> None:
    reader = Reader(replace(source(str(video)), is_paced=False, is_looped=True), Diary())
    packets = iter(reader)
    take(packets, 1)
    time.sleep(0.3)
    assert len(reader._hand_over._items) <= 256  # noqa: SLF001  # what is kept for a busy pipeline has a bound
    assert len(take(packets, 600)) == 600


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_its_own_ends_the_iteration(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("player.media.reading.open_session", None)
    reader = Reader(source(f"{camera}/stream"), Diary())
    with pytest.raises(SourceError, match="has failed"):
        list(reader)
    assert reader.join(30)  # its fault is shown in this test, not in the next one


def test_an_iteration_that_is_left_stops_the_reader(camera: str) -> None:
    reader = Reader(source(f"{camera}/stream"), Diary())
    for _ in reader:
        break
    assert reader.join(30)


def test_the_time_before_the_next_session_grows_and_is_spread() -> None:
    back_off = BackOff(first_s=0.5, longest_s=30, good_s=60)
    assert [back_off.wait_s(0, 1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert back_off.wait_s(59, 0) == 15
    assert back_off.wait_s(60, 1) == 0.5
    assert back_off.wait_s(0, 0.5) == 0.75
