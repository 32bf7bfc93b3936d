"""Guessing passwords: it is slowed down, and other clients are not affected."""

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.server.access.back_off import FREE_FAILURES
from lab.graphs import write_identity_model
from lab.wire import connect, read_to_end, statuses
from tests.support.callers import ASCII_USER, FRESH_USERS
from tests.support.credentials import (
    AUTHORIZED,
    GUARDED,
    PASSWORD,
    basic,
)
from tests.support.server import LiveServer, running
from tests.support.waiting import PATIENCE_S

LONG_S = 4 * PATIENCE_S
"""For the last of dozens of passwords: of each, the check and the pause after it may take seconds."""


def test_guessing_gets_slow_and_hurts_nobody_else(live: LiveServer) -> None:
    """The guesser must wait; the same user with the right, already verified password need not."""
    rights = basic(ASCII_USER, PASSWORD), basic("guessed", PASSWORD), AUTHORIZED
    assert [live.client.get("/models", headers=headers).status_code for headers in rights] == [200] * 3
    answers = [live.client.get("/models", headers=basic("guessed", f"guess {n}")) for n in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 12
    waits = [answer.headers.get("retry-after") for answer in answers]
    assert waits[:5] == [None] * 5
    assert all(int(wait) >= 1 for wait in waits[6:] if wait)
    assert "Too many wrong passwords" in answers[-1].json()["detail"]
    assert [live.client.get("/models", headers=headers).status_code for headers in rights] == [200] * 3
    digest = httpx.DigestAuth("guessed", PASSWORD)
    assert live.client.get("/models", auth=digest).status_code == 401, "a guess in another scheme counts too"


def test_a_frame_costs_a_password_check_only_once(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live.client.get("/models", headers=basic(ASCII_USER, PASSWORD)).status_code == 200
    monkeypatch.setattr("handlers.server.access.passwords.is_password", None)
    assert live.client.get("/models", headers=basic(ASCII_USER, PASSWORD)).status_code == 200


def test_known_and_unknown_users_go_the_same_way(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs one equally expensive hash, and one comparison of digests."""
    hashes: list[tuple[str, str]] = []
    comparisons: list[tuple[bytes, bytes]] = []

    def never(kept: list[tuple[Any, Any]], *given: Any) -> bool:
        kept.append(given)
        return False

    monkeypatch.setattr("handlers.server.access.passwords.is_password", partial(never, hashes))
    monkeypatch.setattr("handlers.server.access.recognition.hmac.compare_digest", partial(never, comparisons))
    for user in ("compared", "unknown"):
        assert live.client.get("/models", headers=basic(user, "another wrong one")).status_code == 401
        assert live.client.get("/models", auth=httpx.DigestAuth(user, "wrong")).status_code == 401
    known, unknown = hashes
    assert known[1].rsplit("$", 2)[0] == unknown[1].rsplit("$", 2)[0]
    assert [[len(side) for side in pair] for pair in comparisons] == [[64, 64]] * 2


def test_guesses_at_the_same_time_count_at_once(live: LiveServer) -> None:
    """Of many different ones five are checked."""

    def guess(number: int) -> str:
        headers = basic("crowd", f"guess {number}")
        return str(live.client.get("/models", headers=headers).json()["type"])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(16)))
    assert answers.count("urn:framehook:unauthorized") == FREE_FAILURES


def test_many_callers_with_one_new_password_are_let_in(live: LiveServer) -> None:
    """They share one check, so that fifty cameras of one user can start together."""
    with ThreadPoolExecutor(32) as pool:
        answers = pool.map(
            lambda _: live.client.get("/models", headers=basic("fifty", PASSWORD)).status_code, range(50)
        )
        assert set(answers) == {200}
    guesses = [live.client.get("/models", headers=basic("fifty", f"guess {n}")).json()["type"] for n in range(6)]
    assert guesses[FREE_FAILURES] == "urn:framehook:too-many-failures", "what they did not fail is not forgiven"


def test_a_password_that_nobody_looked_at_is_no_failure(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that keeps retrying in a crowd gets access as soon as there is time for its check."""
    headers = basic("patient", PASSWORD)
    with monkeypatch.context() as crowded:
        crowded.setattr("handlers.server.access.passwords.MAX_WAITING", 0)
        answers = [live.client.get("/models", headers=headers) for _ in range(FREE_FAILURES + 2)]
    assert {answer.json()["type"] for answer in answers} == {"urn:framehook:too-many-failures"}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert live.client.get("/models", headers=headers).status_code == 200


def test_a_flood_of_guesses_keeps_nobody_out_who_comes_from_elsewhere(live: LiveServer) -> None:
    """Two addresses keep the queue full; a password that was never checked before is let in all the same."""
    is_over = threading.Event()

    def client_at(address: str) -> httpx.Client:
        return httpx.Client(base_url=live.url, transport=httpx.HTTPTransport(local_address=address), timeout=LONG_S)

    def guess(address: str) -> None:
        with client_at(address) as client:
            while not is_over.wait(0.05):
                assert client.get("/models", headers=basic(secrets.token_hex(8), "x")).status_code == 401

    with ThreadPoolExecutor(40) as pool:
        floods = [pool.submit(guess, address) for address in ("127.0.0.2", "127.0.0.3") * 20]
        time.sleep(1)
        with client_at("127.0.0.4") as newcomer:
            status = newcomer.get("/models", headers=basic("newcomer", PASSWORD)).status_code
        is_over.set()
    assert all(flood.exception() is None for flood in floods)
    assert status == 200


def test_good_frames_do_not_help_a_guesser(live: LiveServer) -> None:
    user = next(FRESH_USERS)
    with httpx.Client(base_url=live.url, auth=httpx.DigestAuth(user, PASSWORD), timeout=PATIENCE_S) as camera:
        types = []
        for n in range(FREE_FAILURES + 1):
            assert camera.get("/models").status_code == 200
            types.append(live.client.get("/models", auth=httpx.DigestAuth(user, f"guess {n}")).json()["type"])
    assert types[-1] == "urn:framehook:too-many-failures"


@pytest.mark.parametrize("name", ["x" * 129, "\U0001f600" * 129])
def test_names_too_long_for_anybody_are_refused_at_once(live: LiveServer, name: str) -> None:
    for _ in range(FREE_FAILURES + 2):
        assert live.client.get("/models", headers=basic(name, "x")).headers.get("retry-after") is None


def test_passwords_that_wait_are_answered_before_the_end(tmp_path: Path) -> None:
    """Both times are longer here than by default because a busy machine needs them."""
    folder = write_identity_model(tmp_path)
    times: dict[str, Any] = {"drain_delay_s": 3, "shutdown_timeout_s": 60}
    repository: dict[str, Any] = {"model_repository": tmp_path, "default_model": folder.name}
    with running(wait_until_ready=False, **repository, **times, **GUARDED) as server:
        server.wait_until_ready(AUTHORIZED)
        with ExitStack() as stack:
            guesses = [stack.enter_context(connect(server.port, guess_of(f"user-{number}"))) for number in range(16)]
            time.sleep(0.3)
            server.terminate()
            for guess in guesses:
                guess.settimeout(LONG_S)
            assert {statuses(read_to_end(guess)) for guess in guesses} == {(401,)}


def guess_of(user: str) -> bytes:
    """Return a request with a wrong password."""
    fields = {"Host": "x", "Connection": "close", **basic(user, "wrong")}
    return "\r\n".join(["GET /models HTTP/1.1", *map(": ".join, fields.items()), "", ""]).encode()
