"""Digest access authentication (RFC 7616): its hashes, its header, and its nonces."""

import hashlib
import hmac
import re
import secrets
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import unquote

Algorithm: TypeAlias = Literal["SHA-256", "MD5"]

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
NONCE_LIFETIME_S = 300.0
MAX_NONCES = 4096
COUNTS_REMEMBERED = 1024
"""By how many counts the requests of one nonce may arrive out of order."""

_FIELD = re.compile(r'\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)', re.DOTALL)
_EXTENDED = re.compile(r"UTF-8'[^']*'(.+)", re.IGNORECASE)  # RFC 5987
_TEXT_OF_A_NONCE = re.compile(r"[0-9a-f]{80}")
_ISSUED = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class DigestAnswer:
    """The fields of a client's answer to a challenge, unquoted."""

    username: str
    nonce: str
    uri: str
    qop: str
    nc: str
    cnonce: str
    response: str
    algorithm: Algorithm


def hashed(algorithm: Algorithm, text: str) -> str:
    """Return the hash of a text in UTF-8, in hexadecimal digits."""
    function = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
    return function(text.encode()).hexdigest()


def user_hash(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """Return H(A1) of RFC 7616: all that a server needs to know of a password."""
    return hashed(algorithm, f"{username}:{realm}:{password}")


def expected_response(answer: DigestAnswer, secret: str, method: str) -> str:
    """Return the `response` of a client that knows `secret`, the `user_hash` (RFC 7616, 3.4.1, qop=auth)."""
    action = hashed(answer.algorithm, f"{method}:{answer.uri}")
    parts = (secret, answer.nonce, answer.nc, answer.cnonce, answer.qop, action)
    return hashed(answer.algorithm, ":".join(parts))


def parse_answer(fields: str) -> DigestAnswer | None:
    """Return the answer in the header Authorization, without the word `Digest`; None when it is malformed.

    The client must use what was offered: qop=auth, one of our algorithms, no hashed user name. The default algorithm
    is MD5.
    """
    values = _fields(fields)
    if values is None:
        return None
    username = _username(values)
    algorithm = next((name for name in ALGORITHMS if name == values.get("algorithm", "MD5").upper()), None)
    rest = {name: values.get(name, "") for name in ("nonce", "uri", "qop", "nc", "cnonce", "response")}
    if username is None or algorithm is None or not all(rest.values()):
        return None
    is_offered = rest["qop"] == "auth" and values.get("userhash", "false").lower() == "false"
    if not is_offered or not re.fullmatch(r"[0-9a-f]{8}", rest["nc"].lower()):
        return None
    return DigestAnswer(username, algorithm=algorithm, **rest)


def _fields(text: str) -> dict[str, str] | None:
    """Return the values by lower-case name; None for a malformed or repeated field. Takes time linear in the length.

    Not werkzeug's `parse_dict_header`: that keeps the last of repeated fields, merges `username*` into `username`, and
    accepts malformed fields. Such a header is refused here, because a proxy could read another user in it than we do.
    """
    values: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None or match[1].lower() in values:
            return None
        at = match.end()
        values[match[1].lower()] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
    return values


def _username(values: dict[str, str]) -> str | None:
    """Return the user's name; None unless exactly one is given, plain or extended."""
    plain, extended = values.get("username"), _EXTENDED.fullmatch(values.get("username*", ""))
    if (plain is None) == (extended is None):
        return None
    return plain if extended is None else unquote(extended[1])


class Nonces:
    """Issues nonces, which carry their own date and proof, and refuses repeated requests.

    Nothing is stored for a nonce until a known user has used it: then that user, and the counts seen. Above
    `MAX_NONCES` the nonce first used longest ago is forgotten; it and all issued before it become stale. `clock`:
    monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._stale_before = 0
        self._seen: OrderedDict[str, _Counts] = OrderedDict()

    def new(self) -> str:
        """Return a fresh nonce."""
        issued = _ISSUED.pack(int(self._clock() * 1e9)) + secrets.token_bytes(16)
        return issued.hex() + self._proof(issued).hex()

    def was_used_by(self, nonce: str, user: str) -> bool:
        """Return whether this user has used this nonce before."""
        return nonce in self._seen and self._seen[nonce].user == user

    def accept(self, nonce: str, nc: str, user: str) -> bool:
        """Record a right answer; return whether its nonce is fresh and its count `nc` (hexadecimal) is new."""
        return self.is_fresh(nonce) and self.count(nonce, int(nc, 16), user)

    def is_fresh(self, nonce: str) -> bool:
        """Return whether a nonce was issued here, is not too old, and is not forgotten."""
        if not _TEXT_OF_A_NONCE.fullmatch(nonce):
            return False
        issued, proof = bytes.fromhex(nonce[:48]), bytes.fromhex(nonce[48:])
        (issued_ns,) = _ISSUED.unpack(issued[:8])
        is_ours = hmac.compare_digest(proof, self._proof(issued))
        is_young = self._clock() - issued_ns / 1e9 < NONCE_LIFETIME_S
        return is_ours and is_young and (nonce in self._seen or issued_ns > self._stale_before)

    def count(self, nonce: str, nc: int, user: str) -> bool:
        """Record a request with a fresh nonce; return whether its count is new."""
        counts = self._seen.setdefault(nonce, _Counts(user))
        if len(self._seen) > MAX_NONCES:
            forgotten, _ = self._seen.popitem(last=False)
            self._stale_before = max(self._stale_before, _ISSUED.unpack(bytes.fromhex(forgotten[:16]))[0])
        return counts.take(nc)

    def _proof(self, issued: bytes) -> bytes:
        return hmac.digest(self._key, issued, "sha256")[:16]


@dataclass(slots=True)
class _Counts:
    """The user of a nonce, and the counts seen: the highest, and one bit for each of those just below it."""

    user: str
    highest: int = 0
    bits: int = 0

    def take(self, nc: int) -> bool:
        ahead = nc - self.highest
        if ahead > 0:
            self.bits = 1 if ahead >= COUNTS_REMEMBERED else (self.bits << ahead | 1) & ((1 << COUNTS_REMEMBERED) - 1)
            self.highest = nc
            return True
        if nc < 1 or -ahead >= COUNTS_REMEMBERED or self.bits >> -ahead & 1:
            return False
        self.bits |= 1 << -ahead
        return True
