"""Requests that pages of other sites make with the browser of their reader are refused, and pages are restricted."""

import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.errors import ForeignOriginError, UnknownHostError

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""They change nothing, and a browser does not show their answers to pages of other origins."""
ANY = "*"
"""In the names that are allowed: all of them."""
UNREGISTRABLE = (".localhost", ".local", ".lan", ".home", ".corp", ".internal", ".home.arpa")
"""Ends of names that nobody can register, so that no page on the internet can have such a name."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
OWN_SITES = {b"same-origin", b"none"}
"""`Sec-Fetch-Site` of what this service's pages and the browser's user ask. `same-site` is any port of this machine."""
ON_EVERY_ANSWER = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
)
"""Headers for browsers: they guess no other media type, keep nothing, and let no page frame an answer."""


class BrowserMiddleware:
    """Refuses what a browser sends for somebody else, before its credential is checked and its body is read.

    A foreign page can have another name, which its owner has made lead here (DNS rebinding): then the browser lets it
    read the answers. Or it posts blindly, with the password that the browser remembers. Programs are not affected.
    `names`: further names of this service; `ANY` for all. `origins`: of pages that may post, such as
    `https://nvr.example.com`.
    """

    def __init__(self, next_app: ASGIApp, names: Sequence[str], origins: Sequence[str]) -> None:
        self._next_app = next_app
        self._names = {name.lower() for name in (*names, socket.gethostname())}
        self._origins = {origin.lower().encode() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises UnknownHostError or ForeignOriginError."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if _is_browser(headers):
                self._refuse_foreigners(scope["method"], headers)
        await self._next_app(scope, receive, send)

    def _refuse_foreigners(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not _is_own_name(host, self._names):
            raise UnknownHostError
        if method not in SAFE_METHODS and not self._is_own_or_allowed(host, headers):
            raise ForeignOriginError

    def _is_own_or_allowed(self, host: str, headers: Mapping[bytes, bytes]) -> bool:
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if origin is not None and origin.lower() in self._origins:
            return True
        if site is not None:  # no page can choose its value; browsers send it over HTTPS and to this machine
            return site in OWN_SITES
        return origin is None or _is_same(origin.decode("latin-1").lower(), host)


def cors_options(origins: Sequence[str], exposed: Sequence[str]) -> dict[str, Any]:
    """Return the options of starlette's CORS middleware: pages of these origins read the answers of their requests.

    They send a token themselves; the password that a browser remembers is not for them.
    """
    return {
        "allow_origins": [origin.lower() for origin in origins],
        "allow_methods": ("GET", "POST"),
        "allow_headers": ("*",),
        "expose_headers": exposed,
    }


def _is_browser(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser may have sent these headers; a page can change some, but remove none.

    Without TLS, browsers send neither `Sec-Fetch-Site` nor, with GET, `Origin`.
    """
    return (
        b"origin" in headers
        or b"sec-fetch-site" in headers
        or b"accept-language" in headers
        or headers.get(b"user-agent", b"").startswith(b"Mozilla/")
    )


def _is_own_name(host: str, names: Collection[str]) -> bool:
    """Return whether a Host may be this service's: an address, a name that nobody can register, or one of `names`."""
    name = host.partition(":")[0].removesuffix(".")
    if host.startswith("[") or "." not in name or name.endswith(UNREGISTRABLE):
        return True
    return name in names or ANY in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _is_same(origin: str, host: str) -> bool:
    """Return whether an Origin names the server of a Host. A proxy may have ended TLS: schemes may differ."""
    scheme, _, authority = origin.partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return port is not None and bool(host) and authority.removesuffix(port) == host.removesuffix(port)
