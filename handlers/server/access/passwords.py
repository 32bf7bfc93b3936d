"""Basic sends the password with every frame: each is checked by scrypt once, and remembered if right."""

import asyncio
import hmac
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from handlers.errors import TooManyFailuresError
from handlers.server.access.credentials import UNMATCHED_HASH, Credential, is_password

MAX_REMEMBERED = 1024
MAX_WAITING, MAX_WAITING_A_PEER = 32, 16
"""With the pause after each, the last one waits some six seconds: less than the time for shutdown."""
REST_SHARE = 3
"""After a wrong one the thread pauses three times as long as it worked: at most a quarter of a core."""


class Passwords:
    """Checks passwords. Used on the event loop; scrypt runs on one thread of its own.

    Only `credentials` with the hash of a password count.
    """

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._users = {credential.name: credential for credential in credentials if credential.password_scrypt}
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, Credential] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Credential | None]] = {}
        self._waiting: Counter[str] = Counter()
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

    async def check(self, name: str, password: str, peer: str) -> Credential | None:
        """Return the user if the password is right; takes equally long for unknown users.

        Raises TooManyFailuresError when too many others wait.
        """
        proof = self._proof(name, password)
        if proof not in self._under_way:
            if self._waiting[peer] >= MAX_WAITING_A_PEER or len(self._under_way) >= MAX_WAITING:
                raise TooManyFailuresError(1)
            self._waiting[peer] += 1
            check = asyncio.get_running_loop().run_in_executor(self._thread, self._check, name, password)
            self._under_way[proof] = check
            check.add_done_callback(lambda done: self._finish(proof, peer, done))
        return await asyncio.shield(self._under_way[proof])

    def close(self) -> None:
        """Stop checking, without a pause."""
        self._is_over.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _finish(self, proof: bytes, peer: str, done: asyncio.Future[Credential | None]) -> None:
        del self._under_way[proof]
        self._waiting[peer] -= 1
        if not self._waiting[peer]:
            del self._waiting[peer]
        credential = None if done.cancelled() or done.exception() else done.result()
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
