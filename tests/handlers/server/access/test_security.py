"""Which requests are allowed: schemes, permissions, malformed and empty credentials."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.wire import statuses, talk
from tests.support.callers import FRAME, digest_request
from tests.support.client import CONTRACT
from tests.support.credentials import (
    ADMIN_TOKEN,
    AUTHORIZED,
    PROBE_TOKEN,
    basic,
    bearer,
)
from tests.support.server import LiveServer

OPEN_PATHS = ["/", "/console/{file}", "/openapi.json", "/openapi.yaml", "/stream/{stream}"]


@pytest.mark.parametrize("header", ["Authorization: Bearer {}", "authorization: bearer  {}", "X-Camera-Key: {}"])
def test_tokens_come_in_two_headers(live: LiveServer, header: str) -> None:
    name, _, value = header.partition(": ")
    for token, status in ((ADMIN_TOKEN, 200), (ADMIN_TOKEN + "x", 401), (PROBE_TOKEN, 403), ("é", 401)):
        given_as = {name.encode(): value.format(token).encode()}
        assert live.client.post("/inference", content=FRAME, headers=given_as).status_code == status


def test_any_of_several_schemes_is_enough(live: LiveServer) -> None:
    headers = {"Authorization": "rubbish", "X-Camera-Key": ADMIN_TOKEN}
    assert live.client.post("/inference", content=FRAME, headers=headers).status_code == 200


def test_every_scheme_on_offer_has_its_challenge(live: LiveServer) -> None:
    offers = live.client.post("/inference", content=FRAME).headers.get_list("www-authenticate")
    assert [offer.partition(" ")[0] for offer in offers] == ["Digest", "Digest", "Basic", "Bearer"]
    assert ["algorithm=SHA-256" in offers[0], "algorithm=MD5" in offers[1]] == [True, True]
    nonces = {offer.partition('nonce="')[2].partition('"')[0] for offer in offers[:2]}
    assert len(nonces) == 1


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_pages_and_the_contract_need_no_credential(live: LiveServer, path: str) -> None:
    for headers in ({}, bearer("wrong")):
        assert live.client.get(path.format(file="app.js", stream="gate"), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/models", "token-of-a-reader", 200),
        ("/openapi.yaml", PROBE_TOKEN, 200),
        ("/inference", "token-of-a-reader", 403),
        ("/models/identity/reload", "token-of-a-reader", 403),
        ("/metrics", "token-of-a-reader", 403),
        ("/metrics", PROBE_TOKEN, 200),
        ("/status", "token-of-a-reader", 403),
        ("/status", PROBE_TOKEN, 200),
        ("/inference/other", "token-for-one-model", 200),
        ("/inference/identity", "token-for-one-model", 403),
        ("/inference", "token-for-one-model", 403),
        ("/score", "token-for-one-model", 403),
        ("/models/identity", "token-for-one-model", 200),
        ("/models/other", "token-for-one-model", 200),
        ("/models/nope", "token-for-one-model", 404),
        ("/streams", "token-of-a-reader", 200),
        ("/stream/none", "token-of-a-reader", 200),
        ("/refusals", "token-of-a-reader", 200),
        ("/refusals", PROBE_TOKEN, 403),
        ("/mjpeg/none", "token-of-a-reader", 403),
        ("/mjpeg/none", ADMIN_TOKEN, 404),
        ("/models/other/reload", "token-for-one-model", 403),
        ("/models/other/reload", ADMIN_TOKEN, 200),
        ("/nope", PROBE_TOKEN, 404),
    ],
)
def test_a_credential_may_what_it_may(live: LiveServer, path: str, token: str, status: int) -> None:
    takes_post = path.startswith(("/inference", "/score")) or path.endswith("/reload")
    content = FRAME if "reload" not in path and takes_post else None
    answer = live.client.request("POST" if takes_post else "GET", path, content=content, headers=bearer(token))
    assert answer.status_code == status


@given(
    st.binary(max_size=200)
    | st.tuples(
        st.sampled_from([b"Basic ", b"Digest ", b"Bearer ", b"basic", b"DIGEST  ", b"Negotiate "]),
        st.binary(max_size=100)
        | st.sampled_from([b"===", b"OjpY", b"Og==", b"4pyT", b'username="', b"a=b,a=b", b'response="\xc3\xa9", nc=1']),
    ).map(b"".join)
)
@settings(max_examples=150)
def test_a_malformed_header_is_refused(live: LiveServer, value: bytes) -> None:
    """400 from the socket for bytes that no header may hold, otherwise 401; never a 500."""
    head = b"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n"
    assert statuses(talk(live.port, head))[0] in {400, 401}


def test_two_headers_are_refused(live: LiveServer) -> None:
    line = f"Authorization: Bearer {ADMIN_TOKEN}\r\n"
    head = f"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line * 2}\r\n".encode()
    assert statuses(talk(live.port, head)) == (401,)


@pytest.mark.parametrize("extra", [{}, {"Transfer-Encoding": "chunked"}, {"Expect": "100-continue"}])
def test_a_refused_upload_does_not_hang_the_connection(live: LiveServer, extra: dict[str, str]) -> None:
    """With or without the body: the answer arrives, then the answer to the next request or the end."""
    framing = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
    length = "" if "Transfer-Encoding" in extra else f"Content-Length: {len(FRAME)}\r\n"
    sent = f"POST /inference HTTP/1.1\r\nHost: x\r\n{length}{framing}\r\n".encode()
    if not extra:
        sent += FRAME + b"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(talk(live.port, sent)) == ((401, 401) if not extra else (401,))


def test_without_credentials_a_header_is_ignored(identity: LiveServer) -> None:
    for header in (basic("a", "b"), bearer("x"), {"Authorization": "rubbish"}, {"X-API-Key": "x"}):
        assert identity.client.post("/inference", content=FRAME, headers=header).status_code == 200
    assert "basic: []" not in identity.client.get("/openapi.yaml").text.partition("/reload:")[0]


def test_the_served_contract_says_what_is_asked_for(live: LiveServer, server: LiveServer) -> None:
    strict = live.client.get("/openapi.json").json()
    assert strict["components"]["securitySchemes"]["apiKey"]["name"] == "X-Camera-Key"
    asks = {path: next(iter(operations.values()))["security"] for path, operations in strict["paths"].items()}
    assert sorted(path for path, schemes in asks.items() if not schemes) == OPEN_PATHS
    loose = server.client.get("/openapi.json").json()
    asking = [path for path, operations in loose["paths"].items() if next(iter(operations.values())).get("security")]
    assert asking == ["/models/{model}/reload"]
    assert loose["paths"][asking[0]]["post"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert set(loose["paths"]) == set(CONTRACT["paths"])


def test_the_first_that_a_request_brings_decides(live: LiveServer) -> None:
    junk = {"X-Camera-Key": "junk"}
    assert live.client.get("/models", headers=AUTHORIZED | junk).status_code == 401
    assert live.client.get("/metrics", headers=bearer("token-of-a-reader")).status_code == 403
    stale = live.client.send(digest_request(live, nonce='"' + "0" * 80 + '"'))
    assert stale.status_code == 401


@pytest.mark.parametrize("empty", [{"Authorization": "Bearer"}, {"X-Camera-Key": ""}])
def test_an_empty_token_is_nobodys(live: LiveServer, empty: dict[str, str]) -> None:
    assert live.client.get("/models", headers=empty).status_code == 401
