"""What a certificate says of itself, as far as its operator must know it."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

FIRST_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

VERSION, UTC_TIME = 0xA0, 0x17
"""Tags of DER; X.690, and RFC 5280, section 4.1."""
VALIDITY = 3
"""Fields of a certificate before its validity: serial number, algorithm, issuer."""
LONG_LENGTH = 0x80
UTC_TIME_PIVOT = "50"
"""From this year on a UTCTime is of the twentieth century: RFC 5280, section 4.1.2.5.1."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The first certificate of a file, which is the server's own. `fingerprint`: SHA-256, as AB:CD:..."""

    fingerprint: str
    expires_at: datetime


def read_certificate(pem: bytes) -> Certificate:
    """Return what the first certificate of a PEM file says. Raises ValueError when there is none."""
    found = FIRST_CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("no certificate in PEM")
    der = ssl.PEM_cert_to_DER_cert(found[0].decode("ascii"))
    digest = hashlib.sha256(der).digest()
    return Certificate(digest.hex(":").upper(), _expires_at(der))


def _expires_at(der: bytes) -> datetime:
    """Return `notAfter`: Python's ssl tells it only of a peer's certificate."""
    try:
        [(_, certificate)] = _elements(der)
        fields = [element for element in _elements(next(_elements(certificate))[1]) if element[0] != VERSION]
        _, (tag, time) = _elements(fields[VALIDITY][1])
    except (IndexError, StopIteration) as error:
        raise ValueError("a damaged certificate") from error
    text = time.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= UTC_TIME_PIVOT else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Give tag and content of each element of a sequence."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length >= LONG_LENGTH:
            start += length - LONG_LENGTH
            length = int.from_bytes(der[2:start])
        yield tag, der[start : start + length]
        der = der[start + length :]
