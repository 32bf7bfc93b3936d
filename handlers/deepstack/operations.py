"""The operations of the dialect: pictures in forms, answers as DeepStack and CodeProject.AI give them."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TypeAlias

from connexion import request
from connexion.lifecycle import ConnexionRequest
from starlette.responses import JSONResponse, Response

from handlers.context import Context, RequestRecord
from handlers.decoding.encoded import format_of
from handlers.deepstack.dialect import FORM_CONTENT_TYPE, pending_key
from handlers.deepstack.forms import PictureForm, read_form
from handlers.deepstack.predictions import encode_predictions, encode_scene
from handlers.frames import PostedFrame, infer, read_body
from models.errors import ModelNotFoundError
from models.letterbox import Size
from models.results import Results, Selection
from models.runtime.engine import Model

MAX_PREDICTIONS = 20
"""The default. Frigate's table has this many rows, and Frigate writes beyond them."""

Select: TypeAlias = Callable[[Model, PictureForm], Selection]
EncodeMeasured: TypeAlias = Callable[[Results, Size, str, Mapping[str, float]], bytes]
"""Takes the results, the picture's size, the model's name, and what each stage took."""


async def detect_objects(object_: list[str] | None = None, max_detections: int | None = None) -> Response:
    """Find objects with the default model."""
    return await _detect(object_, max_detections)


async def detect_custom(
    model: str,  # noqa: ARG001  # connexion passes it; Context.model_for finds it
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Find objects with the model that the path names."""
    return await _detect(object_, max_detections)


async def detect_faces(max_detections: int | None = None) -> Response:
    """Find faces with the first model that finds them."""
    return await _detect(None, max_detections)


async def classify_scene() -> Response:
    """Classify the whole picture with the first classifier."""
    return await _answer_form(lambda model, _: model.folder.select(0, None, 1), encode_scene)


async def list_custom_models() -> JSONResponse:
    """List the models that find objects."""
    context: Context = request.state.context
    names = [model.name for model in context.engine.models if _finds_objects(model)]
    return JSONResponse({"success": True, "models": names, "code": 200})


async def get_update_state() -> JSONResponse:
    """Report that there is no update."""
    message = f"This is framehook {version('framehook')}, which does not look for updates."
    return JSONResponse({"success": True, "updateAvailable": False, "message": message, "code": 200})


async def _detect(labels: list[str] | None, max_detections: int | None) -> Response:
    def select(model: Model, form: PictureForm) -> Selection:
        if not _finds_objects(model):
            raise ModelNotFoundError(
                f"The model {model.name} finds no objects; /v1/vision/custom/list lists the models that do."
            )
        return model.folder.select(form.min_confidence, labels, max_detections or MAX_PREDICTIONS)

    return await _answer_form(select, encode_predictions)


def _finds_objects(model: Model) -> bool:
    return "entity" in model.folder.config.inference_types


async def _read_keyed_form(frame_request: ConnexionRequest, record: RequestRecord) -> PictureForm:
    """Return the form at hand, its key checked where access depends on it; raises EdgeError."""
    body = await read_body(frame_request, record)
    form = read_form(frame_request.scope["state"][FORM_CONTENT_TYPE], body)
    key = pending_key(frame_request.scope)
    if key:
        key.check(form.api_key)
    return form


async def _answer_form(select: Select, encode: EncodeMeasured) -> Response:
    frame_request: ConnexionRequest = request._get_current_object()  # noqa: SLF001  # the proxy makes one at every use
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    form = await _read_keyed_form(frame_request, record)
    model = context.engine.find(context.model_for(frame_request.scope))
    record.model, record.frame_format = model.name, format_of(form.image)
    posted = PostedFrame(form.image, context.decoder, None)

    def encode_measured(results: Results) -> bytes:
        return encode(results, record.size_wh, model.name, record.stages_ms)

    document = await infer(frame_request, model, select(model, form), posted, encode_measured)
    return Response(document, media_type="application/json")
