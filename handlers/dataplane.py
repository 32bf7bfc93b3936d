"""One frame's way through the service, for every client: HTTP, the command line, a pipeline in the same process.

Knows neither connexion nor starlette.
"""

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from handlers.decoding.decoder import Decoder
from handlers.encoding import drawing
from handlers.encoding.encoders import draw
from handlers.encoding.lane_codec import LaneCodec
from handlers.errors import UnknownStreamError
from handlers.streams.live_view import LiveStreams
from handlers.streams.scenes import Scenes
from handlers.streams.settings_files import SettingsOfStreams
from models.frame import Body
from models.letterbox import Size
from models.order import Answered, FrameOrder, Seen
from models.results import Results
from models.runtime.engine import Engine
from models.runtime.served import Model
from models.workers.worker import StatefulCall

SHOWN_SIDE_PX = 1280
"""Longest side of the pictures that viewers of a stream see."""
DECODING = ("decode", "look")
"""The stages in which a frame is decoded: of one that is not run, only to see whether anything has moved."""
MAX_SHOWN_DECODE_MS = 250.0
"""A frame that took longer to decode is not shown: it would keep the pictures of other streams waiting."""
SHOWN_QUALITY = 75
"""JPEG quality of these pictures: half the bytes of those that /annotate sends."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """Takes an order, gives an answer, and shows the frame to those who watch its stream."""

    engine: Engine
    codec: LaneCodec
    streams: LiveStreams
    settings: SettingsOfStreams

    def find_model(self, order: FrameOrder) -> Model:
        """Return the model that an order is for; raises ModelNotFoundError and NotReadyError."""
        return self.engine.served.find(order.model)

    def refuse_unknown_labels(self, order: FrameOrder) -> None:
        """Raise UnknownLabelError for an order that no frame can fulfil, before its frame has arrived."""
        self.find_model(order).folder.select(order.confidence, order.labels, order.max_detections)

    def refuse_if_unavailable(self, model: str | None, stream: str, caller: str) -> None:
        """Raise what a frame of that stream and caller would be refused with now.

        `model`: None for that of the stream's settings, else the default one. Raises as the engine does.
        """
        self.engine.refuse_if_unavailable(model or self.settings.model_of(stream), stream, caller)

    def with_settings(self, order: FrameOrder) -> FrameOrder:
        """Return an order, taken now, with what is set for its stream."""
        settings = self.settings.of(order.stream)
        if settings is None:
            return order
        model, scenes = order.model or settings.model, self.scenes_of(order.stream)
        begun_at_s = scenes.begun_at_s if scenes else self.streams.displaced_at_s
        return replace(order, settings=settings, model=model, taken_at_s=time.monotonic(), begun_at_s=begun_at_s)

    def scenes_of(self, stream: str) -> Scenes | None:
        """Return what is known of the objects of a listed stream, under its present settings; None: it has none."""
        try:
            listed = self.streams.find(stream, even_silent=True)
        except UnknownStreamError:
            return None
        settings = self.settings.of(stream)
        if settings is None:
            listed.scenes = None
        elif listed.scenes is None or listed.scenes.settings is not settings:
            listed.scenes = Scenes(settings, time.monotonic())
        return listed.scenes

    def forget(self, stream: str) -> None:
        """Forget what is remembered of a stream. Raises UnknownStreamError."""
        self.streams.find(stream, even_silent=True).scenes = None
        self.scenes_of(stream)

    def infer(self, order: FrameOrder) -> Future[Answered]:
        """Queue one frame; the future gives its answer. Raises and is cancelled as `Engine.infer` says."""
        return self.engine.infer(order)

    def show(self, order: FrameOrder, answered: Answered) -> None:
        """Show an answered frame to the viewers of its stream. To be called on the event loop."""
        outcome = answered.seen.outcome
        views = self.streams.record_frame(order.stream, answered.model, answered.size_wh, outcome, order.caller)
        self._record_scene(order, answered)
        if max(answered.stages_ms.get(stage, 0) for stage in DECODING) <= MAX_SHOWN_DECODE_MS:
            for view in views:
                seen = answered.seen if view.draws_seen else None
                picture = ShownPicture(replace(order, body=b""), answered.results, answered.size_wh, seen)
                self.streams.queue_render(view, StatefulCall(partial(_unchanged, picture), order.body))

    def _record_scene(self, order: FrameOrder, answered: Answered) -> None:
        stream = self.streams.find(order.stream)
        if stream.scenes is None and order.settings is not None:
            stream.scenes = Scenes(order.settings, order.begun_at_s)
        if stream.scenes and answered.scene and order.settings is stream.scenes.settings:
            stream.scenes.record(answered.model, answered.scene, order.taken_at_s)

    def close(self) -> None:
        """End the lanes of the engine, and the one that draws pictures."""
        self.streams.close()
        self.engine.close()


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """The picture that viewers of a stream see, not drawn yet.

    `order`: without its body. `seen`: what is drawn besides the results.
    """

    order: FrameOrder
    results: Results
    size_wh: Size
    seen: Seen | None

    def __call__(self, decoder: Decoder, body: Body) -> bytes:
        """Draw it; return it as JPEG."""
        size_wh = drawing.canvas_size(self.size_wh, SHOWN_SIDE_PX)
        picture = draw(decoder, replace(self.order, body=body), self.results, size_wh)
        if self.seen:
            drawing.draw_seen(picture, self.seen)
        return drawing.encode(picture, "image/jpeg", SHOWN_QUALITY)


def _unchanged(picture: ShownPicture) -> ShownPicture:
    return picture
