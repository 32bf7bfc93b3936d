"""Authentication fails closed: an operation that never checks the key of its form cannot answer."""

import copy
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from connexion import request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from handlers.deepstack.dialect import pending_key
from handlers.errors import (
    EdgeError,
    InvalidParameterError,
    TooManyPixelsError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from handlers.server import app
from handlers.server.contract import Contract, read_contract
from lab.graphs import write_identity_model
from models.errors import InferenceError, ModelNotFoundError
from tests.support.credentials import ADMIN_TOKEN, AUTHORIZED, CAMERA_TOKEN, GUARDED, PROBE_TOKEN
from tests.support.server import LiveServer, running
from tests.support.waiting import PATIENCE_S

PATH = "/v1/vision/careless"
FORM = {"image": b"picture"}
SECRET = "what only known callers may read"

Operation = Callable[[], Awaitable[Response]]


async def answer() -> Response:
    return JSONResponse({"success": True, "secret": SECRET})


async def stream() -> Response:
    return StreamingResponse(iter([SECRET.encode()] * 3))


async def answer_empty() -> Response:
    return Response(status_code=204)


async def redirect() -> Response:
    return Response(status_code=307, headers={"Location": f"/{SECRET.replace(' ', '-')}"})


async def answer_not_found() -> Response:
    return JSONResponse({"success": False, "error": SECRET}, status_code=404)


async def swallow_refusal() -> Response:
    """Check the key, and answer in any case."""
    key = pending_key(request.scope)
    assert key
    try:
        key.check("wrong")
    except UnauthorizedError:
        return await answer()
    raise AssertionError


def raising(error: Exception) -> Operation:
    async def operation() -> Response:
        raise error

    return operation


CARELESS: dict[str, Operation] = {
    "an answer": answer,
    "a stream": stream,
    "an empty answer": answer_empty,
    "a redirect": redirect,
    "a refusal as an answer": answer_not_found,
    "a refusal of the key that is swallowed": swallow_refusal,
    "a wrong form": raising(InvalidParameterError(SECRET)),
    "a picture too large": raising(TooManyPixelsError(SECRET)),
    "no such model": raising(ModelNotFoundError(SECRET)),
    "no such path": raising(HTTPException(404)),
    "another media type": raising(UnsupportedMediaTypeError(SECRET)),
}
"""Ways in which an operation may neglect to check the key."""


def extended() -> Callable[..., Contract]:
    """Return a function that reads the contract and adds an operation that takes a form."""

    def read(*arguments: Any) -> Contract:
        contract = read_contract(*arguments)
        document = copy.deepcopy(contract.document)
        document["paths"][PATH] = {
            "post": document["paths"]["/v1/vision/detection"]["post"] | {"operationId": "careless"}
        }
        return replace(contract, document=document)

    return read


@pytest.fixture(scope="module")
def chosen() -> dict[str, Operation]:
    """The operation that the service binds as `careless`."""
    return {}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, Operation]) -> Iterator[LiveServer]:
    """The service, where everything needs a credential, with an operation that never checks its key."""

    async def careless(max_detections: int | None = None) -> Response:
        assert max_detections is None
        return await chosen["careless"]()

    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    models: dict[str, Any] = {"model_repository": folder.parent, "default_model": folder.name}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app, "read_contract", extended())
        patched.setitem(app.OPERATIONS, "careless", careless)
        with running(wait_until_ready=False, **models, **GUARDED) as server:
            server.wait_until_ready(AUTHORIZED)
            yield server


def post(server: LiveServer, **options: Any) -> httpx.Response:
    return httpx.post(server.url + PATH, files=FORM, timeout=PATIENCE_S, **options)


@pytest.mark.parametrize("operation", CARELESS.values(), ids=CARELESS)
@pytest.mark.parametrize("key", [None, "", "wrong", PROBE_TOKEN, CAMERA_TOKEN, ADMIN_TOKEN])
def test_an_operation_that_never_checks_its_key_answers_401(
    live: LiveServer, chosen: dict[str, Operation], operation: Operation, key: str | None
) -> None:
    """Even with a right key, so that such an operation is noticed."""
    chosen["careless"] = operation
    refused = post(live, data={} if key is None else {"api_key": key})
    assert (refused.status_code, refused.json()["success"], refused.json()["code"]) == (401, False, 401)
    assert refused.headers["content-type"] == "application/json"
    assert 'Bearer realm="framehook"' in refused.headers.get_list("www-authenticate")
    assert SECRET not in f"{refused.text} {refused.headers}"
    assert SECRET.replace(" ", "-") not in str(refused.headers)


def test_a_credential_in_a_header_needs_no_key(live: LiveServer, chosen: dict[str, Operation]) -> None:
    chosen["careless"] = answer
    assert post(live, headers=AUTHORIZED).json()["secret"] == SECRET
    chosen["careless"] = raising(InvalidParameterError(SECRET))
    assert post(live, headers=AUTHORIZED).status_code == 400


def test_a_key_that_was_checked_opens_the_operation(live: LiveServer, chosen: dict[str, Operation]) -> None:
    async def check_and(then: Operation, key: str) -> Response:
        pending = pending_key(request.scope)
        assert pending
        pending.check(key)
        return await then()

    for then, key, status in (
        (answer, CAMERA_TOKEN, 200),
        (answer, PROBE_TOKEN, 403),
        (answer, "wrong", 401),
        (raising(ModelNotFoundError("none")), CAMERA_TOKEN, 404),
        (raising(ModelNotFoundError("none")), "wrong", 401),
    ):
        chosen["careless"] = lambda then=then, key=key: check_and(then, key)  # type: ignore[misc]
        assert post(live).status_code == status


@pytest.mark.parametrize(
    "error", [InferenceError(SECRET), RuntimeError(SECRET)], ids=["of the model", "of the service"]
)
def test_a_failure_stays_a_failure_and_tells_nothing(
    live: LiveServer, chosen: dict[str, Operation], error: Exception
) -> None:
    assert not isinstance(error, EdgeError)
    chosen["careless"] = raising(error)
    failed = post(live)
    assert failed.status_code == 500
    assert SECRET not in failed.text


def test_a_wrong_parameter_is_reported_to_known_callers_only(live: LiveServer, chosen: dict[str, Operation]) -> None:
    chosen["careless"] = answer
    assert post(live, params={"maxDetections": 0}).status_code == 401
    assert post(live, params={"maxDetections": 0}, headers=AUTHORIZED).status_code == 400
