"""What is served here."""

import asyncio
from typing import Any

from connexion import request
from starlette.responses import JSONResponse

from handlers.context import Context
from models.errors import ModelRejectedError
from models.repository.folder import ModelFolder


async def list_models() -> JSONResponse:
    """List the models."""
    context: Context = request.state.context
    served = context.engine.served
    document: dict[str, Any] = {"models": [model_record(model.folder) for model in served.models]}
    if served.broken:
        document["broken"] = [{"name": name, "detail": reason} for name, reason in sorted(served.broken.items())]
    return JSONResponse(document)


async def get_model(model: str) -> JSONResponse:
    """Describe one model."""
    context: Context = request.state.context
    return JSONResponse(model_record(context.engine.served.find(model).folder))


async def reload_model(model: str) -> JSONResponse:
    """Bring one model into step with its folder; raises ModelNotFoundError and ModelRejectedError."""
    context: Context = request.state.context
    outcome = await asyncio.to_thread(context.reloader.reload, model)
    if outcome.change == "rejected":
        raise ModelRejectedError(outcome.reason)
    document = {"model": outcome.model, "change": outcome.change, "version": outcome.version}
    return JSONResponse({name: value for name, value in document.items() if value is not None})


def model_record(folder: ModelFolder) -> dict[str, Any]:
    """Return the contract's record of one model."""
    config = folder.config
    width, height = config.input.size_wh
    return {
        "name": folder.name,
        "version": folder.version,
        "family": config.family.name,
        "inferenceTypes": list(config.inference_types),
        "labels": list(folder.labels),
        "inputSize": {"width": width, "height": height},
        "licence": config.licence,
        "source": config.source,
    }
