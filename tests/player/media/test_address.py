import pytest

from player.errors import SourceError
from player.media.address import address_of

SECRET = "p@:/ %w?#"


@pytest.mark.parametrize(
    ("source", "kind", "for_people"),
    [
        ("rtsp://cam/stream", "rtsp", "rtsp://cam/stream"),
        ("RTSPS://cam:322/stream?channel=1", "rtsp", "rtsps://cam:322/stream?channel=1"),
        ("rtsp://me:secret@cam:554/a@b", "rtsp", "rtsp://cam:554/a@b"),
        ("rtsp://[::1]:554/a", "rtsp", "rtsp://[::1]:554/a"),
        ("rtsp://cam/user=me&password=secret&channel=1", "rtsp", "rtsp://cam/user=***&password=***&channel=1"),
        ("http://cam/mjpg?pwd=secret&fps=5", "http", "http://cam/mjpg?pwd=***&fps=5"),
        ("https://secret@cam/mjpg", "http", "https://cam/mjpg"),
        ("/dev/video0", "device", "/dev/video0"),
        ("clips/a.mp4", "file", "clips/a.mp4"),
        ("file:///clips/a%20b.mp4", "file", "/clips/a b.mp4"),
        ("rtsp:/me:secret@cam/a", "file", "rtsp:***@cam/a"),
        ("me:secret@cam/a", "file", "me:***@cam/a"),
        ("concat:a.mp4|b.mp4", "file", "concat:a.mp4|b.mp4"),
    ],
)
def test_an_address_is_shown_without_credentials(source: str, kind: str, for_people: str) -> None:
    address = address_of(source)
    assert (address.kind, address.for_people, str(address)) == (kind, for_people, for_people)
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("source", "for_ffmpeg"),
    [
        ("rtsp://cam/s?a=1", "rtsp://me:p%40%3A%2F%20%25w%3F%23@cam/s?a=1"),
        ("rtsp://you:other@cam:8554/s", "rtsp://me:p%40%3A%2F%20%25w%3F%23@cam:8554/s"),
    ],
)
def test_credentials_given_apart_are_encoded(source: str, for_ffmpeg: str) -> None:
    assert address_of(source, "me", SECRET).for_ffmpeg == for_ffmpeg


def test_credentials_of_an_address_are_kept() -> None:
    assert address_of("rtsp://me:p%40ss@cam/s").for_ffmpeg == "rtsp://me:p%40ss@cam/s"
    assert address_of("rtsp://me:p@ss@cam/s").for_ffmpeg == "rtsp://me:p%40ss@cam/s"


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://me:secret/more@cam/s",
        "rtsp://me:secret@cam:port/s",
        "rtsp://cam:99999/s",
        "rtsp://",
        "rtsp://me:secret @cam/s",
        "rtsp://me:secret@[::1/s",
        "udp://secret:1/s",
        "",
        "a\0secret",
    ],
)
def test_unusable_addresses_are_refused_and_not_shown(source: str) -> None:
    with pytest.raises(SourceError) as refusal:
        address_of(source)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_only_files_are_not_live() -> None:
    assert [address_of(source).is_live for source in ("rtsp://c/", "http://c/", "/dev/video3", "a.mp4")] == [
        True,
        True,
        True,
        False,
    ]
