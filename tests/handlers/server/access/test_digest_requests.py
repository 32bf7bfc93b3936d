"""Digest in requests to a service: what is refused, and when a client must authenticate again."""

import httpx
import pytest
import requests
import requests.auth

from handlers.server.access.back_off import FREE_FAILURES
from tests.support.callers import FRAME, FRESH_USERS, HEADERS, digest_request
from tests.support.credentials import (
    GUARDED,
    PASSWORD,
    USER,
)
from tests.support.server import LiveServer, running
from tests.support.waiting import PATIENCE_S


def test_a_request_that_is_sent_again_is_refused(live: LiveServer) -> None:
    request = digest_request(live)
    assert live.client.send(request).status_code == 200
    replays = [live.client.send(request) for _ in range(20)]
    assert [answer.status_code for answer in replays] == [401] * 20
    assert all("stale=true" in answer.headers["www-authenticate"] for answer in replays)


@pytest.mark.parametrize(
    "changes",
    [
        {"nc": "00000002"},
        {"qop": "auth-int"},
        {"qop": '"auth,auth-int"'},
        {"cnonce": '"other"'},
        {"algorithm": "MD5"},
        {"response": '"' + "0" * 64 + '"'},
        {"username": '"compared"'},
        {"nonce": '"' + "0" * 80 + '"'},
    ],
    ids=str,
)
def test_a_field_that_was_changed_is_refused(live: LiveServer, changes: dict[str, str]) -> None:
    answer = live.client.send(digest_request(live, **changes))
    assert answer.status_code == 401
    assert "stale" not in answer.headers["www-authenticate"]


def test_the_uri_must_be_the_target(live: LiveServer) -> None:
    request = digest_request(live, "/inference?confidence=0.5")
    other = httpx.Request("POST", live.url + "/inference?confidence=0.1", content=FRAME, headers=request.headers)
    assert live.client.send(other).status_code == 401
    assert live.client.send(request).status_code == 200


def test_md5_is_refused_where_it_is_not_allowed(guarded: LiveServer) -> None:
    """Also for clients that prefer it, as an attacker in the middle could make them do."""
    offers = guarded.client.get("/models").headers.get_list("www-authenticate")
    assert [offer.partition(" ")[0] for offer in offers] == ["Digest", "Basic", "Bearer"]
    nonce = offers[0].partition('nonce="')[2].partition('"')[0]
    for algorithm, status in (("MD5", 401), ("SHA-256", 200)):
        flow = requests.auth.HTTPDigestAuth(USER, PASSWORD)
        flow.init_per_thread_state()
        flow._thread_local.chal = {"realm": "framehook", "qop": "auth", "nonce": nonce, "algorithm": algorithm}  # noqa: SLF001
        header = flow.build_digest_header("GET", guarded.url + "/models") or ""
        headers = {b"Authorization": header.encode("latin-1")}
        assert guarded.client.get("/models", headers=headers).status_code == status


def test_a_nonce_of_an_earlier_process_is_stale(live: LiveServer) -> None:
    """So a client with the right password continues without asking its user."""
    auth = httpx.DigestAuth(next(FRESH_USERS), PASSWORD)
    with running(wait_until_ready=False, **GUARDED) as other:
        foreign = other.client.get("/models").headers["www-authenticate"]
    flow = auth.sync_auth_flow(httpx.Request("GET", live.url + "/models"))
    request = next(flow)
    answered = flow.send(httpx.Response(401, headers={"www-authenticate": foreign}, request=request))
    answer = live.client.send(answered)
    assert answer.status_code == 401
    assert "stale=true" in answer.headers["www-authenticate"]


def test_who_is_in_by_digest_stays_in_while_others_guess(live: LiveServer) -> None:
    user = next(FRESH_USERS)
    auth = httpx.DigestAuth(user, PASSWORD)
    with httpx.Client(base_url=live.url, auth=auth, timeout=PATIENCE_S) as camera:
        assert camera.post("/inference", content=FRAME, headers=HEADERS).status_code == 200
        for n in range(FREE_FAILURES + 2):
            assert live.client.get("/models", auth=httpx.DigestAuth(user, f"guess {n}")).status_code == 401
        again = camera.post("/inference", content=FRAME, headers=HEADERS)
        assert (again.status_code, len(again.history)) == (200, 0)
