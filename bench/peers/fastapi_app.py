"""FastAPI with blocking work as its documentation recommends: a `def` endpoint, which runs in the thread pool.

    uvicorn --host 127.0.0.1 --port PORT --factory bench.peers.fastapi_app:plain
    uvicorn --host 127.0.0.1 --port PORT --no-access-log --factory bench.peers.fastapi_app:tuned

`tuned` is the version of somebody who knows onnxruntime: one thread per run, no spinning; the endpoints'
threads give the parallelism.
"""

from typing import Annotated, Any

import onnxruntime
from fastapi import Depends, FastAPI, Request

from bench.peers.pipeline import infer, load, load_labels


def plain() -> FastAPI:
    """Return the application with a default session."""
    return _create(load())


def tuned() -> FastAPI:
    """Return the application with a session that leaves parallelism to the endpoints."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return _create(load(options))


async def _read_body(request: Request) -> bytes:
    body: bytes = await request.body()
    return body


def _create(session: Any) -> FastAPI:
    labels = load_labels()
    app = FastAPI()

    @app.post("/score")
    def score(body: Annotated[bytes, Depends(_read_body)]) -> dict[str, Any]:
        return infer(session, labels, body)

    return app
