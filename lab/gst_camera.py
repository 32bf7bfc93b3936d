"""A real camera: GStreamer's RTSP server, which shows pictures again and again. It needs Debian's GStreamer packages.

The same file is the server, run by the system's Python, which has the bindings of GStreamer.
"""

import importlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PYTHON = Path("/usr/bin/python3")
ENCODERS = {
    "h264": "x264enc tune=zerolatency sliced-threads=false speed-preset=ultrafast key-int-max={gop} "
    "! rtph264pay config-interval=-1",
    "h264-b-frames": "x264enc bframes=2 b-adapt=false rc-lookahead=5 speed-preset=veryfast key-int-max={gop} "
    "! video/x-h264,profile=main ! rtph264pay config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} ! rtph265pay config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay",
}
SOUNDS = {
    "": "",
    "alaw": "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1",
    "aac": "audiotestsrc is-live=true ! audio/x-raw,rate=16000,channels=1 ! voaacenc ! aacparse ! rtpmp4gpay name=pay1",
}


@dataclass(frozen=True, slots=True)
class Show:
    """What a camera shows, and to whom. `user`: no credentials are needed if it is empty.

    `certificate`: a file with a certificate and its key; with it, the camera speaks TLS, and needs a user.
    """

    coding: str = "h264"
    rate: int = 10
    gop: int = 10
    sound: str = ""
    user: str = ""
    password: str = ""
    is_digest: bool = False
    certificate: str = ""


class GstCamera:
    """A camera of its own process. `frames`: JPEG files; `port`: a free one by default, kept when it starts again."""

    def __init__(self, frames: Path, show: Show | None = None) -> None:
        self.show = show or Show()
        self._frames = frames
        from lab.wire import free_port  # noqa: PLC0415  # the system's Python, which runs this file alone, has no lab

        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"{'rtsps' if self.show.certificate else 'rtsp'}://127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Start, and wait until clients may come."""
        words: list[str | Path] = [PYTHON, __file__, self._frames, str(self.port), json.dumps(asdict(self.show))]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError("The camera does not start: are the Debian packages of GStreamer's RTSP server there?")

    def kill(self) -> None:
        """End at once, as if its power were cut."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Stop, with all connections open, as a camera whose program hangs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _launch_line(frames: Path, show: Show) -> str:
    """Return the description of the pipeline, in GStreamer's language."""
    encoder = ENCODERS[show.coding].format(gop=show.gop)
    return (
        f"( multifilesrc location={frames}/%03d.jpg loop=true caps=image/jpeg,framerate={show.rate}/1 "
        f"! jpegdec ! videoconvert ! video/x-raw,format=I420 ! identity sync=true ! {encoder} name=pay0 "
        f"{SOUNDS[show.sound]} )"
    )


def _protect(rtsp: Any, server: Any, factory: Any, show: Show) -> None:
    """Ask clients for a user name and a password."""
    auth = rtsp.RTSPAuth()
    token = rtsp.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if show.is_digest:
        auth.set_supported_methods(importlib.import_module("gi.repository.GstRtsp").RTSPAuthMethod.DIGEST)
        auth.add_digest(show.user, show.password, token)
    else:
        auth.add_basic(rtsp.RTSPAuth.make_basic(show.user, show.password), token)
    if show.certificate:
        gio = importlib.import_module("gi.repository.Gio")
        auth.set_tls_certificate(gio.TlsCertificate.new_from_file(show.certificate))
    server.set_auth(auth)
    role = importlib.import_module("gi.repository.Gst").Structure.from_string(
        "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    )[0]
    factory.add_role_from_structure(role)


def serve(arguments: Sequence[str]) -> None:
    """Run the server for ever: a folder of pictures, a port, what to show as JSON."""
    gi = importlib.import_module("gi")
    for name in ("Gst", "GstRtsp", "GstRtspServer"):
        gi.require_version(name, "1.0")
    gst, rtsp, glib = (importlib.import_module(f"gi.repository.{name}") for name in ("Gst", "GstRtspServer", "GLib"))
    gst.init(None)
    show = Show(**json.loads(arguments[2]))
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments[1])
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(_launch_line(Path(arguments[0]), show))
    factory.set_shared(True)
    if show.user:
        _protect(rtsp, server, factory, show)
    server.get_mount_points().add_factory("/stream", factory)
    server.attach(None)
    print("ready", flush=True)  # noqa: T201
    glib.MainLoop().run()


if __name__ == "__main__":
    serve(sys.argv[1:])
