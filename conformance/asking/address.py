"""Where a server is, and whether it may be asked."""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from conformance.errors import AddressError

DEFAULT_TARGET = "/inference"
"""Of a URL without a path: the path of the protocol's example."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """An address that was judged: requests go to the first of `ips` that answers; the name cannot lead elsewhere later.

    A name often has several: localhost is ::1 as well as 127.0.0.1, and many servers listen on one of them only.
    """

    scheme: str
    host: str
    port: int
    ips: tuple[str, ...]
    target: str
    """The path and the query, as they stand in a request."""

    @property
    def authority(self) -> str:
        """Return what the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the whole URL."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read_address(url: str, allowed: Collection[str] = ()) -> Address:
    """Return the address of a URL. `allowed`: names of hosts that may be asked though their address is public.

    Raises AddressError.
    """
    parts, port = _split(url)
    host = parts.hostname or ""
    found = _resolved(host, port)
    ips = found if host in {name.lower() for name in allowed} else tuple(filter(_is_near, found))
    if not ips:
        raise AddressError(
            f"{host} is not on this machine or in a private network. If you may load it, add --allow {host}."
        )
    target = (parts.path or DEFAULT_TARGET) + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host, port, ips, target)


def _split(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise AddressError(f"{url[:200]!r} is no URL; expected one like http://127.0.0.1:8080/inference.") from error
    if parts.scheme not in PORTS or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(f"{url[:200]!r} is no URL; expected one like http://127.0.0.1:8080/inference.")
    if parts.username is not None or parts.password is not None:
        raise AddressError("The URL has credentials; give them with --user and --password-file instead.")
    return parts, port


def _resolved(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"The name {host[:200]} has no address.") from error
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _is_near(ip: str) -> bool:
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_private or address.is_link_local
