import asyncio

from starlette.types import Message, Receive, Scope, Send

from handlers.cluster.proxy import CallersDoNotSteer


async def _receive() -> Message:
    return {"type": "websocket.connect"}


def test_a_websocket_goes_no_further_than_the_proxy() -> None:
    """Ray logs a traceback for one that is refused behind it with the status of a request."""
    reached: list[Scope] = []
    sent: list[Message] = []

    async def ray(scope: Scope, _receive: Receive, _send: Send) -> None:
        reached.append(scope)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(CallersDoNotSteer(ray)({"type": "websocket", "headers": []}, _receive, send))
    assert (reached, sent) == ([], [{"type": "websocket.close"}])
