"""Passwords that come as Basic, with every frame: each is looked at thoroughly once, and remembered when right."""

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
"""With the rest after each, the last one waits some six seconds: less than the service has to end."""
REST_SHARE = 3
"""After a wrong one the thread rests three times as long as it worked: they take a quarter of a core at most."""


class Passwords:
    """Which users have which passwords. Used on the event loop; the work is done on one thread of its own."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        """Take the credentials; those without a hash of a password do not count."""
        self._users = {credential.name: credential for credential in credentials if credential.password_scrypt}
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, Credential] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Credential | None]] = {}
        self._waiting: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._is_over = threading.Event()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._users)

    def remembered(self, name: str, password: str) -> Credential | None:
        """Return the user when this very password was found right before; costs microseconds."""
        proof = self._proof(name, password)
        credential = self._remembered.get(proof)
        if credential:
            self._remembered.move_to_end(proof)
        return credential

    def is_under_way(self, name: str, password: str) -> bool:
        """Tell whether the same is being looked at for another request; they share the outcome."""
        return self._proof(name, password) in self._under_way

    async def check(self, name: str, password: str, peer: str) -> Credential | None:
        """Return the user when the password is right; takes as long for users that are not known.

        Raises TooManyFailuresError when too many others wait.
        """
        proof = self._proof(name, password)
        if proof not in self._under_way:
            if self._waiting[peer] >= MAX_WAITING_A_PEER or len(self._under_way) >= MAX_WAITING:
                raise TooManyFailuresError(1)
            self._waiting[peer] += 1
            check = asyncio.get_running_loop().run_in_executor(self._thread, self._check, name, password)
            self._under_way[proof] = check
            check.add_done_callback(lambda done: self._note(proof, peer, done))
        return await asyncio.shield(self._under_way[proof])

    def close(self) -> None:
        """Look at no more, and do not rest."""
        self._is_over.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _note(self, proof: bytes, peer: str, done: asyncio.Future[Credential | None]) -> None:
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
        """Return what a name and a password are remembered by; useless without this process's key."""
        return hmac.digest(self._key, f"{name}:{password}".encode(), "sha256")
