"""What stands in Ray's HTTP proxy before anything of Ray: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names it."""

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STEERING = {
    b"serve_multiplexed_model_id",
    b"x_request_disconnect_disabled",
    b"x_request_id",
    b"x_request_timeout_seconds",
    b"x_session_id",
}
"""Headers by which a caller could choose replicas and time limits, with underscores, as Ray reads some of them."""
REQUEST_ID = "x-request-id"


class CallersDoNotSteer:
    """Takes Ray's own headers out of requests and answers: callers get the contract, no more and no less."""

    def __init__(self, next_app: ASGIApp) -> None:
        self._next_app = next_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""

        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)[REQUEST_ID]
            await send(message)

        headers = [
            (name, value)
            for name, value in scope.get("headers", ())
            if name.lower().replace(b"-", b"_") not in STEERING
        ]
        await self._next_app({**scope, "headers": headers}, receive, send_plain)


def middlewares() -> list[Middleware]:
    """Return what Ray puts around its proxy."""
    return [Middleware(CallersDoNotSteer)]
