"""Engines without a service, with the real decoder and encoders or with a scripted decoder."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from lab.graphs import write_identity_model
from models.frame import DecodeTarget, Frame, Pixels
from models.letterbox import Size
from models.order import FrameOrder
from models.repository.folder import ModelFolder
from models.runtime.engine import Engine
from models.runtime.loading import ThreadLoader
from models.runtime.served import ServedModels
from models.runtime.steps import FrameCodec, Work
from models.scheduling.lanes import Lanes
from tests.support.models.repositories import read_repository

MAX_DELAY_S = 0.003
CHANCE = Random(2)
CODEC = LaneCodec(Decoder(36_000_000), ENCODERS)


class ScriptedCodec:
    """Decodes with the test's function, and encodes nothing."""

    def __init__(self, decode: Callable[[FrameOrder], Image.Image]) -> None:
        self._decode = decode

    def decode(self, order: FrameOrder, _: DecodeTarget) -> Frame:
        return frame_of(self._decode(order))

    def whole(self, order: FrameOrder) -> Frame:
        return frame_of(self._decode(order))

    def scaled(self, frame: Frame, _: DecodeTarget) -> Frame:
        return frame

    def luma(self, order: FrameOrder) -> tuple[Pixels, Size]:
        grey = self._decode(order).convert("L")
        return np.asarray(grey), grey.size

    def encode(self, _: Work) -> bytes:
        return b""


def frame_of(picture: Image.Image) -> Frame:
    return Frame(np.asarray(picture), "rgb", picture.size)


def order_of(picture: Image.Image) -> FrameOrder:
    """Return the order for a picture, losslessly encoded."""
    body = io.BytesIO()
    picture.save(body, "PNG")
    return FrameOrder(body.getvalue())


def engine_of(
    models: Path | Sequence[ModelFolder],
    default_model: str = "identity",
    lanes: Lanes | None = None,
    codec: FrameCodec = CODEC,
    run_timeout_s: float = 60,
) -> Engine:
    """Return an engine for the models below a folder, or in these folders; default: one lane, a queue of one."""
    folders = read_repository(models) if isinstance(models, Path) else models
    served = ServedModels(folders, default_model, lanes or Lanes(1, 1, 60))
    return Engine(served, ThreadLoader(codec, run_timeout_s))


@contextmanager
def loaded_engine_of(
    models: Path | Sequence[ModelFolder],
    default_model: str = "identity",
    lanes: Lanes | None = None,
    codec: FrameCodec = CODEC,
    run_timeout_s: float = 60,
) -> Iterator[Engine]:
    """Yield such an engine with its models loaded, and close it after the block."""
    with closing(engine_of(models, default_model, lanes, codec, run_timeout_s)) as engine:
        engine.load()
        yield engine


def after_a_while() -> None:
    time.sleep(CHANCE.uniform(0, MAX_DELAY_S))


@contextmanager
def shuffled(folder: Path, lanes: Lanes, wait: Callable[[], object] = after_a_while) -> Iterator[Engine]:
    """Yield an engine in which looking at a frame takes a random time, so that lanes finish in any order.

    Nothing looks at two frames of a stream at the same time.
    """
    at_once: set[str] = set()

    def decode(order: FrameOrder) -> Image.Image:
        assert order.stream not in at_once
        at_once.add(order.stream)
        wait()
        at_once.discard(order.stream)
        return Image.open(io.BytesIO(order.body)).convert("RGB")

    write_identity_model(folder)
    with closing(engine_of(folder, lanes=lanes, codec=ScriptedCodec(decode))) as engine:
        engine.load()
        yield engine
