"""Who may come in: every scheme, with the clients that people have."""

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import requests.auth
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.errors import ConfigurationError
from handlers.server.access.back_off import FREE_FAILURES
from handlers.server.access.credentials import REALM, Credential, with_password, with_token
from handlers.server.access.digest import user_hash
from handlers.server.app import OPEN, create_app, create_security
from handlers.server.contract import read_contract
from handlers.server.settings import Settings, read_settings
from tests.support.certificates import issue, trusting, write, write_authority
from tests.support.client import CONTRACT
from tests.support.credentials import (
    ADMIN,
    ADMIN_TOKEN,
    AUTHORIZED,
    CAMERA_TOKEN,
    GUARDED,
    PASSWORD,
    PROBE,
    PROBE_TOKEN,
    USER,
    USER_WITH_PASSWORD,
    basic,
    bearer,
    settings_for,
)
from tests.support.graphs import board, write_identity_model
from tests.support.pictures import encode
from tests.support.server import LiveServer, running, serving
from tests.support.wire import statuses, talk

FRAME = encode(board(7), "BMP")
HEADERS = {"Content-Type": "image/bmp"}
ASCII_USER = "yard"
DIGEST_USERS = [f"user-{number}" for number in range(20)]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The identity model, twice; everything needs a credential, and Digest may be MD5."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    write_identity_model(folder.parent, "other")
    credentials = settings_for(
        ADMIN,
        PROBE,
        USER_WITH_PASSWORD,
        *(with_password(user, PASSWORD, md5=True) for user in (ASCII_USER, "guessed", "compared", "fifty", "patient")),
        *(with_password(f"client-{number}", PASSWORD, md5=True) for number in range(len(PASSWORD_CLIENTS))),
        *(Credential(name=user, digest_sha256=user_hash("SHA-256", user, REALM, PASSWORD)) for user in DIGEST_USERS),
        with_token("reader", "token-of-a-reader", may=("read",)),
        with_token("limited", "token-for-one-model", models=("other",), may=("infer", "read")),
        anonymous_may="nothing",
        digest_md5=True,
        api_key_header="X-Camera-Key",
    )
    models: dict[str, Any] = {"model_repository": folder.parent, "default_model": folder.name}
    with running(wait_until_ready=False, lanes=1, queue_size=1000, **models, **credentials) as server:
        server.wait_until_ready(AUTHORIZED)
        yield server


Client = Callable[[str, str, str], int]


def by_curl(*options: str) -> Client:
    def post(url: str, user: str, password: str) -> int:
        command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data-binary", "@-"]
        credentials = [option.format(user=user, password=password) for option in options]
        types = ["--header", "Content-Type: image/bmp"]
        done = subprocess.run([*command, *types, *credentials, url], input=FRAME, capture_output=True, check=True)
        return int(done.stdout)

    return post


def by_httpx(scheme: Callable[[str, str], Any]) -> Client:
    return lambda url, user, password: (
        httpx.post(url, content=FRAME, headers=HEADERS, auth=scheme(user, password)).status_code
    )


def by_requests(scheme: Callable[[str, str], Any]) -> Client:
    return lambda url, user, password: (
        requests.post(url, data=FRAME, headers=HEADERS, auth=scheme(user, password), timeout=10).status_code
    )


PASSWORD_CLIENTS = {
    "curl basic": by_curl("--user", "{user}:{password}"),
    "curl digest": by_curl("--digest", "--user", "{user}:{password}"),
    "curl whatever is offered": by_curl("--anyauth", "--user", "{user}:{password}"),
    "httpx basic": by_httpx(httpx.BasicAuth),
    "httpx digest": by_httpx(httpx.DigestAuth),
    "requests basic": by_requests(lambda user, password: requests.auth.HTTPBasicAuth(user.encode(), password.encode())),
    "requests digest": by_requests(requests.auth.HTTPDigestAuth),
}


BEYOND_HTTPX = ("httpx digest", USER)
"""httpx sends no header that is not ASCII."""


@pytest.mark.parametrize(
    ("client", "user"),
    [(client, user) for client in PASSWORD_CLIENTS for user in (ASCII_USER, USER) if (client, user) != BEYOND_HTTPX],
)
def test_clients_with_a_password_are_let_in(live: LiveServer, client: str, user: str) -> None:
    """Pre-emptively as Basic, and after a challenge as Digest."""
    assert PASSWORD_CLIENTS[client](f"{live.url}/inference?maxDetections=3", user, PASSWORD) == 200


@pytest.mark.parametrize(("number", "client"), list(enumerate(PASSWORD_CLIENTS)))
def test_clients_with_a_wrong_password_are_not(live: LiveServer, number: int, client: str) -> None:
    """Nor with a wrong user; the right ones are, right after. A password that was right makes no other one right."""
    post, url, user = PASSWORD_CLIENTS[client], f"{live.url}/inference", f"client-{number}"
    assert post(url, user, "wrong password") == 401
    assert post(url, f"wrong-{number}", PASSWORD) == 401
    assert post(url, user, PASSWORD) == 200
    assert post(url, user, "wrong password") == 401


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, Path]]:
    """A service that speaks HTTPS and knows one user; and the file of the authority to trust."""
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    model = write_identity_model(folder / "models")
    known = settings_for(with_password(ASCII_USER, PASSWORD), with_token("program", CAMERA_TOKEN))
    files: dict[str, Any] = write(issue(ca), folder) | known
    [authority] = write_authority(ca, folder).values()
    with serving(model, lanes=1, queue_size=1000, trusted=trusting(ca), **files) as server:
        yield server, authority


TLS_CLIENTS = PASSWORD_CLIENTS | {
    "curl token": by_curl("--oauth2-bearer", CAMERA_TOKEN),
    "httpx token": lambda url, *_: httpx.post(url, content=FRAME, headers=HEADERS | bearer(CAMERA_TOKEN)).status_code,
    "requests key": lambda url, *_: (
        requests.post(url, data=FRAME, headers=HEADERS | {"X-API-Key": CAMERA_TOKEN}, timeout=10).status_code
    ),
}


@pytest.mark.parametrize("client", TLS_CLIENTS)
def test_clients_are_let_in_over_tls(
    over_tls: tuple[LiveServer, Path], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    server, authority = over_tls
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority))
    assert TLS_CLIENTS[client](f"{server.url}/inference", ASCII_USER, PASSWORD) == 200
    if "token" not in client and "key" not in client:
        assert TLS_CLIENTS[client](f"{server.url}/inference", client.replace(" ", "-"), "wrong") == 401


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


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/models", "token-of-a-reader", 200),
        ("/openapi.yaml", "token-of-a-reader", 200),
        ("/inference", "token-of-a-reader", 403),
        ("/models/identity/reload", "token-of-a-reader", 403),
        ("/metrics", "token-of-a-reader", 403),
        ("/metrics", PROBE_TOKEN, 200),
        ("/inference/other", "token-for-one-model", 200),
        ("/inference/identity", "token-for-one-model", 403),
        ("/inference", "token-for-one-model", 403),
        ("/score", "token-for-one-model", 403),
        ("/models/identity", "token-for-one-model", 200),
        ("/models/other", "token-for-one-model", 200),
        ("/models/nope", "token-for-one-model", 404),
        ("/streams", "token-of-a-reader", 200),
        ("/stream/none", "token-of-a-reader", 403),
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


# Digest, on the wire


FRESH_USERS = iter(DIGEST_USERS)
"""One for each test that fails on purpose, so that none has to wait for another's failures."""


def digest_request(live: LiveServer, path: str = "/inference", **changes: str) -> httpx.Request:
    """Return the request that httpx makes after a challenge, with some of its fields changed."""
    auth = httpx.DigestAuth(next(FRESH_USERS), PASSWORD)
    request = httpx.Request("POST", live.url + path, content=FRAME, headers=HEADERS)
    flow = auth.sync_auth_flow(request)
    answered = flow.send(live.client.send(next(flow)))
    header = answered.headers["authorization"]
    for name, value in changes.items():
        before = next(part for part in header.split(", ") if part.removeprefix("Digest ").startswith(f"{name}="))
        header = header.replace(before, before.partition("=")[0] + "=" + value)
    answered.headers["authorization"] = header
    return answered


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
    """Also to clients that would rather answer by it, as an attacker in the middle could make them."""
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
    """So that a client whose password is right goes on without asking anybody."""
    auth = httpx.DigestAuth(next(FRESH_USERS), PASSWORD)
    with running(wait_until_ready=False, **GUARDED) as other:
        foreign = other.client.get("/models").headers["www-authenticate"]
    flow = auth.sync_auth_flow(httpx.Request("GET", live.url + "/models"))
    request = next(flow)
    answered = flow.send(httpx.Response(401, headers={"www-authenticate": foreign}, request=request))
    answer = live.client.send(answered)
    assert answer.status_code == 401
    assert "stale=true" in answer.headers["www-authenticate"]


# Wrong ones


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
    """400 from the socket for what no header may hold, otherwise 401; never a failure of our own."""
    head = b"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n"
    assert statuses(talk(live.port, head))[0] in {400, 401}


def test_two_headers_are_refused(live: LiveServer) -> None:
    line = f"Authorization: Bearer {ADMIN_TOKEN}\r\n"
    head = f"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line * 2}\r\n".encode()
    assert statuses(talk(live.port, head)) == (401,)


def test_guessing_gets_slow_and_hurts_nobody_else(live: LiveServer) -> None:
    """The guesser has to wait; the same user with the right password, which is known by now, does not."""
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
    assert httpx.get(live.url + "/models", auth=digest).status_code == 401, "a guess in another scheme counts too"


@pytest.mark.parametrize("extra", [{}, {"Transfer-Encoding": "chunked"}, {"Expect": "100-continue"}])
def test_a_refused_upload_does_not_hang_the_connection(live: LiveServer, extra: dict[str, str]) -> None:
    """Whether the body comes or not: the answer does, and so does that to the next request, or the end."""
    framing = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
    length = "" if "Transfer-Encoding" in extra else f"Content-Length: {len(FRAME)}\r\n"
    sent = f"POST /inference HTTP/1.1\r\nHost: x\r\n{length}{framing}\r\n".encode()
    if not extra:
        sent += FRAME + b"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(talk(live.port, sent)) == ((401, 401) if not extra else (401,))


# Off, and half on


def test_without_credentials_a_header_is_ignored(identity: LiveServer) -> None:
    for header in (basic("a", "b"), bearer("x"), {"Authorization": "rubbish"}, {"X-API-Key": "x"}):
        assert identity.client.post("/inference", content=FRAME, headers=header).status_code == 200
    assert "{basic: []}" not in identity.client.get("/openapi.yaml").text.partition("/reload:")[0]


def test_the_served_contract_says_what_is_asked_for(live: LiveServer, server: LiveServer) -> None:
    strict = live.client.get("/openapi.json", headers=AUTHORIZED).json()
    assert strict["components"]["securitySchemes"]["apiKey"]["name"] == "X-Camera-Key"
    asks = {path: "security" in next(iter(operations.values())) for path, operations in strict["paths"].items()}
    assert set(asks.values()) == {True}
    loose = server.client.get("/openapi.json").json()
    asking = [path for path, operations in loose["paths"].items() if next(iter(operations.values())).get("security")]
    assert asking == ["/models/{model}/reload"]
    assert loose["paths"][asking[0]]["post"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert set(loose["paths"]) == set(CONTRACT["paths"])


def test_a_frame_costs_a_password_check_only_once(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live.client.get("/models", headers=basic(ASCII_USER, PASSWORD)).status_code == 200
    monkeypatch.setattr("handlers.server.access.passwords.is_password", None)
    assert live.client.get("/models", headers=basic(ASCII_USER, PASSWORD)).status_code == 200


def test_known_and_unknown_users_go_the_same_way(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash of the same cost for each, and one comparison of digests."""
    hashes: list[tuple[str, str]] = []
    comparisons: list[tuple[bytes, bytes]] = []

    def never(kept: list[tuple[Any, Any]], *given: Any) -> bool:
        kept.append(given)
        return False

    monkeypatch.setattr("handlers.server.access.passwords.is_password", partial(never, hashes))
    monkeypatch.setattr("handlers.server.access.recognition.hmac.compare_digest", partial(never, comparisons))
    for user in ("compared", "unknown"):
        assert live.client.get("/models", headers=basic(user, "another wrong one")).status_code == 401
        assert httpx.get(live.url + "/models", auth=httpx.DigestAuth(user, "wrong")).status_code == 401
    known, unknown = hashes
    assert known[1].rsplit("$", 2)[0] == unknown[1].rsplit("$", 2)[0]
    assert [[len(side) for side in pair] for pair in comparisons] == [[64, 64]] * 2


@pytest.mark.parametrize(
    ("host", "credentials", "warns"),
    [("127.0.0.1", {}, False), ("localhost", {}, False), ("::1", {}, False), ("0.0.0.0", {}, True), ("::", {}, True),
     ("0.0.0.0", GUARDED, False)],
)  # fmt: skip
def test_an_open_service_says_so(
    host: str, credentials: dict[str, Any], *, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    create_app(Settings(host=host, **credentials), lambda: None)
    assert [record.getMessage() for record in caplog.records] == [OPEN] * warns


# What an adversary found


def test_guesses_at_the_same_time_count_at_once(live: LiveServer) -> None:
    """Of many different ones no more than five are looked at."""

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
    """Whoever comes again and again while others crowd it is let in as soon as there is time."""
    headers = basic("patient", PASSWORD)
    with monkeypatch.context() as crowded:
        crowded.setattr("handlers.server.access.passwords.MAX_WAITING", 0)
        answers = [live.client.get("/models", headers=headers) for _ in range(FREE_FAILURES + 2)]
    assert {answer.json()["type"] for answer in answers} == {"urn:framehook:too-many-failures"}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert live.client.get("/models", headers=headers).status_code == 200


def test_who_is_in_by_digest_stays_in_while_others_guess(live: LiveServer) -> None:
    user = next(FRESH_USERS)
    auth = httpx.DigestAuth(user, PASSWORD)
    with httpx.Client(base_url=live.url, auth=auth) as camera:
        assert camera.post("/inference", content=FRAME, headers=HEADERS).status_code == 200
        for n in range(FREE_FAILURES + 2):
            assert httpx.get(live.url + "/models", auth=httpx.DigestAuth(user, f"guess {n}")).status_code == 401
        again = camera.post("/inference", content=FRAME, headers=HEADERS)
        assert (again.status_code, len(again.history)) == (200, 0)


def test_good_frames_do_not_help_whoever_guesses(live: LiveServer) -> None:
    user = next(FRESH_USERS)
    with httpx.Client(base_url=live.url, auth=httpx.DigestAuth(user, PASSWORD)) as camera:
        types = []
        for n in range(FREE_FAILURES + 1):
            assert camera.get("/models").status_code == 200
            types.append(httpx.get(live.url + "/models", auth=httpx.DigestAuth(user, f"guess {n}")).json()["type"])
    assert types[-1] == "urn:framehook:too-many-failures"


@pytest.mark.parametrize("name", ["x" * 129, "\U0001f600" * 129])
def test_names_too_long_for_anybody_are_refused_at_once(live: LiveServer, name: str) -> None:
    for _ in range(FREE_FAILURES + 2):
        assert live.client.get("/models", headers=basic(name, "x")).headers.get("retry-after") is None


def test_the_first_that_a_request_brings_decides(live: LiveServer) -> None:
    junk = {"X-Camera-Key": "junk"}
    assert live.client.get("/models", headers=AUTHORIZED | junk).status_code == 401
    assert live.client.get("/metrics", headers=bearer("token-of-a-reader")).status_code == 403
    stale = live.client.send(digest_request(live, nonce='"' + "0" * 80 + '"'))
    assert stale.status_code == 401


@pytest.mark.parametrize("empty", [{"Authorization": "Bearer"}, {"X-Camera-Key": ""}])
def test_an_empty_token_is_nobodys(live: LiveServer, empty: dict[str, str]) -> None:
    assert live.client.get("/models", headers=empty).status_code == 401


def test_the_end_does_not_wait_for_passwords(tmp_path: Path) -> None:
    """Those that wait are given up, though each would take its time."""
    folder = write_identity_model(tmp_path)
    with running(wait_until_ready=False, model_repository=tmp_path, default_model=folder.name, **GUARDED) as server:
        server.wait_until_ready(AUTHORIZED)

        def guess(number: int) -> int:
            return httpx.get(server.url + "/models", headers=basic(f"user-{number}", "wrong"), timeout=30).status_code

        with ThreadPoolExecutor(16) as pool:
            guesses = [pool.submit(guess, number) for number in range(16)]
            time.sleep(0.3)
            server.terminate()
            assert {each.result() for each in guesses} == {401}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"credentials": "[]"}, "There are no credentials, yet"),
        ({"credentials": "# none\n"}, "There are no credentials, yet"),
        ({"anonymous_may": "nothing"}, "There are no credentials, yet"),
        (settings_for(Credential(name="old", digest_md5="0" * 32)), "credential old is for Digest with MD5 alone"),
        (settings_for(ADMIN, with_token("other", ADMIN_TOKEN)), "admin and other have the same token"),
    ],
    ids=["none", "a comment", "nothing without", "md5 alone", "one token twice"],
)
def test_settings_that_would_open_or_shut_by_mistake_stop_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_app(Settings(**settings), lambda: None)


@pytest.mark.parametrize("name", ["authorization", "Content-Type", "x-ms-client-request-id", "1key", "a b", ""])
def test_the_header_for_tokens_must_be_free(name: str) -> None:
    with pytest.raises(ConfigurationError, match="API_KEY_HEADER"):
        read_settings({}, {"FRAMEHOOK_API_KEY_HEADER": name})


def test_a_header_that_yaml_takes_for_something_else_is_served_as_text() -> None:
    settings = Settings(**settings_for(ADMIN, api_key_header="no"))
    contract = read_contract(create_security(settings), settings.api_key_header)
    assert contract.document["components"]["securitySchemes"]["apiKey"]["name"] == "no"
