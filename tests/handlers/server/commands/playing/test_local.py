import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handlers.dataplane import DataPlane
from handlers.server.commands.playing.local import Asked, LocalExtension, is_local, order_of
from handlers.server.parts import create_dataplane
from handlers.server.settings import Settings
from lab.graphs import ENDLESS, board, write_identity_model
from models.errors import UnknownLabelError
from models.order import FrameOrder
from player.errors import ExtensionBusyError, ExtensionError, TopologyError
from player.nodes.protocol.scaling import Scale

WHOLE = Asked(Scale(), 20)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/inference", {}),
        ("http://localhost/score", {}),
        ("http://localhost/inference/yolox?confidence=0.5", {"model": "yolox", "confidence": 0.5}),
        ("http://localhost/inference?stream=yard&object=person,car", {"stream": "yard", "labels": ("person", "car")}),
        ("http://localhost/inference?id=yard&maxDetections=3", {"stream": "yard", "max_detections": 3}),
    ],
)
def test_an_address_orders_what_it_would_over_http(url: str, expected: dict[str, Any]) -> None:
    assert is_local(url)
    order = order_of(url, "pipeline yard")
    assert order == replace(FrameOrder(encoding="metadata", caller="pipeline yard"), **expected)


@pytest.mark.parametrize("url", ["http://server.example/inference", "https://10.0.0.1/score", "http://0.0.0.0/score"])
def test_an_address_elsewhere_is_asked_over_http(url: str) -> None:
    assert not is_local(url)


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("/", "/ takes no frames here"),
        ("/v1/vision/detection", "/v1/vision/detection takes no frames here"),
        ("/inference/a/b", "/inference/a/b takes no frames here"),
        ("/inference?confidence=2", "confidence='2'"),
        ("/inference?maxDetections=0", "maxDetections='0'"),
        ("/inference?colour=red", "colour"),
        ("/inference?code=secret", "code"),
        ("/inference?stream=%00", "stream="),
    ],
)
def test_an_address_that_takes_no_frames_is_refused(rest: str, named: str) -> None:
    with pytest.raises(TopologyError) as caught:
        order_of(f"http://127.0.0.1{rest}", "pipeline yard")
    assert named in str(caught.value)
    assert "secret" not in str(caught.value)


class Board:
    """A picture for the identity model."""

    def __init__(self, work: int = 0) -> None:
        self._rgb = np.asarray(board(7, work=work))

    @property
    def size_wh(self) -> tuple[int, int]:
        height, width, _ = self._rgb.shape
        return width, height

    def luma(self, size_wh: tuple[int, int]) -> Any:
        return np.asarray(Image.fromarray(self._rgb).convert("L").resize(size_wh))

    def pixels(self, pixel_format: str, size_wh: tuple[int, int]) -> bytes:
        assert (pixel_format, size_wh) == ("bgr24", self.size_wh)
        return self._rgb[..., ::-1].tobytes()


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def dataplanes(folder: Path, **settings: Any) -> Iterator[tuple[DataPlane, asyncio.AbstractEventLoop]]:
    given = {"model_repository": folder.parent, "default_model": folder.name, "lanes": 1, "isolation": "thread"}
    with looping() as loop, closing(create_dataplane(Settings(**{**given, **settings}))) as dataplane:
        yield dataplane, loop


def test_a_stream_that_an_address_names_is_shown(tmp_path: Path) -> None:
    with dataplanes(write_identity_model(tmp_path)) as (dataplane, loop):
        dataplane.engine.load()
        extension = LocalExtension(dataplane, loop, order_of("http://localhost/inference?stream=yard", "p"), WHOLE)
        assert extension.prepare(Board(), 1.0)()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        assert dataplane.streams.find("yard")
        extension.close()


def test_a_server_that_is_not_ready_is_busy(tmp_path: Path) -> None:
    with dataplanes(write_identity_model(tmp_path)) as (dataplane, loop):
        extension = LocalExtension(dataplane, loop, order_of("http://localhost/inference", "p"), WHOLE)
        with pytest.raises(ExtensionBusyError) as caught:
            extension.prepare(Board(), 1.0)()
    assert caught.value.retry_after_s >= 1


def test_an_answer_that_does_not_come_is_a_fault(tmp_path: Path) -> None:
    with dataplanes(write_identity_model(tmp_path), run_timeout_s=60) as (dataplane, loop):
        dataplane.engine.load()
        order = order_of("http://localhost/inference", "p")
        extension = LocalExtension(dataplane, loop, order, Asked(Scale(), 0.1))
        with pytest.raises(ExtensionError, match=r"within 0\.1 s"):
            extension.prepare(Board(ENDLESS), 1.0)()


def test_a_label_that_no_model_has_is_refused_at_the_start(tmp_path: Path) -> None:
    with dataplanes(write_identity_model(tmp_path)) as (dataplane, loop):
        dataplane.engine.load()
        order = order_of("http://localhost/inference?object=nothing-known", "p")
        with pytest.raises(UnknownLabelError):
            LocalExtension(dataplane, loop, order, WHOLE)
