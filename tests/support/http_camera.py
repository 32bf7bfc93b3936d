"""A camera that sends JPEG pictures over HTTP, one after the other (multipart/x-mixed-replace), and ill ones."""

import base64
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOUNDARY = "next"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, jpegs: Sequence[bytes], interval_s: float, credentials: str) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.jpegs, self.interval_s = jpegs, interval_s
        self.authorization = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None
        self.is_off = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients leave when they like."""


class _Client(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.server.authorization and self.headers["Authorization"] != self.server.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        way = getattr(self, f"_send_{self.path.strip('/').partition('?')[0]}", None)
        if way is None:
            self.send_error(404)
        else:
            way()

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.end_headers()

    def _part(self, jpeg: bytes, size: int | None = None) -> None:
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {size or len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _send_stream(self) -> None:
        self._begin()
        while not self.server.is_off.is_set():
            for jpeg in self.server.jpegs:
                self._part(jpeg)
                self.server.is_off.wait(self.server.interval_s)

    def _send_few(self) -> None:
        """End after the pictures."""
        self._begin()
        for jpeg in self.server.jpegs:
            self._part(jpeg)

    def _send_stops(self) -> None:
        """Say nothing more after the pictures."""
        self._send_few()
        self.server.is_off.wait(60)

    def _send_silent(self) -> None:
        self.server.is_off.wait(60)

    def _send_trickle(self) -> None:
        """After the pictures, send a byte now and then."""
        self._send_few()
        self._part(b"", size=1000)
        while not self.server.is_off.wait(0.05):
            self.wfile.write(b"\xff")

    def _send_large(self) -> None:
        """Send a picture of two million bytes."""
        self._begin()
        self._part(self.server.jpegs[0])
        self._part(self.server.jpegs[0] + bytes(2_000_000))
        time.sleep(0.2)

    def _send_away(self) -> None:
        """Refer to a file of the client's machine."""
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()

    def _send_playlist(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.apple.mpegurl")
        self.end_headers()
        self.wfile.write(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Log nothing."""


@contextmanager
def http_camera(
    jpegs: Sequence[bytes], interval_s: float = 0.05, credentials: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run a camera until the block ends; yield the beginning of its addresses: a scheme, a host and a port.

    What follows is the name of one of the methods above, such as /stream. `credentials`: USER:PASSWORD.
    """
    with _Server(jpegs, interval_s, credentials) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        server.is_off.set()
        server.shutdown()
