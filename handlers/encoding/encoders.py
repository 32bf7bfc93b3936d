"""The encodings of the protocol's own answers, by the name that an order has for them."""

from handlers.decoding.decoder import Decoder
from handlers.encoding import drawing, metadata
from handlers.encoding.lane_codec import Encoder
from models.runtime.steps import Work


def encode_nothing(_: Work, __: Decoder) -> bytes:
    """Return nothing: the caller wants the results only."""
    return b""


def encode_metadata(work: Work, _: Decoder) -> bytes:
    """Return the inference metadata document; empty when nothing was found."""
    config = work.folder.config
    return metadata.encode(work.results, config.inference_types, config.output.subtype)


def encode_picture(work: Work, decoder: Decoder) -> bytes:
    """Return the picture with the results drawn on it, in the media type that the order names."""
    whole = decoder.whole(work.order.body, work.order.layout)
    return drawing.encode(drawing.annotate(whole, work.results), work.order.encoding)


ENCODERS: dict[str, Encoder] = {
    "none": encode_nothing,
    "metadata": encode_metadata,
    **dict.fromkeys(drawing.FORMATS, encode_picture),
}
"""Name → encoder."""
