"""The load of a soak: each kind of client as one function, with its frequency."""

import http.client
import io
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from PIL import Image

from tools.hostile.mutations import mutant
from tools.hostile.pictures import photo

TIMEOUT_S = 60
BURST = 32
RAW = "image/x-raw;format=bgr24;width={};height={}"
SIZES_WH = ((64, 48), (320, 240), (416, 416), (768, 576), (1280, 720), (1920, 1080))
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
SERVED, BUSY = {200, 204}, {503}

Answer: TypeAlias = tuple[int, bytes]


@dataclass(slots=True)
class Tally:
    """Counts the answers; shared by all clients. `wrong`: answers that must never occur."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, kind: str, status: int, expected: set[int]) -> None:
        """Count an answer with this status to a client of this kind."""
        with self._lock:
            self.statuses[f"{kind} {status}"] += 1
            if status not in expected:
                self.wrong.append(f"{kind}: {status}")

    def fail(self, what: str) -> None:
        """Record a wrong answer."""
        with self._lock:
            self.wrong.append(what)


class Clients:
    """One thread's clients: every call of `step` is one of them, drawn at random."""

    def __init__(self, host: str, port: int, tally: Tally, seed: int) -> None:
        self._host, self._port, self._tally = host, port, tally
        self._random = random.Random(seed)
        self._alone: dict[tuple[str, tuple[int, int]], Answer] = {}
        self._seed = seed

    def step(self) -> None:
        """Act as one client."""
        kinds: dict[Callable[[], None], int] = {
            self._good: 60, self._mutant: 10, self._error: 8, self._probe: 8, self._hang_up: 8, self._malformed: 5,
            self._burst: 1,
        }  # fmt: skip
        [kind] = self._random.choices(list(kinds), list(kinds.values()))
        try:
            kind()
        except OSError as error:
            self._tally.fail(repr(error))

    def _good(self) -> None:
        """Post a picture; every time it must get the answer it got first, or 503."""
        key = self._random.choice([*FORMATS, "raw"]), self._random.choice(SIZES_WH)
        body, media_type = picture(*key)
        answer = self._post("/inference", body, media_type)
        self._tally.take("good", answer[0], SERVED | BUSY)
        if answer[0] in SERVED and answer != self._alone.setdefault(key, answer):
            self._tally.fail(f"another answer for {key}")

    def _mutant(self) -> None:
        hostile = mutant(self._seed, self._random.randrange(1 << 30))
        status, _ = self._post("/inference", hostile.body, hostile.media_type)
        self._tally.take("mutant", status, SERVED | BUSY | {400, 413, 415})

    def _error(self) -> None:
        path, media_type, expected = self._random.choice(
            [("/inference?confidence=2", "image/jpeg", 400), ("/v1/vision/detection", "multipart/form-data", 400),
             ("/inference", "rubbish", 400), ("/nope", "image/png", 404), ("/inference/nope", "image/png", 404),
             ("/models", "image/png", 405)]
        )  # fmt: skip
        status, _ = self._post(path, picture("JPEG", SIZES_WH[0])[0], media_type)
        self._tally.take("error", status, BUSY | {expected})

    def _probe(self) -> None:
        path = self._random.choice(["/health/live", "/health/ready", "/metrics", "/models", "/openapi.yaml"])
        status, _ = self._request("GET", path)
        self._tally.take("probe", status, {200})

    def _hang_up(self) -> None:
        """Send a frame or a part of it, then hang up."""
        body, _ = picture("JPEG", self._random.choice(SIZES_WH))
        request = b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with self._socket() as connection:
            connection.sendall(request[: self._random.randint(1, len(request))])
        self._tally.take("hang-up", 0, {0})

    def _malformed(self) -> None:
        no_host, too_large = b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000
        sent = self._random.choice([b"rubbish\r\n\r\n", no_host, too_large])
        with self._socket() as connection, suppress(ConnectionError):
            connection.sendall(sent)
            received = connection.recv(65536)
            self._tally.take("malformed", int(received[9:12] or 0), {400, 431})

    def _burst(self) -> None:
        """Act as many cameras at once."""
        cameras = [threading.Thread(target=self._good) for _ in range(BURST)]
        for camera in cameras:
            camera.start()
        for camera in cameras:
            camera.join()

    def _post(self, path: str, body: bytes, media_type: str) -> Answer:
        return self._request("POST", path, body, {"Content-Type": media_type})

    def _request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._tally.fail(f"{method} {path}: {error!r}")
            return 0, b""
        finally:
            connection.close()

    @contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        with socket.create_connection((self._host, self._port), timeout=TIMEOUT_S) as connection:
            yield connection


@cache
def picture(format_name: str, size_wh: tuple[int, int]) -> tuple[bytes, str]:
    """Return the photo in this format and size, and its media type."""
    image = photo(size_wh)
    if format_name == "raw":
        return image.tobytes("raw", "BGR"), RAW.format(*size_wh)
    buffer = io.BytesIO()
    image.save(buffer, format_name)
    return buffer.getvalue(), Image.MIME[format_name]
