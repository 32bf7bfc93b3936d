"""What stands in Ray's HTTP proxy before anything of Ray: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names it."""

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.parsing.request_names import REQUEST_ID_HEADERS, names_in

STEERING = {
    b"serve_multiplexed_model_id",
    b"x_request_disconnect_disabled",
    b"x_request_timeout_seconds",
    b"x_session_id",
}
"""Headers by which a caller could choose replicas and time limits, with underscores, as Ray reads some of them."""
OURS, OF_RAY = REQUEST_ID_HEADERS
"""Two headers for the id of a request. Ray gives every request one of its own in the second, and every answer."""
CLOSE: Message = {"type": "websocket.close"}
TAKEN_OUT = STEERING | {name.lower().replace("-", "_").encode() for name in REQUEST_ID_HEADERS}


class CallersDoNotSteer:
    """Takes Ray's own headers out of requests and answers: callers get the contract, no more and no less."""

    def __init__(self, next_app: ASGIApp) -> None:
        self._next_app = next_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection. The caller's id of a request travels in the header that Ray leaves alone.

        The contract has no WebSocket: uvicorn answers 403 to the offer of one, which goes no further.
        """
        if scope["type"] == "websocket":
            await send(CLOSE)
            return
        names = names_in(scope.get("headers", ()))

        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                del headers[OF_RAY]
                if names.header == OF_RAY and OURS in headers:
                    del headers[OURS]
                    headers[OF_RAY] = names.request_id
            await send(message)

        headers = [
            (name, value)
            for name, value in scope.get("headers", ())
            if name.lower().replace(b"-", b"_") not in TAKEN_OUT
        ]
        if names.header:
            headers.append((OURS.encode(), names.request_id.encode()))
        await self._next_app({**scope, "headers": headers}, receive, send_plain)


def middlewares() -> list[Middleware]:
    """Return what Ray puts around its proxy."""
    return [Middleware(CallersDoNotSteer)]
