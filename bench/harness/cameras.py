"""A camera that costs nothing: GStreamer's RTSP server sends a recording as it is. Needs Debian's GStreamer packages.

The same file is the server, run by the system's Python, which has the bindings of GStreamer.
"""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

PYTHON = "/usr/bin/python3"
BITRATE = 3_000_000


def record(video: Path, path: Path, size_wh: tuple[int, int], rate: int, seconds: float) -> Path:
    """Write an MP4 with H.264 of that size and rate: the pictures of a video, again and again. A keyframe every 2 s."""
    import av  # noqa: PLC0415  # the system's Python has none

    width, height = size_wh
    once, count = path.with_suffix(".once.mp4"), 0
    with av.open(str(video)) as source, av.open(str(once), "w") as target:
        stream = target.add_stream("libx264", rate=rate, options={"preset": "veryfast", "g": str(2 * rate), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", BITRATE
        for count, frame in enumerate(source.decode(video=0)):
            scaled = frame.reformat(width, height, "yuv420p")
            scaled.pts, scaled.time_base = count, Fraction(1, rate)
            target.mux(stream.encode(scaled))
        target.mux(stream.encode())
    loops = int(seconds * rate / (count + 1)) + 1
    words: list[str | Path] = ["-v", "error", "-y", "-stream_loop", str(loops), "-i", once, "-c", "copy", path]
    subprocess.run(["ffmpeg", *words], check=True)  # noqa: S607  # Debian's
    return path


@contextmanager
def camera(recording: Path, port: int) -> Iterator[str]:
    """Run a camera until the block ends; yield its address."""
    process = subprocess.Popen([PYTHON, __file__, recording, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("The camera does not start: are the Debian packages of GStreamer's RTSP server there?")
        yield f"rtsp://127.0.0.1:{port}/stream"
    finally:
        process.kill()
        process.communicate()


def serve(recording: str, port: str) -> None:
    """Run the server for ever."""
    gi = importlib.import_module("gi")
    for name in ("Gst", "GstRtspServer"):
        gi.require_version(name, "1.0")
    gst, rtsp, glib = (importlib.import_module(f"gi.repository.{name}") for name in ("Gst", "GstRtspServer", "GLib"))
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(
        f"( filesrc location={recording} ! qtdemux ! h264parse ! rtph264pay name=pay0 config-interval=-1 )"
    )
    factory.set_shared(True)
    server.get_mount_points().add_factory("/stream", factory)
    server.attach(None)
    print("ready", flush=True)
    glib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
