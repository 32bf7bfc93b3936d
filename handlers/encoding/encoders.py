"""The encodings of the protocol's own answers, by the name that an order has for them."""

from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.encoding import drawing, metadata
from handlers.encoding.lane_codec import Encoder
from models.frame import DecodeTarget
from models.letterbox import Size
from models.order import FrameOrder
from models.repository.folder import ModelFolder
from models.results import Results
from models.runtime.steps import Work


def encode_nothing(_: Work, __: Decoder) -> bytes:
    """Return nothing: the caller wants the results only."""
    return b""


def encode_metadata(work: Work, _: Decoder) -> bytes:
    """Return the inference metadata document; empty when nothing was found."""
    chained = {each.name: _reported(each) for each in work.folder.chained}
    return metadata.encode(work.results, _reported(work.folder), chained, _happened(work))


def _happened(work: Work) -> metadata.Happened:
    """Return what is reported of the frame's stream besides results."""
    settings = work.order.settings
    if settings is None:
        return metadata.NOTHING
    return metadata.Happened(
        work.seen.moving_xyxy if settings.motion and settings.motion.report else (),
        work.scene.events if work.scene else (),
        settings.sequence_id,
    )


def _reported(folder: ModelFolder) -> metadata.Reported:
    return metadata.Reported(folder.config.inference_types, folder.config.output.subtype)


def encode_picture(work: Work, decoder: Decoder) -> bytes:
    """Return the picture with the results drawn on it, in the media type that the order names."""
    picture = draw(decoder, work.order, work.results, drawing.canvas_size(work.size_wh))
    return drawing.encode(picture, work.order.encoding)


def draw(decoder: Decoder, order: FrameOrder, results: Results, size_wh: Size) -> Image.Image:
    """Return the frame of an order at this size in pixels, with the results drawn on it.

    Decodes it again, and no more of it than the size needs. Raises what the decoder raises.
    """
    frame = decoder.frame(order.body, order.layout, DecodeTarget(size_wh), upright=order.upright)
    return drawing.annotate(frame, results, size_wh)


ENCODERS: dict[str, Encoder] = {
    "none": encode_nothing,
    "metadata": encode_metadata,
    **dict.fromkeys(drawing.FORMATS, encode_picture),
}
"""Name → encoder."""
