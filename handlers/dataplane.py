"""One frame's way through the service, for every client: HTTP, the command line, a pipeline in the same process.

Knows neither connexion nor starlette.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from handlers.encoding import drawing
from handlers.encoding.lane_codec import LaneCodec
from handlers.live_view import LiveStreams
from models.frame import DecodeTarget
from models.order import Answered, FrameOrder
from models.runtime.engine import Engine
from models.runtime.served import Model

SHOWN_SIDE_PX = 1280
"""Longest side of the pictures that viewers of a stream see."""
SHOWN_QUALITY = 75
"""JPEG quality of these pictures: half the bytes of those that /annotate sends."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """Takes an order, gives an answer, and shows the frame to those who watch its stream."""

    engine: Engine
    codec: LaneCodec
    streams: LiveStreams

    def find_model(self, order: FrameOrder) -> Model:
        """Return the model that an order is for, before its frame has arrived.

        Raises ModelNotFoundError, NotReadyError and UnknownLabelError.
        """
        model = self.engine.served.find(order.model)
        model.folder.select(order.confidence, order.labels, order.max_detections)
        return model

    def infer(self, order: FrameOrder) -> Future[Answered]:
        """Queue one frame; the future gives its answer. Raises and is cancelled as `Engine.infer` says."""
        return self.engine.infer(order)

    def show(self, order: FrameOrder, answered: Answered) -> None:
        """Show an answered frame to the viewers of its stream. To be called on the event loop."""
        watched = self.streams.record_frame(order.stream, answered.model, answered.size_wh)
        if watched:
            self.streams.queue_render(watched, lambda: self._drawn(order, answered), len(order.body))

    def _drawn(self, order: FrameOrder, answered: Answered) -> bytes:
        """Return the picture that viewers see."""
        size_wh = drawing.canvas_size(answered.size_wh, SHOWN_SIDE_PX)
        frame = self.codec.decode(order, DecodeTarget(size_wh))
        return drawing.encode(drawing.annotate(frame, answered.results, size_wh), "image/jpeg", SHOWN_QUALITY)
