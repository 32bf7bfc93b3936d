"""Basic sends the password with every frame: each is checked by scrypt once, and remembered if right."""

import asyncio
import hmac
import secrets
import threading
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from handlers.errors import TooManyFailuresError
from handlers.server.access.credentials import UNMATCHED_HASH, Credential, is_password

MAX_REMEMBERED = 1024
MAX_WAITING = 32
"""With the pause after each, the last one waits some six seconds: less than the time for shutdown."""
REST_SHARE = 3
"""After a wrong one the thread pauses three times as long as it worked: at most a quarter of a core."""


@dataclass(frozen=True, slots=True)
class _Check:
    """A password that is checked, or waits for that. `proof`: its key among those remembered."""

    turn: float
    proof: bytes
    name: str
    password: str
    outcome: asyncio.Future[Credential | None]


class Passwords:
    """Checks passwords. Used on the event loop; scrypt runs on one thread of its own.

    Only `credentials` with the hash of a password count. Checks with a lower `turn` come first. When too many wait, the
    last one is refused, so that it is the flood which waits and is refused, and not those who come now and then.
    """

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._users = {credential.name: credential for credential in credentials if credential.password_scrypt}
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, Credential] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Credential | None]] = {}
        self._waiting: list[_Check] = []
        """By turn, and by arrival where that is equal."""
        self._is_checking = False
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._is_over = threading.Event()

    def __bool__(self) -> bool:
        """Return whether any user has a password."""
        return bool(self._users)

    def remembered(self, name: str, password: str) -> Credential | None:
        """Return the user if this password has already been found right; costs microseconds."""
        proof = self._proof(name, password)
        credential = self._remembered.get(proof)
        if credential:
            self._remembered.move_to_end(proof)
        return credential

    def is_under_way(self, name: str, password: str) -> bool:
        """Return whether the same password is being checked for another request; both share the outcome."""
        return self._proof(name, password) in self._under_way

    async def check(self, name: str, password: str, turn: float) -> Credential | None:
        """Return the user if the password is right; takes equally long for unknown users.

        Raises TooManyFailuresError when too many others wait whose turn comes earlier.
        """
        proof = self._proof(name, password)
        if proof not in self._under_way:
            self._make_room(turn)
            outcome = self._under_way[proof] = asyncio.get_running_loop().create_future()
            insort(self._waiting, _Check(turn, proof, name, password, outcome), key=attrgetter("turn"))
            self._start_next()
        return await asyncio.shield(self._under_way[proof])

    def close(self) -> None:
        """Stop checking, without a pause."""
        self._is_over.set()
        while self._waiting:
            self._waiting.pop().outcome.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make_room(self, turn: float) -> None:
        """Refuse the check whose turn comes last, if there are too many; raises TooManyFailuresError if it is this."""
        if len(self._waiting) < MAX_WAITING:
            return
        if not self._waiting or self._waiting[-1].turn <= turn:
            raise TooManyFailuresError(1)
        last = self._waiting.pop()
        del self._under_way[last.proof]
        last.outcome.set_exception(TooManyFailuresError(1))
        last.outcome.exception()  # its callers may have hung up

    def _start_next(self) -> None:
        if self._waiting and not self._is_checking:
            self._is_checking = True
            check = self._waiting.pop(0)
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._thread, self._check, check.name, check.password)
            done.add_done_callback(partial(self._finish, check))

    def _finish(self, check: _Check, done: asyncio.Future[Credential | None]) -> None:
        self._is_checking = False
        del self._under_way[check.proof]
        if done.cancelled():
            check.outcome.cancel()
        elif error := done.exception():
            check.outcome.set_exception(error)
        else:
            self._remember(check.proof, done.result())
            check.outcome.set_result(done.result())
        self._start_next()

    def _remember(self, proof: bytes, credential: Credential | None) -> None:
        if credential:
            self._remembered[proof] = credential
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)

    def _check(self, name: str, password: str) -> Credential | None:
        started_at = time.perf_counter()
        credential = self._users.get(name)
        written = credential.password_scrypt if credential else None
        if is_password(password, written or UNMATCHED_HASH) and credential:
            return credential
        self._is_over.wait(REST_SHARE * (time.perf_counter() - started_at))
        return None

    def _proof(self, name: str, password: str) -> bytes:
        """Return the key under which a name and a password are remembered; useless without this process's secret."""
        return hmac.digest(self._key, f"{name}:{password}".encode(), "sha256")
