"""The client against servers on real sockets: friendly, busy, broken and hostile ones."""

import base64
import gzip
import hashlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from lab.wire import refusing
from player.errors import ExtensionBusyError, ExtensionError, ExtensionRefusedError, TopologyError
from player.flow import Inference
from player.nodes import http_client
from player.nodes.http_client import HttpExtension, ServerSettings, TlsSettings
from player.nodes.protocol.credentials import HeaderCredential, UserPassword, parse_challenges
from player.nodes.protocol.encoding import ImageFormat, ImageSettings
from player.nodes.protocol.scaling import Scale
from tests.player.nodes.extension_server import (
    Answer,
    Request,
    after,
    bytes_for_long,
    found,
    hung_up,
    nothing,
    serving,
    silent,
    status,
)
from tests.player.nodes.pictures import BEGIN_S, GREY, entity
from tests.support.waiting import PATIENCE_S

CAR = entity("car", 0.25, 0.5, 0.5, 0.25)
PASSWORD = "s3cret pass"
LIMIT_S = 0.6
"""The time that slow servers have in these tests."""


@contextmanager
def client(url: str, image: ImageSettings | None = None, **settings: object) -> Iterator[HttpExtension]:
    settings.setdefault("timeout_s", PATIENCE_S)
    extension = HttpExtension(ServerSettings(url, **settings), image)  # type: ignore[arg-type]
    try:
        yield extension
    finally:
        extension.close()


def ask(extension: HttpExtension) -> tuple[Inference, ...]:
    return extension.ask(GREY, BEGIN_S)


def test_it_asks_as_the_protocol_says() -> None:
    with serving(found(CAR)) as server, client(f"{server.url}?id=1") as extension:
        assert ask(extension) == (CAR,)
    [head] = server.heads
    assert head[":path"] == "/score?id=1"
    assert head["Accept"] == "application/json"
    assert head["Content-Type"] == "image/bmp"
    assert int(head["Content-Length"]) == len(server.bodies[0]) == 54 + 160 * 90 * 3
    assert len(head["x-ms-client-request-id"]) == 36
    assert "Authorization" not in head
    assert head["Accept-Encoding"] == "identity"


def test_nothing_found() -> None:
    with serving(nothing, found()) as server, client(server.url) as extension:
        assert ask(extension) == ask(extension) == ()


def test_one_connection_serves_many_requests() -> None:
    with serving(found(CAR), nothing, found(CAR)) as server, client(server.url) as extension:
        assert [len(ask(extension)) for _ in range(3)] == [1, 0, 1]
    assert server.connections == 1


def test_boxes_of_padded_pictures_are_mapped_back() -> None:
    image = ImageSettings(Scale("pad", 160, 160), ImageFormat("jpeg"))
    beside = entity("car", 0, 0, 1, 0.2)
    with (
        serving(found(entity("car", 0.5, 35 / 160, 0.5, 90 / 160), beside)) as server,
        client(server.url, image) as extension,
    ):
        assert ask(extension) == (entity("car", 0.5, 0, 0.5, 1),)


def test_invalid_inferences_are_dropped_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with (
        serving(found(CAR, {"type": "car"})) as server,
        client(server.url) as extension,
        caplog.at_level(logging.WARNING),
    ):
        assert ask(extension) == ask(extension) == (CAR,)
        assert extension.dropped == 2
    assert [record.name for record in caplog.records].count(http_client.__name__) == 1


def test_other_answers_are_opaque() -> None:
    with serving(status(200, ("Content-Type", "text/plain"), body=b"car")) as server, client(server.url) as extension:
        assert ask(extension) == ({"type": "other", "other": {"contentType": "text/plain", "contentBytes": "Y2Fy"}},)


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "least_s", "most_s"),
    [
        pytest.param(None, 1, 1, id="not said"),
        pytest.param("7", 7, 7, id="seconds"),
        pytest.param("0", 0, 0, id="at once"),
        pytest.param("86400", 300, 300, id="a day"),
        pytest.param("9" * 400, 300, 300, id="for ever"),
        pytest.param(lambda: in_seconds(200), 100, 201, id="date"),
        pytest.param(lambda: in_seconds(200).replace("GMT", "-0000"), 100, 201, id="date without a zone"),
        pytest.param(lambda: in_seconds(-30), 0, 0, id="past date"),
        pytest.param("soon", 1, 1, id="neither"),
        pytest.param("-5", 1, 1, id="negative"),
        pytest.param("\u00b2", 1, 1, id="odd digit"),
        pytest.param(f"1 Jan {'9' * 20} 00:00:00 GMT", 1, 1, id="year that is none"),
    ],
)
def test_a_busy_server_says_when(retry_after: object, least_s: float, most_s: float) -> None:
    value = retry_after() if callable(retry_after) else retry_after
    fields = [] if value is None else [("Retry-After", value)]
    with (
        serving(status(503, *fields)) as server,
        client(server.url) as extension,
        pytest.raises(ExtensionBusyError) as caught,
    ):
        ask(extension)
    assert least_s <= caught.value.retry_after_s <= most_s


@pytest.mark.parametrize("code", [301, 400, 404, 418, 500, 502])
def test_other_statuses_refuse(code: int) -> None:
    text = b"no \x1b[31mcar\r\nhere\xff " + b"x" * 600
    answer = status(code, ("Location", "http://127.0.0.1:1/"), body=text)
    with serving(answer) as server, client(server.url) as extension, pytest.raises(ExtensionRefusedError) as caught:
        ask(extension)
    assert caught.value.status == code
    assert caught.value.text.startswith("no  [31mcar here\ufffd xx")
    assert len(caught.value.text) == 500
    assert f"status {code}: no " in str(caught.value)
    assert len(server.heads) == 1


def test_a_refusal_may_be_silent() -> None:
    with (
        serving(status(500)) as server,
        client(server.url) as extension,
        pytest.raises(ExtensionRefusedError) as caught,
    ):
        ask(extension)
    assert str(caught.value).endswith("/score answered with status 500.")


def basic(request: Request) -> None:
    """Answer those who send the password."""
    expected = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    if request.headers["Authorization"] == expected:
        found(CAR)(request)
    else:
        status(401, ("WWW-Authenticate", 'Basic realm="a"'), body=f"not {request.headers['Authorization']}".encode())(
            request
        )


def test_basic_is_sent_when_it_is_asked_for() -> None:
    """And from then on at once."""
    with serving(basic) as server, client(server.url, credential=UserPassword("user", PASSWORD)) as extension:
        assert ask(extension) == ask(extension) == (CAR,)
    assert ["Authorization" in head for head in server.heads] == [False, True, True]


def test_a_server_that_does_not_ask_gets_no_password() -> None:
    with serving(found(CAR)) as server, client(server.url, credential=UserPassword("dummy", PASSWORD)) as extension:
        ask(extension)
    assert "Authorization" not in server.heads[0]


def test_credentials_in_the_url_are_no_part_of_it() -> None:
    with serving(basic) as server:
        url = server.url.replace("//", "//user:s3cret%20pass@")
        with client(url) as extension:
            assert ask(extension) == (CAR,)
    assert "@" not in server.heads[0]["Host"]


NONCES = {"n1": "SHA-256", "n2": "MD5", "n3": "SHA-256-sess"}


def digest(*nonces: str, qop: str | None = "auth-int, auth", also: str = "") -> Answer:
    """Answer those who prove that they know the password; each nonce serves two requests."""
    left = dict.fromkeys(nonces, 2)

    def answer(request: Request) -> None:
        [(_, said)] = parse_challenges(request.headers.get("Authorization", "none"))
        if said and is_proven(said, qop) and left.get(said["nonce"], 0):
            left[said["nonce"]] -= 1
            found(CAR)(request)
            return
        usable = [nonce for nonce, uses in left.items() if uses][:1] or [*nonces]
        offered = [
            f'{also}Digest realm="a \\"b\\"", nonce="{nonce}", algorithm={NONCES[nonce]}, opaque="o"'
            + (f', qop="{qop}"' if qop else "")
            for nonce in usable
        ]
        status(401, *(("WWW-Authenticate", one) for one in offered))(request)

    return answer


def is_proven(said: dict[str, str] | object, qop: str | None) -> bool:
    """Return whether a response is right, as RFC 7616 calculates it."""
    assert isinstance(said, dict)
    algorithm = NONCES[said["nonce"]]

    def hashed(*parts: str) -> str:
        name = "md5" if algorithm == "MD5" else "sha256"
        return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    secret = hashed("user", 'a "b"', PASSWORD)
    if algorithm.endswith("-sess"):
        secret = hashed(secret, said["nonce"], said["cnonce"])
    request = hashed("POST", "/score?a=1")
    middle = [said["nc"], said["cnonce"], "auth"] if qop else []
    assert said["opaque"] == "o"
    assert said["algorithm"] == algorithm
    assert said["uri"] == "/score?a=1"
    return said["username"] == "user" and said["response"] == hashed(secret, said["nonce"], *middle, request)


@pytest.mark.parametrize(
    ("answer", "heads"),
    [
        pytest.param(digest("n1"), [False, True, True], id="sha-256"),
        pytest.param(digest("n2"), [False, True, True], id="md5"),
        pytest.param(digest("n3"), [False, True, True], id="session"),
        pytest.param(digest("n1", qop=None), [False, True, True], id="old"),
        pytest.param(digest("n1", also='Basic realm="x", '), [False, True, True], id="better than basic"),
    ],
)
def test_digest_is_preferred(answer: Answer, heads: list[bool]) -> None:
    """The password itself is not sent."""
    with serving(answer) as server, client(f"{server.url}?a=1", credential=UserPassword("user", PASSWORD)) as extension:
        assert ask(extension) == ask(extension) == (CAR,)
    assert ["Authorization" in head for head in server.heads] == heads
    assert all(head.get("Authorization", "Digest").startswith("Digest") for head in server.heads)


def test_a_new_nonce_is_taken() -> None:
    credential = UserPassword("user", PASSWORD)
    with serving(digest("n1", "n2")) as server, client(f"{server.url}?a=1", credential=credential) as extension:
        assert [ask(extension) for _ in range(4)] == [(CAR,)] * 4
    assert len(server.heads) == 6


@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param("Negotiate", id="unknown scheme"),
        pytest.param("Digest", id="nothing but its name"),
        pytest.param('Digest realm="a", nonce="b", algorithm=NEW', id="unknown algorithm"),
        pytest.param('Digest realm="a", nonce="b", qop="auth-int"', id="unknown protection"),
        pytest.param(', =, "', id="nonsense"),
        pytest.param('Digest realm="a", nonce=', id="value without characters"),
    ],
)
def test_what_is_asked_for_may_be_unknown(challenge: str) -> None:
    credential = UserPassword("user", PASSWORD)
    with (
        serving(status(401, ("WWW-Authenticate", challenge))) as server,
        client(server.url, credential=credential) as extension,
        pytest.raises(ExtensionRefusedError) as caught,
    ):
        ask(extension)
    assert caught.value.status == 401
    assert len(server.heads) == 1


def test_a_header_is_sent_with_each_request() -> None:
    credential = HeaderCredential("x-api-key", "k e y")
    with serving(found(CAR)) as server, client(server.url, credential=credential) as extension:
        ask(extension)
    assert server.heads[0]["x-api-key"] == "k e y"


def echo(request: Request) -> None:
    """Refuse, and repeat all that was sent."""
    fields = [("WWW-Authenticate", 'Basic realm="a"')]
    secret = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    status(401, *fields, body=f"{request.headers} {PASSWORD} {secret}".encode())(request)


@pytest.mark.parametrize(
    "credential",
    [UserPassword("user", PASSWORD), HeaderCredential("Authorization", f"Bearer {PASSWORD.replace(' ', '')}")],
)
def test_no_message_has_the_password(credential: UserPassword | HeaderCredential) -> None:
    """Not even if the server repeats it."""
    with (
        serving(echo) as server,
        client(server.url.replace("//", "//user:other@"), credential=credential) as extension,
        pytest.raises(ExtensionRefusedError) as caught,
    ):
        ask(extension)
    texts = [str(caught.value), caught.value.text, repr(credential), repr(ServerSettings(server.url, credential))]
    encoded = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    hidden = [PASSWORD, encoded] if isinstance(credential, UserPassword) else [PASSWORD.replace(" ", "")]
    assert not [text for text in texts for secret in (*hidden, "other") if secret in text]
    assert "***" in caught.value.text


def test_no_log_has_what_a_server_repeats(caplog: pytest.LogCaptureFixture) -> None:
    def repeat(request: Request) -> None:
        status(404, ("x-echo", request.headers["Authorization"]))(request)

    caplog.set_level(logging.DEBUG)
    with (
        serving(repeat) as server,
        client(server.url, credential=HeaderCredential("Authorization", "Bearer secret")) as extension,
        pytest.raises(ExtensionRefusedError),
    ):
        ask(extension)
    assert "secret" not in caplog.text


def test_no_message_has_what_is_in_the_query() -> None:
    """Nor a part of a password, where a message is cut off."""

    def repeat(request: Request) -> None:
        status(404, body=f"Cannot POST {request.path} {'.' * 455}{PASSWORD}".encode())(request)

    with (
        serving(repeat) as server,
        client(f"{server.url}?code=key-of-mine", credential=UserPassword("user", PASSWORD)) as extension,
        pytest.raises(ExtensionRefusedError) as caught,
    ):
        ask(extension)
    assert "key-of-mine" not in f"{caught.value} {caught.value.text}"
    assert PASSWORD[:3] not in caught.value.text


def test_users_have_any_name() -> None:
    with serving(status(401, ("WWW-Authenticate", 'Digest realm="a", nonce="b"'))) as server:
        with (
            client(server.url, credential=UserPassword("Jos\u00e9", PASSWORD)) as extension,
            pytest.raises(ExtensionError),
        ):
            ask(extension)
        with client(server.url, credential=UserPassword('a"\\b', PASSWORD)) as extension, pytest.raises(ExtensionError):
            ask(extension)
    assert "username*=UTF-8''Jos%C3%A9, " in server.heads[1]["Authorization"]
    assert 'username="a\\"\\\\b", ' in server.heads[3]["Authorization"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(ServerSettings("ftp://a"), id="scheme"),
        pytest.param(ServerSettings("http://"), id="no host"),
        pytest.param(ServerSettings("http://a:b@[::"), id="no url"),
        pytest.param(ServerSettings("http://a", HeaderCredential("a b", "secret")), id="header name"),
        pytest.param(ServerSettings("http://a", HeaderCredential("a", "secret\r\nb: c")), id="header value"),
        pytest.param(ServerSettings("http://a", tls=TlsSettings(trusted_pem=["secret"])), id="certificate"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: ServerSettings) -> None:
    with pytest.raises(TopologyError) as caught:
        HttpExtension(settings)
    assert "secret" not in str(caught.value)


def test_nobody_listens() -> None:
    with (
        refusing() as port,
        client(f"http://user:{port}@127.0.0.1:{port}/?key=secret") as extension,
        pytest.raises(ExtensionError) as caught,
    ):
        ask(extension)
    assert str(caught.value) == f"http://127.0.0.1:{port}/ cannot be reached: [Errno 111] Connection refused."


def test_a_server_that_hangs_up() -> None:
    with serving(hung_up) as server, client(server.url) as extension, pytest.raises(ExtensionError, match="ended the"):
        ask(extension)
    assert len(server.heads) == 1


def closes(request: Request) -> None:
    """Answer, and end the connection without saying so."""
    found(CAR)(request)
    request.hang_up()


def test_a_kept_connection_that_has_ended_is_replaced() -> None:
    with serving(closes) as server, client(server.url) as extension:
        for _ in range(5):
            assert ask(extension) == (CAR,)
    assert server.connections >= 5


def test_a_kept_connection_that_ends_during_a_request_is_replaced() -> None:
    with serving(found(CAR), hung_up, found(CAR)) as server, client(server.url) as extension:
        assert ask(extension) == ask(extension) == (CAR,)
    assert (server.connections, len(server.heads)) == (2, 3)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silent, id="silence"),
        pytest.param(bytes_for_long(b" ", OK + b"\r\n", 0.05), id="slow body"),
        pytest.param(bytes_for_long(b"x", b"HTTP/1.1 200 OK\r\nA: ", 0.05), id="slow head"),
        pytest.param(bytes_for_long(b"HTTP/1.1 100 Continue\r\n\r\n", b"", 0.001), id="continue for ever"),
        pytest.param(bytes_for_long(b"1\r\n \r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n", 0.05), id="slow chunks"),
        pytest.param(after(60, found(CAR)), id="late answer"),
    ],
)
def test_a_slow_server_has_a_limit(answer: Answer) -> None:
    with serving(answer) as server, client(server.url, timeout_s=LIMIT_S) as extension:
        began_s = time.monotonic()
        with pytest.raises(ExtensionError, match=f"did not answer within {LIMIT_S} s"):
            ask(extension)
        assert LIMIT_S * 0.9 <= time.monotonic() - began_s <= PATIENCE_S / 3  # the slow ones end after half of it


@pytest.mark.parametrize(
    ("beginning", "piece", "message"),
    [
        pytest.param(OK + b"\r\n", bytes(1 << 20), "more than 16 MiB", id="endless body"),
        pytest.param(OK + b"A: ", bytes(1 << 12), "does not speak HTTP", id="endless head"),
        pytest.param(b"\x00\x01\x02\r\n\r\n", b"", "does not speak HTTP", id="no http"),
        pytest.param(OK + b"Content-Encoding: gzip\r\n\r\n", b"", "compressed", id="compressed"),
        pytest.param(OK + b"Content-Length: -1\r\n\r\n", b"", "does not speak HTTP", id="negative length"),
    ],
)
def test_a_hostile_server_is_refused(beginning: bytes, piece: bytes, message: str) -> None:
    answer = bytes_for_long(piece, beginning, 0.001)
    with serving(answer) as server, client(server.url) as extension, pytest.raises(ExtensionError, match=message):
        ask(extension)


def test_a_compressed_answer_is_not_opened() -> None:
    bomb = gzip.compress(bytes(1 << 22))
    answer = status(200, ("Content-Type", "application/json"), ("Content-Encoding", "gzip"), body=bomb)
    with serving(answer) as server, client(server.url) as extension, pytest.raises(ExtensionError, match="compressed"):
        ask(extension)


def test_a_body_of_wrong_length() -> None:
    def short(request: Request) -> None:
        request.head(200, ("Content-Length", 100))
        request.wfile.write(b"{}")
        request.hang_up()

    with serving(short) as server, client(server.url) as extension, pytest.raises(ExtensionError, match="ended the"):
        ask(extension)


def test_cookies_are_not_kept() -> None:
    answer = status(200, ("Set-Cookie", "a=b; Path=/"), ("Content-Type", "application/json"), body=b'{"inferences":[]}')
    with serving(answer) as server, client(server.url) as extension:
        ask(extension)
        ask(extension)
    assert "Cookie" not in server.heads[1]


def test_an_early_refusal_is_read() -> None:
    """Of a server that does not wait for the whole picture."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(
                    b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        with client(f"http://127.0.0.1:{listener.getsockname()[1]}/") as extension, pytest.raises(ExtensionBusyError):
            ask(extension)
        thread.join()


def test_closing_ends_a_request() -> None:
    """Soon, though the server says nothing; and later requests fail at once."""
    with serving(silent) as server, client(server.url) as extension:
        threading.Timer(0.3, extension.close).start()
        began_s = time.monotonic()
        with pytest.raises(ExtensionError):
            ask(extension)
        assert time.monotonic() - began_s < PATIENCE_S / 2
        with pytest.raises(ExtensionError):
            ask(extension)


def test_closing_while_it_connects_ends_the_request() -> None:
    with serving(silent) as server, client(server.url) as extension:
        extension._connection.is_closed = True  # noqa: SLF001, as after a close that has come before the connection
        with pytest.raises(ExtensionError):
            ask(extension)


def test_a_connection_that_is_gone_is_not_cut() -> None:
    """Its number may belong to something else."""
    connection = http_client._Connection()  # noqa: SLF001
    connection.cut()
    one, other = socket.socketpair()
    with one, other:
        connection._fd, connection._inode = one.fileno(), 1  # noqa: SLF001
        connection.cut()
        one.sendall(b"a")
        assert other.recv(1) == b"a"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def tls_server(authority: trustme.CA, name: str) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with serving(found(CAR), tls=context) as server:
        yield server.url


@pytest.mark.parametrize(
    ("name", "trusts", "tls", "works"),
    [
        pytest.param("127.0.0.1", True, TlsSettings(), True, id="trusted"),
        pytest.param("127.0.0.1", False, TlsSettings(), False, id="unknown authority"),
        pytest.param("127.0.0.1", False, TlsSettings(ignores_hostname=True), False, id="unknown, any name"),
        pytest.param("example.org", True, TlsSettings(), False, id="another name"),
        pytest.param("example.org", True, TlsSettings(ignores_hostname=True), True, id="any name"),
        pytest.param("example.org", False, TlsSettings(ignores_signature=True), True, id="any certificate"),
    ],
)
def test_certificates_are_checked(
    authority: trustme.CA, name: str, tls: TlsSettings, *, trusts: bool, works: bool
) -> None:
    trusted = [authority.cert_pem.bytes().decode()] if trusts else []
    settings = TlsSettings(tls.ignores_hostname, tls.ignores_signature, trusted)
    with tls_server(authority, name) as url, client(url, tls=settings) as extension:
        if works:
            assert ask(extension) == (CAR,)
        else:
            with pytest.raises(ExtensionError, match="certificate"):
                ask(extension)


def test_a_slow_tls_server_has_a_limit(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    tls = TlsSettings(ignores_signature=True)
    with (
        serving(silent, tls=context) as server,
        client(server.url, tls=tls, timeout_s=LIMIT_S) as extension,
        pytest.raises(ExtensionError, match="did not answer within"),
    ):
        ask(extension)
