"""The address of a client behind proxies: believed only from proxies that the settings name."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_BYTES = 1024
"""Of each header; a longer `Forwarded` counts as malformed, of a longer `X-Forwarded-For` the last ones count."""
FORWARDED, X_FORWARDED_FOR = b"forwarded", b"x-forwarded-for"
UNKNOWN_PORT = 0

PAIR = re.compile(r'[ \t]*+([\w!#$%&\'*+.^`|~-]++)=("(?:[^"\\]|\\.)*+"|[^\s",;=\\]++)[ \t]*+([;,]|$)')
"""RFC 7239, section 4, and values with colons and brackets that lack their quotes."""
NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]+)?|([0-9A-Fa-f:.]+)")
"""An address: of IPv6 in brackets, of IPv4, each perhaps with a port; of IPv6 as it is."""


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Finds the client's address in what trusted proxies wrote into `Forwarded` or `X-Forwarded-For`."""

    networks: tuple[Network, ...]

    def client_of(self, peer: tuple[str, int] | None, headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, int] | None:
        """Return the address and port (0: unknown) of the client behind a connection.

        `peer`: the other end of the connection. `headers`: by lower-case name. The client is the last hop that is no
        trusted proxy. If the two headers name different ones, a client has made one of them up, because a proxy sets
        one and passes on the other: then, and if a header is malformed, the peer counts as the client.
        """
        if not self.networks or peer is None or not self._trusts(_address(peer[0])):
            return peer
        forwarded = _forwarded(_value(headers, FORWARDED, _nothing))
        reports = (forwarded, _x_forwarded_for(_value(headers, X_FORWARDED_FOR, _last_hops)))
        clients = {self._client(hops) for hops in reports if hops is not None}
        client = clients.pop() if len(clients) == 1 else None
        return (str(client), UNKNOWN_PORT) if client else peer

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)

    def _client(self, hops: Sequence[str]) -> Address | None:
        """Return the last hop that is not trusted; a hop that hides its address is as far as anybody can see."""
        client: Address | None = None
        for hop in reversed(hops):
            address = _address(hop)
            client = address or client
            if not self._trusts(address):
                break
        return client


def _value(headers: Sequence[tuple[bytes, bytes]], wanted: bytes, beyond: Callable[[bytes], bytes]) -> str | None:
    """Return the fields of this name as one, None if there is none. `beyond`: what counts of one that is too long."""
    values = [value for name, value in headers if name == wanted]
    joined = b", ".join(values)
    return (joined if len(joined) <= MAX_BYTES else beyond(joined)).decode("latin-1") if values else None


def _nothing(_: bytes) -> bytes:
    """Return nothing: which of these hops is the last one depends on the quotes before it."""
    return b""


def _last_hops(value: bytes) -> bytes:
    """Return the whole hops in the last 1024 bytes: what a client writes before them hides nothing."""
    return value[-MAX_BYTES:].partition(b",")[2]


def _forwarded(value: str | None) -> list[str] | None:
    """Return the hops of `Forwarded` (RFC 7239), nearest last: none if it is malformed, None if it is missing."""
    if value is None:
        return None
    hops, at = [], 0
    while at < len(value):
        pair = PAIR.match(value, at)
        if not pair:
            return []
        name, text = pair[1], pair[2]
        if name.lower() == "for":
            hops.append(re.sub(r"\\(.)", r"\1", text.strip('"')))
        at = pair.end()
    return hops


def _x_forwarded_for(value: str | None) -> list[str] | None:
    """Return the hops of `X-Forwarded-For`, nearest last; None if it is missing."""
    return None if value is None else [hop.strip() for hop in value.split(",")]


def _address(node: str) -> Address | None:
    """Return the address of a hop, without its port; None if it is none."""
    parts = NODE.fullmatch(node)
    try:
        address = ipaddress.ip_address(next(filter(None, parts.groups()))) if parts else None
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
