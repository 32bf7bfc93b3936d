#!/usr/bin/env python3
"""Posts pictures to framehook, and prints what is in them. It needs Python 3.10 or newer, and no packages.

    python3 client.py photo.jpg photos/
    ffmpeg -i rtsp://camera.example/stream -vf fps=5 -c:v mjpeg -f image2pipe - | python3 client.py --stream yard -

If the service needs a token, put it into the environment variable TOKEN.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

JPEG_END = b"\xff\xd9"
"""The last bytes of a JPEG. Those of FFmpeg and GStreamer have them nowhere else."""
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
PATIENCE_S = 30


class BusyError(Exception):
    """The service has no room for a picture now. Post the newest one after `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the service is busy for {wait_s:g} s")
        self.wait_s = wait_s


class RefusedError(Exception):
    """The service does not answer this picture. The message is the sentence that it sent."""


@dataclass(frozen=True, slots=True)
class Found:
    """A result. `box_ltwh`: left, top, width and height as shares (0 to 1) of the picture; None for all of it."""

    label: str
    confidence: float
    box_ltwh: tuple[float, float, float, float] | None


class Service:
    """A service, and one connection to it that stays open from picture to picture."""

    def __init__(self, url: str, token: str = "") -> None:
        address = urlsplit(url)
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connection = connect(address.hostname or "", address.port, timeout=PATIENCE_S)
        self._target = (address.path.rstrip("/") or "/inference") + (f"?{address.query}" if address.query else "")
        self._headers = {"Content-Type": "application/octet-stream"}  # the service looks at the bytes
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, picture: bytes) -> list[Found]:
        """Return what is in a picture, such as a JPEG. Raises BusyError, RefusedError, or OSError if nobody answers."""
        answer, body = self._post(picture)
        if answer.status == HTTPStatus.OK:
            return list(_read(json.loads(body)))
        if answer.status == HTTPStatus.NO_CONTENT:  # nothing was found
            return []
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise BusyError(float(answer.headers["Retry-After"]))
        raise RefusedError(json.loads(body)["detail"] if "json" in answer.headers["Content-Type"] else answer.reason)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, picture: bytes) -> tuple[HTTPResponse, bytes]:
        try:
            return self._exchange(picture)
        except ConnectionError:  # the service closes a connection that was idle for a minute
            return self._exchange(picture)

    def _exchange(self, picture: bytes) -> tuple[HTTPResponse, bytes]:
        try:
            self._connection.request("POST", self._target, picture, self._headers)
            answer = self._connection.getresponse()
            return answer, answer.read()
        except OSError:
            self._connection.close()  # the next request opens it again
            raise
        except HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"no HTTP answer: {error!r}") from error


def _read(answer: Any) -> Iterator[Found]:
    """Yield objects, and labels of the whole picture. docs/getting-started.md lists the other types."""
    for inference in answer["inferences"]:
        found = inference.get("entity") or inference.get("classification")
        if found:
            box = found.get("box")
            edges = (box["l"], box["t"], box["w"], box["h"]) if box else None
            yield Found(found["tag"]["value"], found["tag"]["confidence"], edges)


def newest_jpegs(pipe: int) -> Iterator[bytes]:
    """Yield JPEGs that follow each other in a pipe. While the caller works, all but the newest are skipped."""
    newest: queue.Queue[bytes | None] = queue.Queue(maxsize=1)

    def read() -> None:
        rest = b""
        while part := os.read(pipe, 1 << 20):
            *jpegs, rest = (rest + part).split(JPEG_END)
            for jpeg in jpegs:
                with suppress(queue.Empty):
                    newest.get_nowait()
                newest.put(jpeg + JPEG_END)
        newest.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (jpeg := newest.get()) is not None:
        yield jpeg


def post_live(service: Service, pipe: int, *, as_json: bool) -> None:
    """Post the pictures of a camera until they end. Prints each answer as JSON, or a line when the labels change."""
    before: set[str] | str | None = None  # what the last answer was
    for picture in newest_jpegs(pipe):
        try:
            found = service.ask(picture)
        except BusyError as error:
            time.sleep(error.wait_s)
        except (RefusedError, OSError) as error:
            if str(error) != before:
                print(f"no answer: {error}", file=sys.stderr, flush=True)
            before = str(error)
            time.sleep(1)
        else:
            labels = Counter(one.label for one in found)
            if as_json:
                print(json.dumps([asdict(one) for one in found]), flush=True)
            elif set(labels) != before:
                text = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
                print(time.strftime("%H:%M:%S"), text or "nothing", flush=True)
            before = set(labels)


def post_files(service: Service, paths: Iterable[Path]) -> bool:
    """Post pictures, and print a line for each. Returns whether all were answered."""
    all_answered = True
    for path in paths:
        try:
            found = ask_patiently(service, path.read_bytes())
            print(f"{path}:", ", ".join(f"{one.label} {one.confidence:.2f}" for one in found) or "nothing")
        except RefusedError as error:
            all_answered = False
            print(f"{path}: {error}", file=sys.stderr)
    return all_answered


def ask_patiently(service: Service, picture: bytes) -> list[Found]:
    """Return what is in a picture, however long the service is busy."""
    while True:
        try:
            return service.ask(picture)
        except BusyError as error:
            time.sleep(error.wait_s)


def pictures_in(path: Path) -> list[Path]:
    """Return the pictures in a folder, or the file itself."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]


def main() -> None:
    """Read the command line, and post what it names."""
    parser = argparse.ArgumentParser(description="Posts pictures to framehook, and prints what is in them.")
    parser.add_argument("path", nargs="+", help="a picture, a folder, or - for JPEGs on standard input")
    parser.add_argument("--url", default="http://127.0.0.1:8080/inference", help="default: %(default)s")
    parser.add_argument("--stream", help="the name of the camera")
    parser.add_argument("--json", action="store_true", help="with -: print each answer as JSON")
    arguments = parser.parse_args()
    url = arguments.url
    if arguments.stream:
        url += ("&" if "?" in url else "?") + "stream=" + quote(arguments.stream, safe="")
    with closing(Service(url, os.environ.get("TOKEN", ""))) as service:
        if arguments.path == ["-"]:
            post_live(service, sys.stdin.fileno(), as_json=arguments.json)
            return
        try:
            paths = [file for path in arguments.path for file in pictures_in(Path(path))]
            sys.exit(0 if post_files(service, paths) else 1)
        except OSError as error:
            sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):  # such as of `| head`
        main()
