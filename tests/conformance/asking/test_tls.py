"""Which servers the kit trusts, and what it says of others, with real handshakes."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from conformance.asking.address import read_address
from conformance.asking.server import Server
from conformance.asking.tls import context
from conformance.errors import ConformanceError, NoAnswerError


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


def _served(certificate: trustme.LeafCert | None) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(tls)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(ca: trustme.CA) -> Iterator[int]:
    """The port of a server whose certificate is for localhost, not for its address."""
    yield from _served(ca.issue_cert("localhost"))


@pytest.fixture(scope="module")
def plain_port() -> Iterator[int]:
    yield from _served(None)


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(ca.cert_pem.bytes())
    return path


def asked(url: str, tls: ssl.SSLContext | None) -> int:
    return Server(read_address(url), tls=tls).post(b"frame").status


def test_a_server_is_trusted_whose_authority_is_given(port: int, ca_file: Path) -> None:
    assert asked(f"https://localhost:{port}", context(ca_file)) == 204


def test_any_server_is_trusted_if_that_is_wished(port: int) -> None:
    assert asked(f"https://127.0.0.1:{port}", context(insecure=True)) == 204


@pytest.mark.parametrize("tls", [context(), None], ids=["asked for", "of itself"])
def test_an_unknown_authority_is_not_trusted(port: int, tls: ssl.SSLContext | None) -> None:
    with pytest.raises(NoAnswerError, match=r"not trusted .*--ca FILE.*--insecure"):
        asked(f"https://localhost:{port}", tls)


def test_a_certificate_for_another_name_is_not_trusted(port: int, ca_file: Path) -> None:
    with pytest.raises(NoAnswerError, match=r"another name than 127\.0\.0\.1.*--insecure"):
        asked(f"https://127.0.0.1:{port}", context(ca_file))


def test_a_server_without_tls_is_named_so(plain_port: int) -> None:
    with pytest.raises(NoAnswerError, match="does not speak TLS"):
        asked(f"https://localhost:{plain_port}", context(insecure=True))


def test_a_server_without_tls_is_asked_without(plain_port: int) -> None:
    assert asked(f"http://localhost:{plain_port}", context()) == 204


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read"), (b"no certificate", "has no certificate")])
def test_a_file_without_an_authority_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConformanceError, match=reason):
        context(path)
