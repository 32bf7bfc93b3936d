"""Bodies of multipart/form-data → the picture in them, and the fields that stand beside it."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from handlers.errors import InvalidParameterError, UndecodableFrameError

MAX_FIELDS, MAX_FIELD_BYTES = 16, 1024
"""Far more than any client sends beside the picture, as the contract has it."""

DEFAULT_MIN_CONFIDENCE = 0.4
"""CodeProject.AI's, and what Frigate looks at."""

NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class PictureForm:
    """What a form says. `image`: the bytes of the file. `min_confidence`: 0..1. `api_key`: empty when there is none."""

    image: bytes
    min_confidence: float
    api_key: str


async def read_form(content_type: str, body: bytes) -> PictureForm:
    """Return what a form says, all of it in memory; raises InvalidParameterError and UndecodableFrameError."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        Headers({"Content-Type": content_type}),
        whole(),
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    parser.spool_max_size = len(body)  # never into a file
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidParameterError(
            "The form cannot be read: expected multipart/form-data with one file 'image' and a few short fields."
        ) from error
    return PictureForm(await _image(form), _min_confidence(form), _field(form, "api_key"))


async def _image(form: FormData) -> bytes:
    file = form.get("image")
    if not isinstance(file, UploadFile):
        raise InvalidParameterError("The form has no file 'image': expected one JPEG, PNG or BMP picture.")
    image = await file.read()
    if not image:
        raise UndecodableFrameError("The file 'image' of the form is empty; expected one JPEG, PNG or BMP picture.")
    return image


def _min_confidence(form: FormData) -> float:
    written = _field(form, "min_confidence").strip()
    if not written:
        return DEFAULT_MIN_CONFIDENCE
    if NUMBER.fullmatch(written) and float(written) <= 1:
        return float(written)
    raise InvalidParameterError(
        "The field 'min_confidence' is wrong: expected a number from 0 to 1, with a decimal point."
    )


def _field(form: FormData, name: str) -> str:
    """Return the text of a field, empty when there is none; raises InvalidParameterError when there are several."""
    values = form.getlist(name)
    if len(values) > 1:
        raise InvalidParameterError(f"The field '{name}' is given more than once.")
    return values[0] if values and isinstance(values[0], str) else ""
