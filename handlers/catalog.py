"""What is served here."""

from typing import Any

from connexion import request
from starlette.responses import JSONResponse

from handlers.context import Context
from models.runtime.repository import ModelFolder


async def list_models() -> JSONResponse:
    """List the models."""
    context: Context = request.state.context
    return JSONResponse({"models": [model_record(folder) for folder in context.engine.folders]})


async def get_model(model: str) -> JSONResponse:
    """Describe one model."""
    context: Context = request.state.context
    return JSONResponse(model_record(context.engine.find(model)))


def model_record(folder: ModelFolder) -> dict[str, Any]:
    """Return the contract's record of one model."""
    config = folder.config
    width, height = config.input.size_wh
    return {
        "name": folder.name,
        "family": config.family.name,
        "inferenceTypes": list(config.inference_types),
        "labels": list(folder.labels),
        "inputSize": {"width": width, "height": height},
        "licence": config.licence,
        "source": config.source,
    }
