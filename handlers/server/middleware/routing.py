"""Routing by exactly the paths of the contract."""

from typing import Any

from connexion.middleware.routing import RoutingMiddleware
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send


class ExactRoutingMiddleware(RoutingMiddleware):  # type: ignore[misc]  # connexion is untyped
    """connexion's routing, without redirects for an extra slash, and with one answer to unknown paths."""

    def add_api(self, *arguments: Any, **options: Any) -> None:
        """Add the contract's paths."""
        super().add_api(*arguments, **options)
        for mount in self.router.routes:
            mount.app.redirect_slashes = False
            mount.app.default = _refuse


async def _refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)
