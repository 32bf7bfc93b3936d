"""Certificates are renewed while the service runs: new connections get the new one, and no request fails."""

import logging
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import trustme

from handlers.server.wire import tls
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import connect, connect_encrypted, read_answer, statuses
from tests.support.certificates import fingerprint, issue, pem, trusting, write, write_authority
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

LOOK_S = 0.05
RENEWALS = 30
FRAME = encode(board(7), "PNG")
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "LOOK_S", LOOK_S)


@contextmanager
def served(folder: Path, files: dict[str, Path], trusted: ssl.SSLContext) -> Iterator[LiveServer]:
    """Run the service with these files."""
    settings: dict[str, Any] = {"lanes": 2, "queue_size": 100, "receive_timeout_s": PATIENCE_S}
    with serving(write_identity_model(folder / "models"), trusted=trusted, **settings, **files) as live:
        yield live


def shown(live: LiveServer, trusted: ssl.SSLContext | None = None) -> str:
    """Return the fingerprint of the certificate that a new connection gets."""
    trusted = trusted or live.trusted
    assert trusted
    with connect_encrypted(live.port, trusted, LIVE) as connection:
        assert statuses(read_answer(connection)) == (200,)
        return fingerprint(connection)


def is_shown(live: LiveServer, certificate: trustme.LeafCert) -> bool:
    return shown(live) == fingerprint(certificate)


def _in_place(certificate: trustme.LeafCert, folder: Path) -> None:
    write(certificate, folder)


def _replaced(certificate: trustme.LeafCert, folder: Path) -> None:
    new_folder = folder / "new"
    new_folder.mkdir()
    for path in write(certificate, new_folder).values():
        path.replace(folder / path.name)
    new_folder.rmdir()


def _by_certbot(certificate: trustme.LeafCert, folder: Path) -> None:
    """Links to numbered files, replaced one after the other."""
    archive = folder / "archive" / str(time.monotonic_ns())
    archive.mkdir(parents=True)
    for path in write(certificate, archive).values():
        (folder / path.name).unlink()
        (folder / path.name).symlink_to(path)


def _by_kubernetes(certificate: trustme.LeafCert, folder: Path) -> None:
    """All files are reached through one link to a folder; the link is replaced, and the old folder is deleted."""
    data, new_folder = folder / "..data", folder / f"..{time.monotonic_ns()}"
    new_folder.mkdir()
    old = data.resolve() if data.exists() else None
    for path in write(certificate, new_folder).values():
        if not (folder / path.name).is_symlink():
            (folder / path.name).unlink()
            (folder / path.name).symlink_to(Path("..data") / path.name)
    (folder / "..new").symlink_to(new_folder.name)
    (folder / "..new").replace(data)
    if old:
        shutil.rmtree(old)


@pytest.mark.parametrize("renew", [_in_place, _replaced, _by_certbot, _by_kubernetes])
def test_a_renewed_certificate_is_shown_and_open_connections_go_on(
    tmp_path: Path, ca: trustme.CA, renew: Callable[[trustme.LeafCert, Path], None]
) -> None:
    first = issue(ca)
    with (
        served(tmp_path, write(first, tmp_path), trusting(ca)) as live,
        connect_encrypted(live.port, trusting(ca)) as connection,
    ):
        for certificate in (issue(ca), issue(ca), issue(ca)):
            assert shown(live) != fingerprint(certificate)
            renew(certificate, tmp_path)
            wait_for(partial(is_shown, live, certificate))
            connection.sendall(LIVE)
            assert statuses(read_answer(connection)) == (200,)
        assert fingerprint(connection) == fingerprint(first)


def test_files_that_cannot_be_served_change_nothing_and_are_logged_once(
    tmp_path: Path, ca: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first, second = issue(ca), issue(ca)
    files = write(first, tmp_path)
    with served(tmp_path, files, trusting(ca)) as live:
        steps: list[tuple[Path, bytes, str]] = [
            (files["tls_certificate"], pem(second)[:300], "holds no certificate"),
            (files["tls_certificate"], pem(second), "does not belong"),
            (files["tls_key"], b"", "cannot be used"),
        ]
        for path, content, reason in steps:
            caplog.clear()
            whole = path.with_name("whole")  # the service must not see half of it
            whole.write_bytes(content)
            whole.replace(path)
            wait_for(lambda: "certificate not renewed" in caplog.text)
            time.sleep(5 * LOOK_S)
            [logged] = [facts for record in caplog.records if (facts := getattr(record, "facts", {})).get("reason")]
            assert reason in logged["reason"]
            assert "PRIVATE KEY" not in caplog.text
            assert shown(live) == fingerprint(first)
        files["tls_key"].unlink()
        time.sleep(5 * LOOK_S)
        assert shown(live) == fingerprint(first)
        caplog.clear()
        write(second, tmp_path)
        wait_for(partial(is_shown, live, second))
        wait_for(lambda: fingerprint(second) in [_fact(record, "fingerprint") for record in caplog.records])


def _fact(record: logging.LogRecord, name: str) -> object:
    return getattr(record, "facts", {}).get(name)


class _Caller(threading.Thread):
    """Posts frames over one connection, or over a fresh one each."""

    def __init__(self, port: int, trusted: ssl.SSLContext, *, fresh: bool) -> None:
        super().__init__()
        self._connect = partial(HTTPSConnection, "127.0.0.1", port, context=trusted, timeout=PATIENCE_S)
        self._fresh = fresh
        self._done = threading.Event()
        self.failed: list[Exception] = []
        self.answered: list[int] = []
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._done.is_set() and not self.failed:
            connection = self._connect()
            connection.connect()
            connection.auto_open = 0  # a connection that is closed is a failure
            self.seen.add(fingerprint(connection.sock))
            try:
                self._post_over(connection)
            except (OSError, HTTPException) as error:
                self.failed.append(error)
            connection.close()

    def has_seen(self, certificate: trustme.LeafCert) -> bool:
        return bool(self.failed) or fingerprint(certificate) in self.seen

    def end(self) -> None:
        self._done.set()
        self.join()

    def _post_over(self, connection: HTTPSConnection) -> None:
        while True:
            connection.request("POST", "/inference", FRAME)
            answer = connection.getresponse()
            answer.read()
            self.answered.append(answer.status)
            if self._fresh or self._done.is_set():
                return


def test_no_request_fails_while_certificates_change(tmp_path: Path, ca: trustme.CA) -> None:
    """Thirty renewals, each half written for a while, under requests over kept and over fresh connections."""
    certificates = [issue(ca) for _ in range(RENEWALS)]
    files = write(certificates[-1], tmp_path)
    with served(tmp_path, files, trusting(ca)) as live:
        callers = [_Caller(live.port, trusting(ca), fresh=fresh) for fresh in (True, True, False, False)]
        for caller in callers:
            caller.start()
        for certificate in certificates:
            for part in (pem(certificate)[:200], pem(certificate)):
                files["tls_certificate"].write_bytes(part)
                time.sleep(LOOK_S)
            files["tls_key"].write_bytes(certificate.private_key_pem.bytes())
            wait_for(partial(is_shown, live, certificate))
            wait_for(partial(callers[0].has_seen, certificate))
        wait_for(lambda: all(caller.failed or len(caller.answered) > RENEWALS for caller in callers))
        for caller in callers:
            caller.end()
    assert [caller.failed for caller in callers] == [[]] * len(callers)
    assert {status for caller in callers for status in caller.answered} == {200}
    assert min(len(caller.answered) for caller in callers) > RENEWALS
    assert len(callers[0].seen) == RENEWALS
    assert [len(caller.seen) for caller in callers[2:]] == [1, 1], "a kept connection shows what it was opened with"


def test_a_renewed_authority_replaces_the_old_one(tmp_path: Path, ca: trustme.CA) -> None:
    """Sessions of the old authority are not resumed either."""
    old, new = trustme.CA(), trustme.CA()
    with_old, with_new = trusting(ca, issue(old)), trusting(ca, issue(new))
    files = write(issue(ca), tmp_path) | write_authority(old, tmp_path)
    with served(tmp_path, files, with_old) as live:
        shown(live, with_old)
        with connect_encrypted(live.port, with_old, LIVE) as kept:
            read_answer(kept)
            session = kept.session
            assert not _is_admitted(live, with_new)
            write_authority(new, tmp_path)
            wait_for(lambda: _is_admitted(live, with_new))
            assert not _is_admitted(live, with_old)
            assert not _is_admitted(live, with_old, session)
            kept.sendall(LIVE)
            assert statuses(read_answer(kept)) == (200,)
        live.client.close()
        write_authority(old, tmp_path)
        wait_for(lambda: _is_admitted(live, with_old))


def _is_admitted(live: LiveServer, trusted: ssl.SSLContext, session: ssl.SSLSession | None = None) -> bool:
    try:
        plain = connect(live.port)
        with trusted.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(LIVE)
            return statuses(read_answer(connection)) == (200,)
    except OSError:
        return False
