"""The operations of the dialect: pictures in forms, answers as DeepStack and CodeProject.AI give them."""

from dataclasses import replace
from importlib.metadata import version

from connexion.lifecycle import ConnexionRequest
from starlette.responses import JSONResponse, Response

from handlers.context import Context, RequestRecord
from handlers.decoding.encoded import format_of
from handlers.deepstack.dialect import FORM_CONTENT_TYPE, pending_key
from handlers.deepstack.forms import PictureForm, read_form, read_picture
from handlers.http_frames import current_request, infer, read_body
from models.errors import ModelNotFoundError
from models.order import FrameOrder
from models.runtime.served import Model

MAX_PREDICTIONS = 20
"""The default. Frigate's table has this many rows, and Frigate writes beyond them."""

OBJECTS_QUEUE = "objectdetection_queue"
QUEUES = {"blazeface": "faceprocessing_queue", "classifier": "sceneclassification_queue"}
"""What a model is for, in the words of CodeProject.AI: family → queue; other families find objects."""


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
    return await _answer_form(FrameOrder(encoding="scene", confidence=0, max_detections=1))


async def read_plates(max_detections: int | None = None) -> Response:
    """Read licence plates with the first model that gives its objects to a reader of text."""
    return await _answer_form(FrameOrder(encoding="plates", max_detections=max_detections or MAX_PREDICTIONS))


read_plates_of_image = read_plates
"""Under the path of CodeProject.AI's older modules."""


async def list_custom_models() -> JSONResponse:
    """List the models that find objects."""
    context: Context = current_request().state.context
    names = [model.name for model in context.engine.served.models if _finds_objects(model)]
    return JSONResponse({"success": True, "models": names, "code": 200})


get_custom_models = list_custom_models
"""With GET."""


async def ping() -> JSONResponse:
    """Report that the process is alive."""
    return JSONResponse({"success": True, "code": 200})


async def list_analysis_modules() -> JSONResponse:
    """List the models as modules of CodeProject.AI."""
    context: Context = current_request().state.context
    statuses = [
        {
            "moduleId": model.name,
            "queue": QUEUES.get(model.folder.config.family.name, OBJECTS_QUEUE),
            "status": "Started" if model.loaded else "Starting",
        }
        for model in context.engine.served.models
    ]
    return JSONResponse({"success": True, "statuses": statuses, "code": 200})


async def get_update_state() -> JSONResponse:
    """Report that there is no update."""
    message = f"This is framehook {version('framehook')}, which does not look for updates."
    return JSONResponse({"success": True, "updateAvailable": False, "message": message, "code": 200})


async def _detect(labels: list[str] | None, max_detections: int | None) -> Response:
    return await _answer_form(
        FrameOrder(encoding="predictions", labels=labels, max_detections=max_detections or MAX_PREDICTIONS)
    )


async def _answer_form(order: FrameOrder) -> Response:
    """Answer an order whose picture is in the form at hand, upright; without a confidence, the form's counts."""
    frame_request = current_request()
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    form = await _read_keyed_form(frame_request)
    confidence = form.min_confidence if order.confidence is None else order.confidence
    model_name = context.model_for(frame_request.scope)
    order = replace(order, body=form.image, upright=True, model=model_name, confidence=confidence)
    model = context.dataplane.find_model(order)
    record.model, record.frame_format = model.name, format_of(order.body)
    if order.encoding == "predictions" and not _finds_objects(model):
        raise ModelNotFoundError(
            f"The model {model.name} finds no objects; /v1/vision/custom/list lists the models that do."
        )
    context.dataplane.refuse_unknown_labels(order)
    return Response(await infer(frame_request, order), media_type="application/json")


def _finds_objects(model: Model) -> bool:
    return "entity" in model.folder.config.inference_types


async def _read_keyed_form(frame_request: ConnexionRequest) -> PictureForm:
    """Return the form at hand, its key checked where access depends on it; raises EdgeError.

    A picture that is posted without a form is one in a form without fields.
    """
    body = await read_body(frame_request)
    is_picture = frame_request.state.is_unlisted_type and body
    form = read_picture(body) if is_picture else read_form(frame_request.scope["state"][FORM_CONTENT_TYPE], body)
    key = pending_key(frame_request.scope)
    if key:
        key.check(form.api_key)
    return form
