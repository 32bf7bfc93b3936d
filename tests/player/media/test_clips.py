"""Clips hold the camera's own packets, each once, from a keyframe on, and are whole when they have their name."""

import errno
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, cast

import av
import numpy as np
import pytest
from PIL import Image

from lab.videos import Coding, read_video, write_video
from player.errors import ClipError
from player.flow import Packet
from player.media import clips
from player.media.address import address_of
from player.media.clips import ClipWriter
from player.media.clock import CaptureClock
from player.media.folder import Folder
from player.media.sources import Source, open_session
from tests.support.waiting import wait_for


def packets_of(path: Path, session: int = 0, began_s: float = 1_800_000_000.0) -> list[Packet]:
    with open_session(Source(address_of(str(path))), session) as opened:
        clock = CaptureClock(is_live=False)
        clock.begin(began_s)
        return list(opened.packets(clock))


def written(path: Path, packets: list[Packet]) -> ClipWriter:
    writer = ClipWriter(path)
    for packet in packets:
        writer.write(packet)
    writer.close()
    return writer


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def numbers(path: Path) -> list[int]:
    """Return the numbers of a clip's pictures, by their brightness at the left."""
    return [round((float(np.asarray(picture)[:, :40].mean()) - 20) / 10) for _, picture in read_video(path)]


def test_a_clip_holds_the_packets_of_the_camera(video: Path, tmp_path: Path) -> None:
    packets = packets_of(video)
    [clip] = written(tmp_path / "clip.mp4", packets).clips
    assert clip.path == tmp_path / "clip.mp4"
    assert clip.size_bytes == clip.path.stat().st_size
    assert clip.end_s - clip.begin_s == pytest.approx(1.9, abs=1e-3)
    assert clip.begin_s == packets[0].at_s
    assert numbers(clip.path) == list(range(20))
    times_s = [time_s for time_s, _ in read_video(clip.path)]
    assert times_s == pytest.approx([number / 10 for number in range(20)], abs=2e-3)
    assert names(tmp_path) == ["clip.mp4"]


def test_a_clip_is_a_usual_file(video: Path, tmp_path: Path) -> None:
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)).clips
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 20
        assert float((stream.duration or 0) * (stream.time_base or 0)) == pytest.approx(2, abs=0.01)
        found = [packet for packet in container.demux(stream) if packet.size]
    assert found[0].is_keyframe
    assert all((before.dts or 0) < (after.dts or 0) for before, after in pairwise(found))
    assert boxes(clip.path) == ["ftyp", "free", "mdat", "moov"]


def boxes(path: Path) -> list[str]:
    """Return the kinds of the boxes of an MP4 file."""
    file, found, at = path.read_bytes(), [], 0
    while at < len(file):
        found.append(file[at + 4 : at + 8].decode())
        at += int.from_bytes(file[at : at + 4], "big")
    return found


def test_a_clip_begins_with_a_keyframe(video: Path, tmp_path: Path) -> None:
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)[3:12]).clips
    assert numbers(clip.path)[0] == 5


def test_a_packet_is_written_once(video: Path, tmp_path: Path) -> None:
    packets = packets_of(video)
    [clip] = written(tmp_path / "clip.mp4", packets[:12] + packets[5:]).clips
    assert numbers(clip.path) == list(range(20))


def test_two_clips_may_be_written_of_the_same_packets(video: Path, tmp_path: Path) -> None:
    packets = packets_of(video)
    before = [
        (bytes(packet.content.packet), packet.content.packet.pts, packet.content.packet.dts) for packet in packets
    ]
    writers = [ClipWriter(tmp_path / "a.mp4"), ClipWriter(tmp_path / "b.mp4")]
    for packet in packets:
        for writer in writers:
            writer.write(packet)
    for writer in writers:
        assert numbers(writer.close()[0].path) == list(range(20))
    after = [(bytes(packet.content.packet), packet.content.packet.pts, packet.content.packet.dts) for packet in packets]
    assert before == after


def test_another_session_begins_another_file(video: Path, tmp_path: Path, pictures: list[Image.Image]) -> None:
    first = packets_of(video)
    other = write_video(tmp_path / "other.mkv", pictures, Coding("libx265", options={"x265-params": "log-level=none"}))
    second = packets_of(other, 1, first[-1].at_s + 5)
    writer = written(tmp_path / "clip.mp4", first + second)
    assert [clip.path.name for clip in writer.clips] == ["clip.mp4", "clip-2.mp4"]
    assert [numbers(clip.path) for clip in writer.clips] == [list(range(20))] * 2
    with av.open(str(writer.clips[1].path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_no_file_is_written_over(video: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("mine")
    (tmp_path / "clip-2.mp4.part").write_text("mine")
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)).clips
    assert clip.path.name == "clip-3.mp4"
    assert (tmp_path / "clip.mp4").read_text() == "mine"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mp4.part"])
def test_links_are_not_followed(name: str, video: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / name).symlink_to(target)
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)).clips
    assert clip.path.name == "clip-2.mp4"
    assert not target.exists()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mp4.part"])
def test_a_name_that_another_takes_at_the_same_moment_is_left_to_it(
    name: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(path: Path) -> Path:
        monkeypatch.undo()
        (tmp_path / name).touch()
        return path

    monkeypatch.setattr(clips, "free", late)
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)).clips
    assert sorted(names(tmp_path)) == sorted(["clip-2.mp4", name])
    assert clip.path == tmp_path / "clip-2.mp4"


def test_a_disk_that_lets_nothing_be_removed_is_an_error_too(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    writer = ClipWriter(tmp_path / "clip.mp4")
    first, second, *_ = packets_of(video)
    writer.write(first)
    monkeypatch.setattr(Path, "unlink", read_only)
    monkeypatch.setattr("os.fsync", read_only)
    writer.write(second)
    with pytest.raises(ClipError, match="Read-only file system"):
        writer.close()


def test_pictures_of_jpeg_are_kept(tmp_path: Path, pictures: list[Image.Image]) -> None:
    coding = Coding("mjpeg", "yuvj420p", container_options={})
    video = write_video(tmp_path / "a.avi", pictures, coding)
    [clip] = written(tmp_path / "clip.mp4", packets_of(video)).clips
    assert numbers(clip.path) == list(range(20))


@pytest.mark.parametrize(("codec", "kept"), [("aac", ["video", "audio"]), ("pcm_alaw", ["video"])])
def test_sound_is_kept_if_mp4_files_can_hold_it(
    codec: str, kept: list[str], tmp_path: Path, pictures: list[Image.Image]
) -> None:
    [clip] = written(tmp_path / "clip.mp4", packets_of(with_sound(tmp_path / "a.mov", pictures, codec))).clips
    with av.open(str(clip.path)) as container:
        assert [stream.type for stream in container.streams] == kept
        times_s = [float(packet.pts * packet.time_base) for packet in container.demux() if packet.pts is not None]
    assert min(times_s) == pytest.approx(0, abs=0.07)
    assert numbers(clip.path) == list(range(20))


def with_sound(path: Path, pictures: list[Image.Image], codec: str) -> Path:
    """Write a video with a second of silence."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"g": "5", "bf": "0"})
        sound = cast("av.AudioStream", container.add_stream(codec, rate=8000))
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32 if codec == "aac" else np.int16),
            "fltp" if codec == "aac" else "s16",
            "mono",
        )
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")))
        container.mux(video.encode())
    return path


def test_video_that_mp4_files_cannot_hold_is_refused(tmp_path: Path, pictures: list[Image.Image]) -> None:
    video = write_video(tmp_path / "a.avi", pictures, Coding("huffyuv", "yuv422p", container_options={}))
    writer = ClipWriter(tmp_path / "clip.mp4")
    packets = packets_of(video)
    with pytest.raises(ClipError, match="cannot hold video as huffyuv"):
        writer.write(packets[0])
    writer.write(packets[1])
    assert writer.close() == ()
    assert not list(tmp_path.glob("clip*"))


def test_a_folder_that_is_not_there_is_an_error(video: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="No such file"):
        written(tmp_path / "none" / "clip.mp4", packets_of(video))


def test_a_name_that_is_taken_meanwhile_is_an_error(video: Path, tmp_path: Path) -> None:
    writer = ClipWriter(tmp_path / "clip.mp4")
    for packet in packets_of(video):
        writer.write(packet)
    (tmp_path / "clip.mp4").write_text("mine")
    with pytest.raises(ClipError, match="File exists"):
        writer.close()
    assert (tmp_path / "clip.mp4").read_text() == "mine"
    assert names(tmp_path) == ["clip.mp4"]


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """Let writing fail behind a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size_bytes", [0, 20, 6000])
def test_a_full_disk_is_an_error_and_leaves_nothing(size_bytes: int, video: Path, tmp_path: Path) -> None:
    packets = packets_of(video)
    open_files = len(names(Path("/proc/self/fd")))
    for number in range(3):
        with file_limit(size_bytes), pytest.raises(ClipError, match="cannot be written"):
            written(tmp_path / f"clip-{number}.mp4", packets)
    assert list(tmp_path.iterdir()) == []
    assert len(names(Path("/proc/self/fd"))) < open_files + 3  # threads of other tests may open one, too


def test_an_abandoned_clip_leaves_nothing(video: Path, tmp_path: Path) -> None:
    writer = ClipWriter(tmp_path / "clip.mp4")
    writer.abandon()
    for packet in packets_of(video):
        writer.write(packet)
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_other_things_are_no_packets(video: Path, tmp_path: Path) -> None:
    assert written(tmp_path / "clip.mp4", [replace(packets_of(video)[0], content=None)]).clips == ()


def test_a_clip_that_a_crash_has_cut_off_is_recovered(tmp_path: Path, pictures: list[Image.Image]) -> None:
    video = write_video(tmp_path / "long.mp4", pictures * 3, Coding(options={"g": "5"}))
    clips = tmp_path / "clips"
    clips.mkdir()
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from player.media.address import address_of\n"
        "from player.media.clips import ClipWriter\n"
        "from player.media.clock import CaptureClock\n"
        "from player.media.sources import Source, open_session\n"
        "writer = ClipWriter(Path(sys.argv[2]))\n"
        "clock = CaptureClock(is_live=False)\n"
        "clock.begin(1.8e9)\n"
        "with open_session(Source(address_of(sys.argv[1]))) as session:\n"
        "    for packet in session.packets(clock):\n"
        "        writer.write(packet)\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n"
    )
    words = [sys.executable, "-c", program, str(video), str(clips / "clip.mp4")]
    folder = Folder(clips, "clip.*")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert folder.prepare() == ()
        assert names(clips) == ["clip.mp4.part"]
        process.kill()
    wait_for(lambda: process.poll() is not None)
    assert folder.prepare() == (clips / "clip.mp4",)
    assert names(clips) == ["clip.mp4"]
    found = numbers(clips / "clip.mp4")
    assert len(found) >= 45
    assert found == (list(range(20)) * 3)[: len(found)]
