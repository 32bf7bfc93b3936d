"""Callers: who shares what the service has with others."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

SUBSCRIBER_BITS = 64
"""Of an IPv6 address: the network of one subscriber, who has all addresses in it."""


def caller_of(client: tuple[str, int] | None) -> str:
    """Return the caller at an address and port: the address, or its network of 64 bits in IPv6."""
    return _caller(client[0]) if client else ""


@lru_cache(maxsize=4096)
def _caller(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:  # a socket without addresses
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    other_bits = parsed.max_prefixlen - SUBSCRIBER_BITS
    return f"{IPv6Address(int(parsed) >> other_bits << other_bits)}/{SUBSCRIBER_BITS}"
