"""Packets of video in, pictures out."""

import logging

import av

from player.flow import Packet
from player.media.failures import DAMAGES
from player.media.pictures import AvPicture, Scalers
from player.media.tracks import TICKS_PER_S, Content, decoder_of

LOG = logging.getLogger(__name__)
STEP_S = 1 / TICKS_PER_S
"""The least time between two pictures."""
Pictures = list[tuple[float, AvPicture]]


class Decoder:
    """Decodes the video of a source, session after session. Used by one thread at a time.

    It begins with a keyframe, and again after each session and each damaged packet; pictures that FFmpeg had to patch
    up are left out. `threads`: how many FFmpeg may use. `max_pixels`: of a picture; larger ones count as damaged.
    `damaged`: how many packets could not be decoded, or not wholly.
    """

    def __init__(self, threads: int = 1, max_pixels: int = 100_000_000) -> None:
        self._threads, self._max_pixels = threads, max_pixels
        self._context: av.VideoCodecContext | None = None
        self._session: int | None = None
        self._waits = True
        self._last_s = 0.0
        self._scalers = Scalers()
        self.damaged = 0

    def decode(self, packet: Packet) -> Pictures:
        """Return the pictures that a packet completes, each with its capture time, in the order of their display.

        None of them need be the packet's own: pictures may refer to later ones. Packets of sound give nothing.
        """
        content = packet.content
        if packet.media_type != "video" or not isinstance(content, Content):
            return []
        done = [] if packet.session == self._session else self._begin(packet.session, content)
        if self._context is None or (self._waits and not packet.is_keyframe):
            return done
        self._waits = False
        return done + self._decoded(self._context, content)

    def flush(self) -> Pictures:
        """Return the pictures that are still in the decoder, at the end of a session or a file."""
        done = [] if self._context is None or self._waits else self._decoded(self._context, None)
        self._context = self._session = None
        return done

    def _begin(self, session: int, content: Content) -> Pictures:
        done = self.flush()
        self._context, self._session, self._waits = decoder_of(content.track), session, True
        self._context.thread_count = self._threads
        self._context.thread_type = "SLICE"  # threads for whole frames would delay each picture by so many frames
        self._context.options = {"max_pixels": str(self._max_pixels)}
        return done

    def _decoded(self, context: "av.VideoCodecContext", content: Content | None) -> Pictures:
        try:
            frames = context.decode(content.packet if content is not None else None)
        except DAMAGES as error:
            self.damaged += 1
            self._waits = True
            LOG.debug("A packet of video cannot be decoded: %s.", type(error).__name__)
            context.flush_buffers()
            return []
        whole = [frame for frame in frames if not frame.is_corrupt]
        self.damaged += len(frames) - len(whole)
        return [self._picture(frame) for frame in whole]

    def _picture(self, frame: av.VideoFrame) -> tuple[float, AvPicture]:
        self._last_s = max((frame.pts or 0) / TICKS_PER_S, self._last_s + STEP_S)
        return self._last_s, AvPicture(frame, self._scalers)
