"""Back-off: after a few wrong passwords the next attempt must wait, longer each time."""

import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from handlers.errors import TooManyFailuresError

FREE_FAILURES = 5
MAX_DOUBLINGS = 6
"""The longest wait is 64 s."""
FORGOTTEN_AFTER_S = 600.0
USERS_A_PEER = 256
MAX_SUSPECTS = 1 << 16
HALF_LIFE_S = 60.0
"""After so long, a failure counts half against its address when several wait to have their passwords checked."""
IPV6_PREFIX = 64
"""The prefix that one household or machine gets."""

Suspect: TypeAlias = tuple[str, int]
"""An address and a number derived from the user's name: failures of one user seldom delay another."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float

    @property
    def delay_s(self) -> float:
        beyond = self.count - FREE_FAILURES
        return 0.0 if beyond < 0 else 2.0 ** min(beyond, MAX_DOUBLINGS)


class BackOff:
    """Counts failures by address and user; five are free, then the waits are 1 s, 2 s, and so on up to 64 s.

    Failures are forgotten after ten minutes without one. A success does not reset the count: otherwise a user's own
    traffic would clear an attacker's failures. Memory is bounded: an address has 256 counters, which names share at
    random, and above `MAX_SUSPECTS` the suspect whose last failure is oldest is forgotten, or the address. `clock`:
    monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._failures: OrderedDict[Suspect, _Failures] = OrderedDict()
        self._recent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address → its recent failures, as of a time of the clock."""

    def suspect(self, peer: str, user: str) -> Suspect:
        """Return the key under which failures are counted; IPv6 addresses by their first 64 bits."""
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

    def record_failure(self, suspect: Suspect) -> float:
        """Count a failure; old ones are forgotten.

        Return how many came recently from the same address, whatever the user: each counts half after a minute.
        """
        now_s = self._clock()
        before = self._failures.pop(suspect, None)
        count = before.count if before and now_s - before.last_s < FORGOTTEN_AFTER_S else 0
        self._failures[suspect] = _Failures(count + 1, now_s)
        _bound(self._failures)
        recent = self._recent_failures(suspect)
        self._recent[suspect[0]] = recent + 1, now_s
        _bound(self._recent)
        return recent

    def withdraw_failure(self, suspect: Suspect) -> None:
        """Count one failure less: it was recorded in advance and did not happen."""
        failures = self._failures.get(suspect)
        if failures is not None:
            failures.count -= 1
        self._recent[suspect[0]] = max(0.0, self._recent_failures(suspect) - 1), self._clock()

    def _recent_failures(self, suspect: Suspect) -> float:
        """Return the recent failures of a suspect's address, and forget them."""
        failures, at_s = self._recent.pop(suspect[0], (0.0, 0.0))
        return failures * math.pow(0.5, (self._clock() - at_s) / HALF_LIFE_S)


def _bound(memory: OrderedDict[Any, Any]) -> None:
    if len(memory) > MAX_SUSPECTS:
        memory.popitem(last=False)
