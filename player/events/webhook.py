"""Events as POST requests to a web server. The only module of events that knows httpx.

Proxies come from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY; certificates from SSL_CERT_FILE.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from player.errors import DeliveryError
from player.events.event import Event, as_json
from player.events.output import LaterError, Link, OutputTextError

TIMEOUT_S, LONGEST_PAUSE_S = 10.0, 300.0
MAX_ANSWER_BYTES = 1 << 16
"""What is read of an answer, so that its connection can be used again."""
MAX_FAILURES = 10
"""So often in a row, a server may fail (500) over one event; then that event is given up."""
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Besides 5xx, what a server answers that may take the event a little later."""

WRONG_ADDRESS = (
    "The address of a webhook is wrong. Expected https://user:password@host/path; in a password, # / ? and @ are "
    "written %23 %2F %3F and %40."
)


class Webhook:
    """Posts each event as an Event Grid record. `url`: a user and password in it are sent as Basic credentials.

    The server has an event once it answers 2xx. If its answer is lost, the event comes again, with the same `id` in
    the record, and the same Idempotency-Key in the head. Redirects are not followed.
    """

    window = 1

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        try:
            parsed = httpx.URL(url)
            self._client = httpx.Client(
                timeout=timeout_s, follow_redirects=False, headers={"User-Agent": "framehook", "Accept": "*/*"}
            )
        except httpx.InvalidURL:
            raise OutputTextError(WRONG_ADDRESS) from None  # its message may hold a password
        except (ImportError, ValueError, OSError) as error:  # no SOCKS; no such kind of proxy; no such certificates
            raise OutputTextError(f"The environment's proxies or certificates cannot be used: {error}.") from error
        if not parsed.host:
            raise OutputTextError("The address of a webhook has no host. Expected https://host/path.")
        if "@" in parsed.path or parsed.fragment:
            raise OutputTextError(WRONG_ADDRESS)
        self._url, self._timeout_s = parsed, timeout_s
        self.name = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
        """Without the path: many hooks have their secret there."""
        self.link = Link(self.name)
        self._event_id, self._failures = "", 0

    def deliver(self, events: Sequence[Event]) -> int:
        """Post an event. Raises LaterError, and DeliveryError if the server will never take it."""
        event = events[0]
        content = as_json(event.as_record())
        fields = {"Content-Type": "application/json", "Idempotency-Key": event.id}
        try:
            with self._client.stream("POST", self._url, content=content, headers=fields) as answer:
                self._judge(answer, event)
                self._read(answer)
        except httpx.TimeoutException as error:
            raise LaterError(f"{self.name} did not answer within {self._timeout_s:g} s.") from error
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client is closed
            raise LaterError(f"{self.name} cannot be reached: {type(error).__name__}.") from error
        return 1

    def close(self) -> None:
        """End connections."""
        self._client.close()

    def _judge(self, answer: httpx.Response, event: Event) -> None:
        """Return if the server has taken the event."""
        status = answer.status_code
        if answer.is_success:
            return
        sentence = f"{self.name} answered {status}."
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and self._has_failed_too_often(event):
            raise DeliveryError(f"{sentence} It failed {MAX_FAILURES} times over one event.", is_final=True)
        if status in LATER or answer.is_server_error:
            raise LaterError(sentence, _retry_after_s(answer.headers.get("Retry-After", "")))
        hint = " Redirects are not followed." if answer.is_redirect else ""
        raise DeliveryError(sentence + hint, is_final=True)

    def _has_failed_too_often(self, event: Event) -> bool:
        self._failures = self._failures + 1 if self._event_id == event.id else 1
        self._event_id = event.id
        return self._failures >= MAX_FAILURES

    def _read(self, answer: httpx.Response) -> None:
        """Read an answer that is short and quick; else its connection ends."""
        until_s, size_bytes = time.monotonic() + self._timeout_s, 0
        with suppress(httpx.HTTPError):  # it has been judged
            for chunk in answer.iter_raw():
                size_bytes += len(chunk)
                if size_bytes > MAX_ANSWER_BYTES or time.monotonic() > until_s:
                    return


def _retry_after_s(text: str) -> float | None:
    """Return the pause that a server wants, in seconds or until a date; None if it names none."""
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_PAUSE_S)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    wanted_s = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(wanted_s, 0), LONGEST_PAUSE_S)
