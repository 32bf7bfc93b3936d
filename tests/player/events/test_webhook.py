"""A webhook on a real socket gets each event once it answers."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import pytest

from lab.wire import refusing
from player.errors import DeliveryError
from player.events.output import LaterError, OutputTextError
from player.events.sending import BackOff, Publisher
from player.events.webhook import LONGEST_PAUSE_S, MAX_FAILURES, Webhook, _retry_after_s
from tests.support.player_events import seen, wait_until_delivered
from tests.support.waiting import PATIENCE_S, wait_for

Answer: TypeAlias = Callable[["Request"], None]


@dataclass
class Hook:
    """`answers`: to the requests in turn; the last one also to all further ones. `posted`: head and body of each."""

    answers: Sequence[Answer]
    url: str = ""
    posted: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    clients: set[int] = field(default_factory=set)
    closing: threading.Event = field(default_factory=threading.Event)


class Request(BaseHTTPRequestHandler):
    hook: Hook
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.hook.clients.add(self.client_address[1])
        self.hook.posted.append(({**self.headers, "path": self.path}, body))
        self.hook.answers[min(len(self.hook.posted), len(self.hook.answers)) - 1](self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def status(code: int, body: bytes = b"ok", **fields: str) -> Answer:
    def answer(request: Request) -> None:
        request.send_response(code)
        for name, value in fields.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def hang_up(request: Request) -> None:
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


def silent(request: Request) -> None:
    request.close_connection = True
    request.hook.closing.wait()


@contextmanager
def hooking(*answers: Answer, port: int = 0) -> Iterator[Hook]:
    hook = Hook(answers)
    handler = type("HookRequest", (Request,), {"hook": hook})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/events"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hook
        finally:
            hook.closing.set()
            server.shutdown()
            thread.join()


def test_records_are_posted_on_one_connection() -> None:
    events = [seen(), seen()]
    with hooking(status(200), status(204, b"")) as hook:
        webhook = Webhook(hook.url)
        assert [webhook.deliver([event]) for event in events] == [1, 1]
        webhook.close()
    assert [body for _, body in hook.posted] == [event.as_record() for event in events]
    head = hook.posted[0][0]
    assert (head["Content-Type"], head["Idempotency-Key"]) == ("application/json", events[0].id)
    assert "Authorization" not in head
    assert len(hook.clients) == 1


def test_a_user_in_the_address_is_sent_and_never_shown() -> None:
    with hooking(status(200)) as hook:
        webhook = Webhook(hook.url.replace("//", "//yard:p%40ss@") + "?token=secret")
        webhook.deliver([seen()])
        webhook.close()
    head = hook.posted[0][0]
    assert head["Authorization"] == f"Basic {base64.b64encode(b'yard:p@ss').decode()}"
    assert head["path"] == "/events?token=secret"
    assert hook.url == f"{webhook.name}/events"


@pytest.mark.parametrize("code", [400, 401, 404, 413])
def test_a_refusal_is_final(code: int) -> None:
    with hooking(status(code)) as hook:
        webhook = Webhook(hook.url)
        with pytest.raises(DeliveryError, match=f"answered {code}") as caught:
            webhook.deliver([seen()])
        webhook.close()
    assert caught.value.is_final


def test_redirects_are_not_followed() -> None:
    with hooking(status(307, Location="http://127.0.0.1:1/")) as hook:
        webhook = Webhook(hook.url)
        with pytest.raises(DeliveryError, match="Redirects are not followed") as caught:
            webhook.deliver([seen()])
        webhook.close()
    assert caught.value.is_final


FAR_AWAY = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
LONG_AGO = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        pytest.param(status(503), None, id="unavailable"),
        pytest.param(status(503, Retry_After="7"), 7, id="seconds"),
        pytest.param(status(429, Retry_After="99999"), 300, id="too long"),
        pytest.param(status(408, Retry_After=FAR_AWAY), 300, id="a date far away"),
        pytest.param(status(503, Retry_After=LONG_AGO), 0, id="a date long ago"),
        pytest.param(status(503, Retry_After="soon"), None, id="neither"),
        pytest.param(status(502, b"x" * 200_000), None, id="a long answer"),
        pytest.param(hang_up, None, id="no answer"),
        pytest.param(silent, None, id="silence"),
    ],
)
def test_later_is_tried_again(answer: Answer, pause_s: float | None) -> None:
    with hooking(answer) as hook:
        webhook = Webhook(hook.url, timeout_s=0.5 if answer is silent else PATIENCE_S)
        with pytest.raises(LaterError, match=r"http://127\.0\.0\.1:\d+ (answered|cannot|did not)") as caught:
            webhook.deliver([seen()])
        webhook.close()
        hook.closing.set()
    assert not caught.value.is_final
    assert caught.value.pause_s == pause_s


def test_a_server_that_fails_over_one_event_gets_the_next() -> None:
    with hooking(*[status(500)] * MAX_FAILURES, status(200)) as hook:
        publisher = Publisher([Webhook(hook.url)], back_off=BackOff(0.001, 0.001))
        events = [seen(), seen()]
        for event in events:
            publisher.publish(event)
        result = wait_until_delivered(publisher)
        publisher.close()
    assert (result.delivered, result.dropped) == (1, 1)
    assert hook.posted[-1][1]["id"] == events[1].id


def test_a_server_that_comes_back_gets_everything_in_order() -> None:
    with refusing() as port:
        publisher = Publisher([Webhook(f"http://127.0.0.1:{port}/events")], back_off=BackOff(0.01, 0.05))
        events = [seen() for _ in range(20)]
        for event in events:
            publisher.publish(event)
        wait_for(lambda: publisher.status[0].last_error)
        assert "cannot be reached" in str(publisher.status[0].last_error)
    with hooking(status(503), status(200), port=port) as hook:
        wait_until_delivered(publisher)
        assert publisher.close() == 0
    assert [body["id"] for _, body in hook.posted[1:]] == [event.id for event in events]


def test_closing_does_not_wait_for_a_silent_server() -> None:
    with hooking(silent) as hook:
        publisher = Publisher([Webhook(hook.url)])
        publisher.publish(seen())
        wait_for(lambda: hook.posted)
        began_s = time.monotonic()
        assert publisher.close(0.1) == 1
        assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("url", ["http://", "https:///path", "http://host:port/"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(OutputTextError, match="The address of a webhook"):
        Webhook(url)


def test_wrong_proxies_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy")
    with pytest.raises(OutputTextError, match="proxies or certificates cannot be used"):
        Webhook("http://127.0.0.1/")


@pytest.mark.parametrize("text", ["1 Jan 99999999999999999999 00:00:00 GMT", "9" * 400, "soon", ""])
def test_a_time_that_no_clock_has_is_no_fault(text: str) -> None:
    assert _retry_after_s(text) in {None, LONGEST_PAUSE_S}


@pytest.mark.parametrize("url", ["https://u:12/SECRET@hook.example/a", "https://u:SECRET#1@hook.example/a"])
def test_a_password_that_ends_the_host_too_early_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(OutputTextError) as caught:
        Webhook(url)
    assert "SECRET" not in str(caught.value)
