"""Cameras that post, and what their viewers see."""

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from PIL import Image

from lab.pictures import street_as
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S

INTERVAL_S = 0.05


@contextmanager
def posting(
    server: LiveServer,
    stream: str,
    body: bytes | None = None,
    every_s: float = INTERVAL_S,
    headers: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Post frames of a stream, by default the street photo, until the block ends; it is live when the block begins."""
    done, begun = threading.Event(), threading.Event()

    def post() -> None:
        with server.new_client() as client:
            client.headers.update(headers or {})
            while not done.is_set():
                answer = client.post("/inference", content=body or street_as("JPEG"), params={"stream": stream})
                assert answer.status_code in {200, 204}
                begun.set()
                done.wait(every_s)

    camera = threading.Thread(target=post)
    camera.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield
    finally:
        done.set()
        camera.join()


def parts_in(body: bytes) -> list[Image.Image]:
    """Return the pictures of a multipart body that is complete."""
    assert body.startswith(b"--frame\r\n")
    assert body.endswith(b"\r\n--frame--\r\n")
    lengths = re.findall(rb"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: (\d+)\r\n\r\n", body)
    pictures: list[Image.Image] = []
    for length in map(int, lengths):
        _, _, body = body.partition(b"\r\n\r\n")
        pictures.append(Image.open(io.BytesIO(body[:length])))
        body = body[length:]
        assert body.startswith(b"\r\n--frame")
    return pictures
