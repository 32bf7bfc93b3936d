"""A camera that speaks RTSP: it shows a video, again and again, over the connection of its client (RFC 2326, 10.12)."""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


class _Camera(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, video: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.video = video


class _Client(StreamRequestHandler):
    """One client, from its first request until it leaves."""

    server: _Camera
    answers = threading.Lock()  # of packets and answers, which share the connection

    def handle(self) -> None:
        while first := self.rfile.read(1):
            if first == b"$":  # the client's own report
                self.rfile.read(int.from_bytes(self.rfile.read(3)[1:], "big"))
                continue
            lines = [first + self.rfile.readline(), *iter(self.rfile.readline, b"\r\n")]
            if not self._answer(b"".join(lines).decode()):
                return

    def _answer(self, request: str) -> bool:
        """Answer one request; return whether others may follow."""
        method = request.partition(" ")[0]
        [number] = re.findall(r"^CSeq: *(\d+)", request, re.MULTILINE | re.IGNORECASE)
        status, more, body = "200 OK", "Session: 1\r\n", ""
        if method == "OPTIONS":
            more += f"Public: {METHODS}\r\n"
        elif method == "DESCRIBE":
            body = DESCRIPTION
            more += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP" and "RTP/AVP/TCP" in request:
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        elif method == "SETUP":
            status = "461 Unsupported Transport"
        self._send(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}\r\n{body}".encode())
        if method == "PLAY":
            threading.Thread(target=self._play, daemon=True).start()
        return method != "TEARDOWN"

    def _play(self) -> None:
        """Pass on FFmpeg's packets until the client has left."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.bind(("127.0.0.1", 0))
            command: list[str | Path] = [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", self.server.video),
                *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "5"),
                *("-bsf:v", "dump_extra=freq=keyframe", "-f", "rtp"),
                f"rtp://127.0.0.1:{packets.getsockname()[1]}?pkt_size=1400",
            ]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ffmpeg:
                try:
                    while True:
                        packet = packets.recv(2048)
                        self._send(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                except OSError:
                    ffmpeg.kill()

    def _send(self, message: bytes) -> None:
        with self.answers:
            self.request.sendall(message)


@contextmanager
def camera(video: Path) -> Iterator[str]:
    """Run the camera until the block ends; yield its address. It needs FFmpeg."""
    with _Camera(video) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.server_address[1]}/stream"
        server.shutdown()
