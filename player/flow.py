"""What flows through a pipeline: packets and frames, and what was found in them.

All times are capture times: seconds of Unix time, strictly increasing within a pipeline, also across reconnects and the
loops of a file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

MediaType: TypeAlias = Literal["video", "audio", "application"]
PixelFormat: TypeAlias = Literal["yuv420p", "rgb565be", "rgb565le", "rgb555be", "rgb555le", "rgb24", "bgr24", "argb",
                                 "rgba", "abgr", "bgra"]  # fmt: skip
"""The names that FFmpeg and Video Analyzer have in common."""
Inference: TypeAlias = Mapping[str, Any]
"""One inference of the protocol, as in its JSON."""
SizeWh: TypeAlias = tuple[int, int]


class Picture(Protocol):
    """A decoded picture. Not thread-safe."""

    @property
    def size_wh(self) -> SizeWh:
        """Return its width and height in pixels."""
        ...

    def luma(self, size_wh: SizeWh) -> NDArray[np.uint8]:
        """Return brightness [height, width], 0..255, scaled to a size."""
        ...

    def pixels(self, pixel_format: PixelFormat, size_wh: SizeWh) -> bytes:
        """Return the pixels, scaled to a size: rows from the top, without padding between them."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """What one node has found in a frame. `node`: its name in the topology."""

    node: str
    inferences: tuple[Inference, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame on its way. `picture`: None if only its time and what was found are of interest any longer.

    `is_sampled`: whether the last extension on its way was asked about it, and answered.
    """

    at_s: float
    picture: Picture | None = None
    findings: tuple[Finding, ...] = ()
    is_sampled: bool = False

    media_type = "video"


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded packet of a source; `content` is what player.media knows.

    `at_s`: when it is to be shown. `order_s`: when it is to be decoded, increasing within a source. `session`: the
    number of the connection it came from, from 0: packets of different sessions may have other codecs.
    """

    media_type: MediaType
    at_s: float
    order_s: float
    is_keyframe: bool
    size_bytes: int
    session: int
    content: Any


@dataclass(frozen=True, slots=True)
class Activation:
    """Between packets, from a signal gate: a clip begins or ends.

    `clip`: the number of the clip, from 1. `at_s`: of the clip's start or end. `correlation`: names the clip in events.
    """

    kind: Literal["begin", "end"]
    clip: int
    at_s: float
    correlation: str

    media_type: MediaType = "video"


@dataclass(frozen=True, slots=True)
class Signal:
    """A message from outside that reached a hub source, with no frame: it opens signal gates. `at_s`: its arrival."""

    at_s: float
    media_type: MediaType = "application"


Item: TypeAlias = Frame | Packet | Activation | Signal


class Node(Protocol):
    """A step of a pipeline. Called by one thread at a time."""

    def take(self, item: Item, port: int) -> Iterable[Item]:
        """Take an item that came to the input `port`, counted from 0 as in the topology; yield what goes on."""
        ...
