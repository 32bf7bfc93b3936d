"""Videos are read frame by frame, with their times, whatever wrote them and however they are damaged."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.errors import EdgeError, TooManyPixelsError, UndecodableFrameError
from handlers.server.commands.inferring import video
from handlers.server.commands.inferring.video import VideoFrame, VideoWriter, open_video
from lab.videos import Coding, read_video, turn, write_sound, write_video

MAX_PIXELS = 100_000
AVI, WEBM = Coding("mpeg4", ticks_per_s=10), Coding("libvpx-vp9")


def greys(count: int, size_wh: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    return [Image.new("RGB", size_wh, (10 * number,) * 3) for number in range(count)]


def noise(count: int) -> list[Image.Image]:
    pixels = np.random.default_rng(1).integers(0, 255, (count, 48, 64, 3), np.uint8)
    return [Image.fromarray(each) for each in pixels]


def read(path: Path, rate: float | None = None, max_pixels: int = MAX_PIXELS) -> list[VideoFrame]:
    with open_video(path, max_pixels) as opened:
        return list(opened.frames(rate))


def read_as_far_as_possible(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, Exception | None]:
    """Return how many frames could be read, and the error at the end."""
    count = 0
    try:
        with open_video(path, max_pixels) as opened:
            for _ in opened.frames():
                count += 1
    except EdgeError as error:
        return count, error
    return count, None


def colours(frames: Sequence[VideoFrame]) -> list[list[int]]:
    """Return the colour of the pixel in the middle of each frame."""
    pictures = [Decoder(MAX_PIXELS).whole(frame.body, frame.layout) for frame in frames]
    return [picture.rgb(picture.source_size_wh)[24, 32].tolist() for picture in pictures]


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("x.mp4", Coding()),
        ("x.mov", Coding()),
        ("x.mkv", Coding()),
        ("x.ts", Coding()),
        ("x.avi", AVI),
        ("x.mp4", AVI),
        ("x.webm", WEBM),
        ("x.avi", Coding("mpeg4")),  # most of its packets are empty
        ("x.mpg", Coding("mpeg2video", rate=25, ticks_per_s=25)),
        ("x.mkv", Coding("ffv1", "yuv444p")),
        ("x.mkv", Coding("ffv1", "gray")),
        ("x.avi", Coding("mjpeg", "yuvj420p", ticks_per_s=10)),
        ("x.mp4", Coding("libx264", "yuv422p")),
    ],
    ids=str,
)
def test_every_frame_is_read_with_its_number_and_time(tmp_path: Path, name: str, coding: Coding) -> None:
    rate = 25 if coding.codec == "mpeg2video" else 10
    pictures = greys(12)
    frames = read(write_video(tmp_path / name, pictures, coding, [number / rate for number in range(12)]))
    assert [frame.number for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == pytest.approx([number / rate for number in range(12)], abs=1e-3)
    assert {frame.layout.size_wh for frame in frames} == {(64, 48)}
    assert colours(frames) == [pytest.approx([10 * number] * 3, abs=5) for number in range(12)]


def test_the_colours_of_high_definition_are_those_of_its_own_matrix(tmp_path: Path) -> None:
    """A decoder that takes BT.709 for BT.601 shifts this green by twenty."""
    coding = Coding(matrix="ITU709", options={"colorspace": "bt709", "qp": "0"})
    path = write_video(tmp_path / "x.mp4", [Image.new("RGB", (64, 48), (20, 200, 60))] * 2, coding)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 1
    assert colours(read(path)) == [pytest.approx([20, 200, 60], abs=3)] * 2


@pytest.mark.parametrize("coding", [Coding("libvpx-vp9"), Coding("ffv1", "bgr0")], ids=["yuv420p", "bgr"])
def test_odd_sizes_are_read(tmp_path: Path, coding: Coding) -> None:
    frames = read(write_video(tmp_path / "x.mkv", greys(3, (65, 49)), coding))
    assert [frame.layout.size_wh for frame in frames] == [(65, 49)] * 3
    assert colours(frames) == [pytest.approx([grey] * 3, abs=3) for grey in (0, 10, 20)]


def test_times_are_those_of_the_frames_and_begin_at_nought(tmp_path: Path) -> None:
    times_s = [0.5, 0.6, 1.1, 1.15, 4.0]
    path = write_video(tmp_path / "x.mkv", greys(5), times_s=times_s)
    assert [frame.time_s for frame in read(path)] == pytest.approx([0, 0.1, 0.6, 0.65, 3.5], abs=2e-3)


@pytest.mark.parametrize(
    ("rate", "numbers"),
    [(10, range(30)), (1000, range(30)), (5, range(0, 30, 2)), (1, [0, 10, 20]), (0.5, [0, 20]), (0.01, [0])],
)
def test_a_rate_takes_the_first_frame_of_each_interval(tmp_path: Path, rate: float, numbers: Sequence[int]) -> None:
    path = write_video(tmp_path / "x.mp4", greys(25) + greys(5))
    assert [frame.number for frame in read(path, rate)] == list(numbers)


def test_a_video_that_players_turn_is_turned(tmp_path: Path) -> None:
    upright = Image.new("RGB", (64, 48))
    upright.paste((255, 255, 255), (0, 0, 32, 24))  # at the top left
    path = write_video(tmp_path / "x.mp4", [upright] * 2)
    turn(path, 48)
    frame, _ = read(path)
    assert frame.layout.size_wh == (48, 64)
    picture = Decoder(MAX_PIXELS).whole(frame.body, frame.layout).rgb((48, 64))
    assert picture[10, 40].min() > 200  # at the top right
    assert picture[10, 10].max() < 50


def test_the_number_of_frames_is_known_from_the_container(tmp_path: Path) -> None:
    for name in ("x.mp4", "x.mkv"):
        with open_video(write_video(tmp_path / name, greys(20)), MAX_PIXELS) as opened:
            assert opened.frame_count == 20


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("x.mp4", Coding()),
        ("x.avi", AVI),
        ("x.mp4", Coding(options={"g": "5"}, container_options={"movflags": "frag_keyframe+empty_moov"})),
    ],
    ids=["mp4", "avi", "fragments"],
)
def test_a_video_cut_in_the_middle_gives_what_is_before(tmp_path: Path, name: str, coding: Coding) -> None:
    path = write_video(tmp_path / name, noise(40), coding)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    count, error = read_as_far_as_possible(path)
    assert 10 < count < 30
    assert "of the frames are damaged" in str(error)


def test_frames_behind_a_damaged_one_are_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mp4", noise(40), Coding(options={"g": "5"}))
    file = bytearray(path.read_bytes())
    middle = len(file) // 2
    file[middle : middle + 2000] = bytes(2000)
    path.write_bytes(file)
    count, error = read_as_far_as_possible(path)
    assert 30 < count < 40
    assert isinstance(error, UndecodableFrameError)


def picture(path: Path) -> None:
    Image.new("RGB", (64, 64)).save(path, "PNG")


def playlist(path: Path) -> None:
    other = write_video(path.with_name("other.ts"), greys(3))
    path.write_text(f"#EXTM3U\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n")


def script(path: Path) -> None:
    write_video(path.with_name("other.mp4"), greys(3))
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


def without_index(path: Path) -> None:
    write_video(path, noise(20), Coding(container_options={}))
    path.write_bytes(path.read_bytes()[:2000])


def of_unknown_coding(path: Path) -> None:
    path.write_bytes(write_video(path, greys(3)).read_bytes().replace(b"avc1", b"zzzz"))


def without_frames(path: Path) -> None:
    write_video(path, greys(1), Coding(container_options={"movflags": "empty_moov"}))
    path.write_bytes(path.read_bytes().partition(b"moof")[0][:-4])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"nonsense" * 1000), "no video that can be read"),
        (Path.touch, "no video that can be read"),
        (picture, "no video that can be read"),
        (playlist, "no video that can be read"),
        (script, "no video that can be read"),
        (without_index, "no video that can be read"),
        (of_unknown_coding, "knows no decoder"),
        (without_frames, "no frames"),
        (write_sound, "no video stream"),
    ],
    ids=["nonsense", "nothing", "picture", "playlist", "script", "no index", "unknown coding", "no frames", "sound"],
)
def test_what_is_no_video_is_refused_and_names_no_other_file(
    tmp_path: Path, write: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "x.mp4"
    write(path)
    count, error = read_as_far_as_possible(path)
    assert count == 0
    assert isinstance(error, UndecodableFrameError)
    assert message in str(error)


@pytest.mark.parametrize(
    ("name", "coding"), [("x.mp4", Coding()), ("x.ts", Coding()), ("x.avi", AVI), ("x.webm", WEBM)]
)
def test_large_frames_are_refused(tmp_path: Path, name: str, coding: Coding) -> None:
    path = write_video(tmp_path / name, greys(2, (400, 300)), coding)
    count, error = read_as_far_as_possible(path)
    assert count == 0
    assert "over the limit of 100000" in str(error) or "more pixels than the limit of 100000" in str(error)
    assert read_as_far_as_possible(path, 120_000) == (2, None)


def test_frames_that_grow_are_refused_from_there_on(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.ts", greys(20)).read_bytes()
    large = write_video(tmp_path / "large.ts", greys(2, (400, 300))).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(small + large)
    count, error = read_as_far_as_possible(path)
    assert 10 < count <= 20
    assert isinstance(error, TooManyPixelsError)
    assert read_as_far_as_possible(path, 120_000) == (22, None)


@pytest.mark.parametrize("encoder", video.ENCODERS)
def test_a_video_is_written_with_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str) -> None:
    monkeypatch.setattr(video, "ENCODERS", {"of another build": {}, encoder: video.ENCODERS[encoder]})
    writer = VideoWriter(tmp_path / "x.mp4", (64, 48))
    times_s = [0, 1001 / 30000, 0.5, 0.5, 2]
    for picture, time_s in zip(greys(5), times_s, strict=True):
        writer.write(picture, time_s)
    writer.close()
    frames = read_video(tmp_path / "x.mp4")
    assert [time_s for time_s, _ in frames] == pytest.approx(times_s, abs=1e-4)
    assert [np.asarray(picture).mean() for _, picture in frames] == pytest.approx([0, 10, 20, 30, 40], abs=3)


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "missing" / "x.mp4", (64, 48))
    writer.write(greys(1)[0], 0)
    with pytest.raises(OSError, match="No such file"):
        writer.close()
    with pytest.raises(OSError, match="out of range"):
        VideoWriter(tmp_path / "x.mp4", (64, 48)).write(greys(1)[0], 1e18)
