"""Sources are opened, read, refused and left in time, whatever they send; nobody sees their passwords."""

import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import trustme
from PIL import Image

from lab.videos import Coding, write_sound, write_video
from lab.wire import refusing
from player.errors import SourceError, SourceRefusedError, UnsupportedMediaError
from player.flow import Packet
from player.media import sources
from player.media.address import address_of
from player.media.clock import CaptureClock
from player.media.sources import Session, Source, open_session
from player.media.tracks import Content, describe
from tests.support.http_camera import http_camera

QUICK_S = 0.6


def patient(url: str, **settings: Any) -> Source:
    return Source(address_of(url), open_timeout_s=30, read_timeout_s=30, **settings)


def quick(url: str) -> Source:
    return Source(address_of(url), open_timeout_s=QUICK_S, read_timeout_s=QUICK_S)


def read(source: Source, limit: int = 1000) -> list[Packet]:
    found: list[Packet] = []
    with open_session(source, number=3) as session:
        clock = CaptureClock(source.address.is_live)
        clock.begin(session.began_s)
        for packet in session.packets(clock):
            found.append(packet)
            if len(found) >= limit:
                break
    return found


@contextmanager
def listener(answer: bytes = b"") -> Iterator[int]:
    """Accept connections, send an answer, and say no more; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                    kept[-1].sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def test_a_file_is_read_from_its_beginning_to_its_end(video: Path) -> None:
    packets = read(Source(address_of(str(video))))
    assert len(packets) == 20
    assert [packet.is_keyframe for packet in packets] == [number % 5 == 0 for number in range(20)]
    assert {packet.session for packet in packets} == {3}
    steps_s = sorted(packet.at_s - packets[0].at_s for packet in packets)
    assert steps_s == pytest.approx([number / 10 for number in range(20)], abs=1e-3)
    orders_s = [packet.order_s for packet in packets]
    assert orders_s == sorted(set(orders_s))
    assert all(packet.at_s >= packet.order_s for packet in packets)


def test_times_are_those_of_the_packets_in_ticks(video: Path) -> None:
    for packet in read(Source(address_of(str(video)))):
        content = packet.content
        assert isinstance(content, Content)
        assert packet.at_s * 90_000 == content.packet.pts
        assert packet.size_bytes == content.packet.size


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_a_looped_file_goes_on_within_its_session(suffix: str, tmp_path: Path, pictures: list[Image.Image]) -> None:
    coding = Coding(options={"g": "5", "bf": "2"}, ticks_per_s=10, container_options={})
    video = write_video(tmp_path / f"a.{suffix}", pictures, coding)
    packets = read(Source(address_of(str(video)), is_looped=True), 50)
    assert [packet.is_keyframe for packet in packets] == [number % 5 == 0 for number in range(50)]
    assert packets[-1].order_s - packets[0].order_s == pytest.approx(4.9, abs=0.01)


def test_a_looped_file_of_one_picture_keeps_its_pace(tmp_path: Path, pictures: list[Image.Image]) -> None:
    video = write_video(tmp_path / "a.mp4", pictures[:1], Coding(ticks_per_s=10))
    packets = read(Source(address_of(str(video)), is_looped=True), 11)
    assert packets[-1].order_s - packets[0].order_s == pytest.approx(1, abs=0.01)


def test_an_http_camera_is_read(jpegs: list[bytes]) -> None:
    before_s = time.time()
    with http_camera(jpegs, interval_s=0.3) as url:
        packets = read(patient(f"{url}/stream"), 8)
    assert packets[-1].at_s - packets[0].at_s > 0.5, "3 pictures a second, though FFmpeg believes 25"
    assert all(packet.is_keyframe and packet.media_type == "video" for packet in packets)
    assert before_s <= packets[0].at_s <= packets[-1].at_s <= time.time() + 0.5


def test_sound_comes_with_the_video(tmp_path: Path, pictures: list[Image.Image]) -> None:
    path = tmp_path / "sound.mkv"
    join(write_video(tmp_path / "a.mp4", pictures), write_sound(tmp_path / "b.mp4"), path)
    packets = read(Source(address_of(str(path))))
    assert {packet.media_type for packet in packets} == {"video", "audio"}
    sound = next(packet.content for packet in packets if packet.media_type == "audio")
    assert [track.codec for track in sound.tracks] == ["h264", "aac"]
    assert "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/8000" in describe(sound.tracks)


def join(video: Path, sound: Path, path: Path) -> None:
    """Write the streams of two files into one."""
    with av.open(str(path), "w") as joined, av.open(str(video)) as first, av.open(str(sound)) as second:
        copies = [joined.add_stream_from_template(each.streams[0], opaque=True) for each in (first, second)]
        for container, copy in zip((first, second), copies, strict=True):
            for packet in container.demux():
                if packet.size:
                    packet.stream = copy
                    joined.mux(packet)


def test_a_session_is_described(video: Path) -> None:
    with open_session(Source(address_of(str(video)))) as session:
        assert session.sdp.splitlines()[5:] == [
            "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            "a=framesize:96 160-96",
            "a=framerate:10",
        ]
        assert session.video.size_wh == (160, 96)
        assert "a=rtpmap:98 X-vp9/90000" in describe([replace(session.video, codec="vp9")])


@pytest.mark.parametrize(
    ("path", "limit", "words"),
    [
        ("silent", {"open_timeout_s": QUICK_S}, "did not answer within 0.6 s"),
        ("stops", {"read_timeout_s": QUICK_S}, "has sent nothing for 0.6 s"),
        ("trickle", {"read_timeout_s": QUICK_S}, "has sent nothing for 0.6 s"),
    ],
)
def test_a_camera_that_says_nothing_is_left(camera: str, path: str, limit: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read(replace(patient(f"{camera}/{path}"), **limit))


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("few", SourceError, "few cannot be read"),
        ("missing", SourceRefusedError, "404"),
        ("away", SourceError, "away"),
        ("playlist", SourceError, "playlist"),
    ],
)
def test_a_camera_that_does_not_send_pictures_is_left(
    camera: str, path: str, kind: type[SourceError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        read(patient(f"{camera}/{path}"))


def test_sound_alone_does_not_keep_a_camera(video: Path, camera: str) -> None:
    """The video may stop while the sound goes on; no camera here sends sound."""

    def demux() -> Iterator[Any]:
        while True:
            time.sleep(0.01)
            yield SimpleNamespace(stream_index=1, size=10)

    with open_session(Source(address_of(str(video)))) as session:
        audio = replace(session.video, media_type="audio", codec="aac")
        container: Any = SimpleNamespace(demux=demux)
        silent = Session(0, quick(f"{camera}/stream"), 0.0, session.tracks, container, {0: session.video, 1: audio})
        with pytest.raises(TimeoutError):
            list(silent._demuxed())  # noqa: SLF001


@pytest.mark.parametrize("answer", [b"", b"RTSP/1.0 200 OK\r\n", b"\0" * 100_000])
def test_an_rtsp_camera_that_says_nothing_useful_is_left(answer: bytes) -> None:
    with listener(answer) as port, pytest.raises(SourceError):
        read(quick(f"rtsp://127.0.0.1:{port}/stream"))


@pytest.mark.parametrize("answer", [b"", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"])
def test_an_rtsp_camera_that_falls_silent_is_late_and_no_other_format(answer: bytes) -> None:
    with listener(answer) as port, pytest.raises(SourceError, match=r"did not answer within 0\.6 s") as caught:
        read(quick(f"rtsp://127.0.0.1:{port}/stream"))
    assert type(caught.value) is SourceError


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_closed_port_is_named(scheme: str) -> None:
    with refusing() as port, pytest.raises(SourceError, match=f"{scheme}://127.0.0.1:{port}/s refuses connections"):
        read(patient(f"{scheme}://127.0.0.1:{port}/s"))


def test_a_wrong_password_is_refused_and_shown_nowhere(
    jpegs: list[bytes], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "s3cr3t/@"
    with http_camera(jpegs, credentials="me:right") as url, pytest.raises(SourceRefusedError) as refusal:
        read(replace(patient(url), address=address_of(f"{url}/stream", "me", wrong)))
    assert refusal.value.code == 401
    assert refusal.value.__context__ is None
    shown = "".join(traceback.format_exception(refusal.value)) + caplog.text + "".join(capfd.readouterr())
    assert "s3cr3t" not in shown
    assert url in shown


@pytest.mark.parametrize(("user", "password"), [("me", "right"), ("me@home", "p@:/ %w?#")])
def test_a_password_may_have_any_characters(jpegs: list[bytes], user: str, password: str) -> None:
    with http_camera(jpegs, credentials=f"{user}:{password}") as url:
        source = replace(patient(url), address=address_of(f"{url}/stream", user, password))
        assert len(read(source, 2)) == 2


def test_an_encrypted_camera_is_checked_if_it_is_known_who_vouches_for_it(jpegs: list[bytes], tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with http_camera(jpegs, tls=context) as url:
        for settings in ({}, {"ca_file": tmp_path / "authority.pem"}):
            assert len(read(patient(f"{url}/stream", **settings), 2)) == 2
        with pytest.raises(SourceError):
            read(patient(f"{url}/stream", ca_file=tmp_path / "other.pem"))


def test_a_picture_with_too_many_bytes_ends_the_session(camera: str) -> None:
    with pytest.raises(SourceError, match="more than 1000000 bytes"):
        read(patient(f"{camera}/large", max_packet_bytes=1_000_000))


@pytest.mark.parametrize("pixels", [100, 160 * 96 - 1])
def test_pictures_with_too_many_pixels_are_refused(video: Path, pixels: int) -> None:
    with pytest.raises(UnsupportedMediaError, match="160 x 96 pixels"):
        read(Source(address_of(str(video)), max_pixels=pixels))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read(Source(address_of(str(tmp_path))))
    with pytest.raises(SourceError, match="does not exist"):
        read(Source(address_of(str(tmp_path / "none.mp4"))))
    with pytest.raises(SourceError, match="name too long"):
        read(Source(address_of("a" * 1000)))


HOSTILE = {
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
    "concat": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    "text": b"no video\n" * 100,
    "nothing": b"",
    "ftyp": b"\0\0\0\x20ftypisom" + bytes(100),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_video_opens_nothing_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(SourceError):
        read(Source(address_of(str(path))))


def test_a_camera_without_a_keyframe_is_left(tmp_path: Path, pictures: list[Image.Image]) -> None:
    path = write_video(tmp_path / "a.h264", pictures, Coding(options={"g": "100"}, container_options={}))
    file = path.read_bytes()
    path.write_bytes(file[file.index(b"\0\0\1\x41") :])
    camera = patient("rtsp://camera/stream")
    with (
        av.open(str(path), format="h264") as container,
        pytest.raises(SourceError, match="no keyframe in time"),
    ):
        sources._tracks(container, camera)  # noqa: SLF001  # no camera here is so slow


def test_sound_alone_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaError, match="no video"):
        read(Source(address_of(str(write_sound(tmp_path / "sound.mp4")))))


def test_a_damaged_file_is_read_as_far_as_possible(tmp_path: Path, pictures: list[Image.Image]) -> None:
    coding = Coding("mpeg4", ticks_per_s=10, container_options={})
    path = write_video(tmp_path / "a.avi", pictures, coding)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert 1 < len(read(Source(address_of(str(path))))) < 20
