"""After a few wrong passwords the next must wait, ever longer."""

import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from handlers.errors import TooManyFailuresError

FREE_FAILURES = 5
MAX_DOUBLINGS = 6
"""The longest wait is 64 s."""
FORGOTTEN_AFTER_S = 600.0
USERS_A_PEER = 256
MAX_SUSPECTS = 1 << 16
IPV6_PREFIX = 64
"""What one household or machine is given."""

Suspect: TypeAlias = tuple[str, int]
"""An address, and a number that a user's name gives: whoever fails as one user seldom stands in the way of another."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float

    @property
    def delay_s(self) -> float:
        beyond = self.count - FREE_FAILURES
        return 0.0 if beyond < 0 else 2.0 ** min(beyond, MAX_DOUBLINGS)


class BackOff:
    """Counts failures by address and user, and tells who must wait: none for the first five, then 1 s, 2 s, up to 64 s.

    Ten minutes without a failure, and all are forgotten; a success forgets none, lest the good frames of a user help
    whoever guesses. Memory is bounded: an address has 256 places, which names share by chance, and above `MAX_SUSPECTS`
    those are forgotten that failed longest ago.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds that never goes back."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._failures: OrderedDict[Suspect, _Failures] = OrderedDict()

    def suspect(self, peer: str, user: str) -> Suspect:
        """Return what failures of a user from an address are counted by; IPv6 by its first 64 bits."""
        if ":" in peer:
            peer = str(ipaddress.ip_network((peer.partition("%")[0], IPV6_PREFIX), strict=False))
        return peer, hmac.digest(self._key, user.encode(), "sha256")[0] % USERS_A_PEER

    def refuse_if_too_soon(self, suspect: Suspect) -> None:
        """Raise TooManyFailuresError while a suspect must wait."""
        failures = self._failures.get(suspect)
        if failures is not None:
            wait_s = failures.last_s + failures.delay_s - self._clock()
            if wait_s > 0:
                raise TooManyFailuresError(math.ceil(wait_s))

    def note_failure(self, suspect: Suspect) -> None:
        """Count a failure; those of long ago are forgotten."""
        now_s = self._clock()
        before = self._failures.pop(suspect, None)
        count = before.count if before and now_s - before.last_s < FORGOTTEN_AFTER_S else 0
        self._failures[suspect] = _Failures(count + 1, now_s)
        if len(self._failures) > MAX_SUSPECTS:
            self._failures.popitem(last=False)

    def take_back(self, suspect: Suspect) -> None:
        """Count one failure less: what was taken for one turned out to be none."""
        failures = self._failures.get(suspect)
        if failures is not None:
            failures.count -= 1
