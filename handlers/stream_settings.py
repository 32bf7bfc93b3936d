"""The operations on the settings of streams."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from connexion import request
from starlette.responses import JSONResponse, Response

from handlers.context import Context
from handlers.errors import BodyTooLargeError, InvalidStreamSettingsError, NoStreamSettingsError
from handlers.http_frames import current_request
from handlers.streams.settings_files import DEFAULT, MAX_SETTINGS_BYTES, checked_settings
from scene.settings import StreamSettings


async def get_stream_settings(stream: str) -> JSONResponse:
    """Return the settings that apply to a stream. Raises NoStreamSettingsError."""
    context: Context = request.state.context
    known = context.dataplane.settings
    settings = known.of(stream)
    if settings is None:
        raise NoStreamSettingsError
    return _settings_answer(stream if stream in known else DEFAULT, settings)


async def put_stream_settings(stream: str) -> JSONResponse:
    """Set the settings of a stream. Raises InvalidStreamSettingsError and StreamSettingsLockedError."""
    context: Context = request.state.context
    settings = checked_settings(_parsed(await _read_settings()))
    await asyncio.to_thread(context.dataplane.settings.put, stream, settings)
    return _settings_answer(stream, settings)


async def delete_stream_settings(stream: str) -> Response:
    """Remove the settings of a stream. Raises NoStreamSettingsError and StreamSettingsLockedError."""
    context: Context = request.state.context
    await asyncio.to_thread(context.dataplane.settings.remove, stream)
    return Response(status_code=204)


def _settings_answer(stream: str, settings: StreamSettings) -> JSONResponse:
    name = stream.replace(".", "%2E") if stream in {".", ".."} else quote(stream, safe="")  # else another path
    location = f"/streams/{name}/settings"
    return JSONResponse(settings.as_document(), headers={"Content-Location": location})


async def _read_settings() -> bytes:
    """Return the body of the request at hand; raises BodyTooLargeError."""
    body = b""
    async for chunk in current_request().stream():
        body += chunk
        if len(body) > MAX_SETTINGS_BYTES:
            raise BodyTooLargeError(f"Settings of a stream have at most {MAX_SETTINGS_BYTES} bytes.")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise InvalidStreamSettingsError("The body is not JSON in UTF-8.") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a section; in YAML a repeated key is a fault, too."""
    section = dict(pairs)
    if len(section) < len(pairs):
        raise InvalidStreamSettingsError("A key is there twice; expected each key once in its section.")
    return section
