"""The extension that is in the same process: frames of a pipeline reach the models without HTTP and without a codec."""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from handlers.dataplane import DataPlane
from handlers.decoding.raw import tight
from handlers.parsing.numbers import read_number, read_whole_number
from handlers.parsing.queries import STREAM_NAME, STREAM_PARAMETERS
from handlers.server.settings import split
from models.errors import FrameError, UnavailableError
from models.order import FrameOrder
from models.results import MAX_DETECTIONS
from player.errors import ExtensionBusyError, ExtensionError, ExtensionRefusedError, TopologyError
from player.flow import Inference, Picture
from player.nodes.protocol.encoding import Body, ImageFormat, ImageSettings, encode
from player.nodes.protocol.scaling import Scale, restored

PATH = re.compile(r"/+(?:inference(?:/+(?P<model>[A-Za-z0-9._-]+))?|score)/*")
RAW = ImageFormat("raw", pixel_format="bgr24")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PARAMETERS = {"confidence", "maxDetections", "object", *STREAM_PARAMETERS}
INTERNAL_ERROR = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """How an extension is asked: the size of pictures, and how long an answer may take."""

    scale: Scale
    timeout_s: float


def is_local(url: str) -> bool:
    """Return whether an extension's address is one of this machine."""
    return urlsplit(url).hostname in LOOPBACK


def order_of(url: str, caller: str) -> FrameOrder:
    """Return what a frame posted to that address would be ordered with. `caller`: whose turn it waits for.

    Raises TopologyError for a path or a parameter that does not exist.
    """
    parts = urlsplit(url)
    found = PATH.fullmatch(parts.path)
    if not found:
        raise TopologyError(
            f"{parts.path[:100] or '/'} takes no frames here; an extension's address ends in /inference, "
            "/inference/MODEL or /score."
        )
    order = FrameOrder(model=found["model"], encoding="metadata", caller=caller)
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        order = _with_parameter(order, name, text)
    return order


def _with_parameter(order: FrameOrder, name: str, text: str) -> FrameOrder:
    number = read_number(text)
    if name == "confidence" and number is not None and 0 <= number <= 1:
        return replace(order, confidence=number)
    count = read_whole_number(text)
    if name == "maxDetections" and count is not None and 1 <= count <= MAX_DETECTIONS:
        return replace(order, max_detections=count)
    if name == "object" and text:
        return replace(order, labels=split(text))
    if name in STREAM_PARAMETERS and STREAM_NAME.fullmatch(text):
        return replace(order, stream=text)
    shown = f"{name}={text[:100]!r}" if name in PARAMETERS else f"the parameter {name[:100]!r}"  # others may be secret
    raise TopologyError(
        f"The extension's address has {shown}; expected confidence=0..1, object=LABELS, stream=NAME or "
        f"maxDetections=1..{MAX_DETECTIONS}."
    )


class LocalExtension:
    """Answers like POST /inference, with the same settings of a picture's size.

    `order`: without a frame. `loop`: on which viewers are shown the frames. Raises UnknownLabelError.
    """

    def __init__(self, dataplane: DataPlane, loop: asyncio.AbstractEventLoop, order: FrameOrder, asked: Asked) -> None:
        dataplane.refuse_unknown_labels(order)
        self._dataplane, self._loop, self._order = dataplane, loop, order
        self._image, self._timeout_s = ImageSettings(asked.scale, RAW), asked.timeout_s

    def prepare(self, picture: Picture, at_s: float) -> Callable[[], tuple[Inference, ...]]:  # noqa: ARG002
        """Take the pixels of a picture; return what asks about it. The server has a clock of its own."""
        body = encode(picture, self._image)
        return lambda: self._answer(body)

    def close(self) -> None:
        """Do nothing: the server ends by itself."""

    def _answer(self, body: Body) -> tuple[Inference, ...]:
        layout = tight("bgr24", body.placement.canvas_wh)
        try:
            order = self._dataplane.with_settings(replace(self._order, body=body.content, layout=layout))
            answered = self._dataplane.infer(order).result(self._timeout_s)
        except UnavailableError as error:
            raise ExtensionBusyError(str(error), error.retry_after_s) from error
        except FrameError as error:
            raise ExtensionRefusedError(str(error), INTERNAL_ERROR, str(error)) from error
        except (FutureTimeoutError, CancelledError) as error:
            raise ExtensionError(f"The server gave no answer within {self._timeout_s:g} s.") from error
        if order.stream:
            self._loop.call_soon_threadsafe(self._dataplane.show, order, answered)
        found = json.loads(answered.value)["inferences"] if answered.value else ()
        return tuple(filter(None, (restored(inference, body.placement) for inference in found)))
