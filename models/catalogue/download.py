"""A file of known length, fetched over HTTP: it goes on after a break, and never takes more than that length.

Proxies come from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY; certificates from SSL_CERT_FILE.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO

import httpx

from models.errors import PullError

MAX_REDIRECTS = 10
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]+/([0-9]+|\*)")
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Besides 5xx, what a server answers that may give the file a little later."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server.

    `silence_s`: for a connection, and for the next bytes. `attempts`: in a row that bring less than `gain_bytes`
    before giving up. `pause_s`: before the second attempt; doubled before each further one. `least_bytes_per_s`:
    slowest rate of an attempt that has lasted for `silence_s`.
    """

    silence_s: float = 30
    attempts: int = 4
    pause_s: float = 1
    least_bytes_per_s: float = 1024
    gain_bytes: int = 1 << 20


class _BreakError(Exception):
    """An attempt ended early; the next one may go on. The message is a clause about the server: answers 503."""


class SourceError(PullError):
    """A server does not give the file. The message is a clause about it."""


@dataclass(frozen=True, slots=True)
class Download:
    """One file from one URL. `report`: is called with the number of bytes that are there."""

    url: str
    size_bytes: int
    report: Callable[[int], None] = lambda _: None
    patience: Patience = Patience()

    def into(self, file: BinaryIO) -> None:
        """Bring the file, which may have the beginning already, to its full length.

        Raises SourceError, which leaves in the file what came, and OSError if the file cannot be written.
        """
        try:
            client = httpx.Client(
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=self.patience.silence_s,
                headers={"Accept-Encoding": "identity", "User-Agent": "framehook"},
            )
        except (ImportError, ValueError, OSError) as error:  # no SOCKS; no such kind of proxy; no such certificates
            raise SourceError(f"cannot be asked with the environment's proxies and certificates: {error}") from error
        with client:
            self._attempt_until_whole(client, file)

    def _attempt_until_whole(self, client: httpx.Client, file: BinaryIO) -> None:
        most, failures = _length(file), 0
        while _length(file) < self.size_bytes:
            try:
                self._attempt(client, file)
            except _BreakError as error:
                gained = _length(file) - most
                failures = 1 if gained >= self.patience.gain_bytes else failures + 1
                most = max(most, _length(file))
                if failures >= self.patience.attempts:
                    raise SourceError(f"{error}, {failures} times in a row") from error
                time.sleep(self.patience.pause_s * 2 ** (failures - 1))

    def _attempt(self, client: httpx.Client, file: BinaryIO) -> None:
        """Ask for what is missing, and append it."""
        there = _length(file)
        try:
            with client.stream("GET", self.url, headers={"Range": f"bytes={there}-"} if there else {}) as response:
                begins_at = self._begins_at(response, there)
                if begins_at is None:
                    file.truncate(0)
                    raise _BreakError("does not go on where the file ends")
                file.truncate(begins_at)
                file.seek(begins_at)
                self._append(response, file)
        except httpx.TimeoutException as error:
            raise _BreakError(f"sent nothing for {self.patience.silence_s:g} s") from error
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise SourceError(f"redirects to where no file can be: {error}") from error
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise SourceError(f"has a certificate that is not trusted (SSL_CERT_FILE): {error}") from error
            raise _BreakError(f"broke off: {error}") from error
        if _length(file) < self.size_bytes:
            raise _BreakError(f"ended after {_length(file)} of {self.size_bytes} bytes")

    def _begins_at(self, response: httpx.Response, there: int) -> int | None:
        """Return at which byte of the file the body begins; None if it is not the part that was asked for.

        Raises SourceError and _BreakError.
        """
        status, begins_at = response.status_code, 0
        if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _BreakError(f"answered {status}")
        if status == HTTPStatus.PARTIAL_CONTENT:
            found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not there or not found or int(found[1]) != there:
                return None
            begins_at = there
        elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and there:
            return None
        elif status != HTTPStatus.OK:
            raise SourceError(f"answered {status}")
        expected, declared = str(self.size_bytes - begins_at), response.headers.get("Content-Length")
        if declared not in {expected, None}:
            raise SourceError(f"offers {declared:.20} bytes; expected {expected}")
        return begins_at

    def _append(self, response: httpx.Response, file: BinaryIO) -> None:
        """Append the body; raises SourceError once there is more than the file has."""
        started_at_s, begins_at = time.monotonic(), file.tell()
        there = begins_at
        for chunk in response.iter_raw():
            there += len(chunk)
            if there > self.size_bytes:
                raise SourceError(f"sends more than the {self.size_bytes} bytes of the file")
            file.write(chunk)
            self.report(there)
            lasted_s = time.monotonic() - started_at_s
            if lasted_s > self.patience.silence_s and there - begins_at < self.patience.least_bytes_per_s * lasted_s:
                raise _BreakError(f"sends less than {self.patience.least_bytes_per_s:g} bytes per second")


def _length(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
