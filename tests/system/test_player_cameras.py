"""The player and real cameras, which speak RTSP: every codec, cameras that go away, and those that refuse."""

import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
import trustme
from PIL import Image

from lab.gst_camera import GstCamera, Show
from lab.videos import write_video
from player.errors import SourceError, SourceRefusedError
from player.flow import Packet
from player.media.address import address_of
from player.media.clips import ClipWriter
from player.media.pictures import AvPicture, Decoder
from player.media.reading import BackOff, Reader
from player.media.sources import Session, Source, open_session
from tests.support.rtsp_camera import camera as plain_camera
from tests.support.waiting import wait_for

pytestmark = pytest.mark.system
STREET = Path(__file__).parents[2] / "examples/street.jpg"
SIZE_WH = (320, 240)


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 20 pictures of a street that passes by; return their folder."""
    folder = tmp_path_factory.mktemp("frames")
    street = Image.open(STREET).convert("RGB")
    for number in range(20):
        street.crop((number * 4, 100, number * 4 + 640, 580)).resize(SIZE_WH).save(folder / f"{number:03d}.jpg")
    return folder


@dataclass
class Diary:
    """A listener that notes what it learns."""

    sessions: list[Session] = field(default_factory=list)
    losses: list[SourceError] = field(default_factory=list)

    def on_session(self, session: Session) -> None:
        self.sessions.append(session)

    def on_lost(self, error: SourceError) -> None:
        self.losses.append(error)


def source(camera: GstCamera, **settings: str) -> Source:
    return Source(address_of(camera.url, **settings), open_timeout_s=60, read_timeout_s=30)


def read(packets: Iterator[Packet], decoder: Decoder, count: int) -> tuple[list[Packet], list[tuple[float, AvPicture]]]:
    """Read until so many pictures are there; return packets and pictures."""
    taken: list[Packet] = []
    pictures: list[tuple[float, AvPicture]] = []
    for packet in packets:
        taken.append(packet)
        pictures += decoder.decode(packet)
        if len(pictures) >= count:
            break
    return taken, pictures


@pytest.mark.parametrize("coding", ["h264", "h264-b-frames", "h265", "mjpeg"])
def test_a_camera_is_played_and_recorded(coding: str, frames: Path, tmp_path: Path) -> None:
    with GstCamera(frames, Show(coding)) as camera:
        reader = Reader(source(camera), diary := Diary())
        packets, pictures = read(iter(reader), decoder := Decoder(), 25)
        late_s = time.time() - pictures[-1][0]
        reader.stop()
    assert (decoder.damaged, diary.losses) == (0, [])
    assert diary.sessions[0].video.codec == {"h265": "hevc"}.get(coding, coding.partition("-")[0])
    assert all(before[0] < after[0] for before, after in pairwise(pictures))
    assert all(before.order_s < after.order_s for before, after in pairwise(packets))
    assert 1.5 < pictures[-1][0] - pictures[0][0] < 10
    assert -10 < late_s < 60
    assert pictures[0][1].size_wh == SIZE_WH
    assert 40 < pictures[0][1].luma((32, 24)).mean() < 200
    assert played(tmp_path / "clip.mp4", packets) == len(packets)


def played(path: Path, packets: list[Packet]) -> int:
    """Write a clip; return how many pictures it shows."""
    writer = ClipWriter(path)
    for packet in packets:
        writer.write(packet)
    [clip] = writer.close()
    with av.open(str(clip.path)) as container:
        times_s = [frame.time for frame in container.decode(video=0)]
    assert times_s == sorted(set(times_s))
    assert times_s[0] == 0
    return len(times_s)


@pytest.mark.parametrize(("sound", "kept"), [("aac", ["video", "audio"]), ("alaw", ["video"])])
def test_sound_is_recorded_if_mp4_files_can_hold_it(sound: str, kept: list[str], frames: Path, tmp_path: Path) -> None:
    with GstCamera(frames, Show(sound=sound)) as camera:
        packets, _ = read(iter(reader := Reader(source(camera), Diary())), Decoder(), 20)
        reader.stop()
    assert {packet.media_type for packet in packets} == {"video", "audio"}
    assert played(tmp_path / "clip.mp4", packets) >= 20
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert [stream.type for stream in container.streams] == kept


def test_a_camera_that_goes_away_is_waited_for(frames: Path, tmp_path: Path) -> None:
    decoder, writer = Decoder(), ClipWriter(tmp_path / "clip.mp4")
    diary = Diary()
    with GstCamera(frames) as camera:
        reader = Reader(source(camera), diary, BackOff(0.1, 0.5))
        packets = iter(reader)
        first, before = read(packets, decoder, 15)
        camera.kill()
        camera.start()
        second, after = read(packets, decoder, 15)
        reader.stop()
    assert len(diary.sessions) == 2
    assert diary.losses
    times_s = [at_s for at_s, _ in before + after]
    assert all(earlier < later for earlier, later in pairwise(times_s))
    for packet in first + second:
        writer.write(packet)
    assert [clip.path.name for clip in writer.close()] == ["clip.mp4", "clip-2.mp4"]
    for clip in writer.clips:
        with av.open(str(clip.path)) as container:
            assert len(list(container.decode(video=0))) > 10
    assert reader.join(30)


def test_a_camera_that_hangs_is_left(frames: Path) -> None:
    diary = Diary()
    with GstCamera(frames) as camera:
        reader = Reader(Source(address_of(camera.url), open_timeout_s=15, read_timeout_s=1), diary)

        def play() -> None:
            for number, _ in enumerate(reader):
                if number == 10:
                    camera.freeze()

        thread = threading.Thread(target=play)
        thread.start()
        wait_for(lambda: diary.losses)
        reader.stop()
        thread.join(30)
    assert str(diary.losses[0]) == f"{camera.url} has sent nothing for 1 s."


@pytest.mark.parametrize("is_digest", [False, True])
def test_a_password_may_have_any_characters(is_digest: bool, frames: Path) -> None:  # noqa: FBT001
    show = Show(user="me", password="p@:/ %w", is_digest=is_digest)
    with GstCamera(frames, show) as camera, open_session(source(camera, user="me", password="p@:/ %w")) as session:
        assert session.video.codec == "h264"


@pytest.mark.parametrize("is_digest", [False, True])
def test_a_wrong_password_is_refused_and_shown_nowhere(
    is_digest: bool,  # noqa: FBT001
    frames: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = "s3cr3t/@"
    with GstCamera(frames, Show(user="me", password="right", is_digest=is_digest)) as camera:
        with pytest.raises(SourceRefusedError) as refusal, open_session(source(camera, user="me", password=wrong)):
            pass
        with pytest.raises(SourceRefusedError), open_session(source(camera)):
            pass
    assert refusal.value.code == 401
    assert refusal.value.__context__ is None
    shown = "".join(traceback.format_exception(refusal.value)) + caplog.text + "".join(capfd.readouterr())
    assert "s3cr3t" not in shown


def test_an_encrypted_camera_is_checked_if_it_is_known_who_vouches_for_it(frames: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "certificate.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with GstCamera(frames, Show(user="me", password="right", certificate=str(certificate))) as camera:
        known = source(camera, user="me", password="right")
        for ca_file in (None, tmp_path / "authority.pem"):
            with open_session(replace(known, ca_file=ca_file)) as session:
                assert session.video.codec == "h264"
        with pytest.raises(SourceError), open_session(replace(known, ca_file=tmp_path / "other.pem")):
            pass


def test_a_stream_that_is_not_there_is_refused(frames: Path) -> None:
    with GstCamera(frames) as camera:
        address = address_of(camera.url.replace("stream", "other"))
        with pytest.raises(SourceRefusedError) as refusal, open_session(replace(source(camera), address=address)):
            pass
    assert refusal.value.code == 404


def test_a_camera_that_describes_its_codec_in_the_stream_only_is_recorded(frames: Path, tmp_path: Path) -> None:
    pictures = [Image.open(frames / f"{number:03d}.jpg") for number in range(20)]
    path = write_video(tmp_path / "street.mp4", pictures)
    with plain_camera(path) as url:
        reader = Reader(Source(address_of(url), open_timeout_s=60, read_timeout_s=30), Diary())
        packets, _ = read(iter(reader), Decoder(), 20)
        reader.stop()
    assert played(tmp_path / "clip.mp4", packets) >= 19
