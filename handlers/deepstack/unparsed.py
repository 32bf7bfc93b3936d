"""Forms are left to the operations, which read them within limits, in memory."""

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope

FORM_TYPE = "multipart/form-data"


class UnparsedForm:
    """Stands for connexion's validator of forms; it and what fills in the arguments would parse them, into files.

    They do so where they see the header Content-Type, so it is put away, as `form_type` in the request's state.
    """

    def __init__(self, **_: Any) -> None:
        """Take what connexion gives to validators."""

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Return what the next ones see of the request."""
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        scope["state"]["form_type"] = headers.get("content-type", "")
        del headers["content-type"]
        return receive, scope
