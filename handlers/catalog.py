"""The operations that list models and reload them."""

import asyncio
from typing import Any

from connexion import request
from starlette.responses import JSONResponse

from handlers.context import Context
from handlers.encoding.model_record import model_record
from models.errors import ModelRejectedError
from models.runtime.served import ServedModels


async def list_models() -> JSONResponse:
    """List the models."""
    context: Context = request.state.context
    served = context.engine.served
    models = [model_record(model.folder, served.aliases) for model in served.models]
    document: dict[str, Any] = {"defaultModel": served.default_model, "models": models}
    if broken := served.broken:
        document["broken"] = [_broken_record(served, name, broken[name].reason) for name in sorted(broken)]
    return JSONResponse(document)


def _broken_record(served: ServedModels, name: str, reason: str) -> dict[str, str]:
    """Return the contract's schema `BrokenModel`."""
    record = {"name": name, "detail": reason}
    version = served.version_of(name)
    return record | {"servedVersion": version} if version else record


async def get_model(model: str) -> JSONResponse:
    """Describe one model."""
    context: Context = request.state.context
    served = context.engine.served
    return JSONResponse(model_record(served.find(model).folder, served.aliases))


async def reload_model(model: str) -> JSONResponse:
    """Load one model again from its folder. Raises ModelNotFoundError and ModelRejectedError."""
    context: Context = request.state.context
    outcome = await asyncio.to_thread(context.reloader.reload, model)
    if outcome.reason is not None:
        raise ModelRejectedError(outcome.reason)
    document = {"model": outcome.model, "change": outcome.change, "version": outcome.version}
    return JSONResponse({name: value for name, value in document.items() if value is not None})
