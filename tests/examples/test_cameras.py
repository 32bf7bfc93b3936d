"""The camera loops of examples/camera make a live stream of an RTSP camera, and of a file."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from lab.pictures import STREET
from lab.videos import write_video
from tests.support.client import ROOT
from tests.support.live import parts_in
from tests.support.rtsp_camera import camera
from tests.support.server import LiveServer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.system

FOLDER = ROOT / "examples" / "camera"
UNIT = FOLDER / "framehook-camera@.service"
SCRIPTS = ("camera-ffmpeg.sh", "camera-gstreamer.sh")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of the street."""
    with Image.open(STREET) as street:
        return write_video(tmp_path_factory.mktemp("video") / "street.mp4", [street] * 100)


@pytest.fixture(params=["rtsp", "file"])
def source(request: pytest.FixtureRequest, video: Path) -> Iterator[str]:
    """The address of a camera that shows the video, and the file itself."""
    if request.param == "file":
        yield str(video)
    else:
        with camera(video) as address:
            yield address


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_source_becomes_a_live_stream(server: LiveServer, source: str, script: str) -> None:
    stream = f"{script.removesuffix('.sh')}-{source.partition(':')[0].rpartition('/')[2]}"
    command: list[str | Path] = [FOLDER / script, source, stream, f"{server.url}/inference"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as loop:
        try:
            assert loop.stdout
            assert "person" in loop.stdout.readline()
            wait_for(lambda: stream in [one["id"] for one in server.client.get("/streams").json()["streams"]])
            [picture] = parts_in(server.client.get(f"/mjpeg/{stream}", params={"frames": 1}).content)
            assert picture.size == (768, 576)
            assert loop.poll() is None
        finally:
            os.killpg(loop.pid, signal.SIGKILL)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_camera_that_does_not_answer_ends_the_loop(script: str) -> None:
    """So that systemd starts it again."""
    run = subprocess.run([FOLDER / script, "rtsp://127.0.0.1:9/stream", "x"], capture_output=True, check=False)
    assert run.returncode != 0


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name.replace("@", "@yard")
    unit.write_text(UNIT.read_text().replace("/opt/framehook/", f"{ROOT}/"))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert unit.name not in verified.stderr
