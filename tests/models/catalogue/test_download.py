"""Downloads from a server on a real socket, which breaks off, lies about the length, stalls or never ends."""

import random
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from models.catalogue.download import Download, Patience, SourceError
from tests.support.file_server import (
    Answer,
    Request,
    breaks_at,
    content,
    endless,
    serving_file,
    silent,
    status,
    whole,
    whole_without_ranges,
)

FILE = random.Random(1).randbytes(200_000)
SIZE = len(FILE)
OTHER_PART = content(FILE, 206, Content_Range=f"bytes 8-{SIZE - 1}/{SIZE}")
PATIENCE = Patience(silence_s=30, attempts=3, pause_s=0, gain_bytes=1)
LITTLE_PATIENCE = replace(PATIENCE, silence_s=1)
"""For servers that stall; others may take their time on a busy machine."""


def download(path: Path, url: str, patience: Patience = PATIENCE) -> list[int]:
    """Download into a file, which may be there; return what was reported."""
    reported: list[int] = []
    with path.open("a+b") as file:
        Download(f"{url}/model.onnx", SIZE, reported.append, patience).into(file)
    return reported


def patience_for(answers: list[Answer]) -> Patience:
    return LITTLE_PATIENCE if silent in answers else PATIENCE


@pytest.mark.parametrize(
    ("answers", "ranges"),
    [
        pytest.param([whole], [None], id="at once"),
        pytest.param([content(FILE)], [None], id="no length"),
        pytest.param([breaks_at(70_000), whole], [None, "bytes=70000-"], id="a break"),
        pytest.param(
            [breaks_at(70_000), status(503), breaks_at(150_000), whole],
            [None, "bytes=70000-", "bytes=70000-", "bytes=150000-"],
            id="breaks and a busy server",
        ),
        pytest.param([breaks_at(70_000), whole_without_ranges], [None, "bytes=70000-"], id="no ranges"),
        pytest.param([breaks_at(70_000), status(416), whole], [None, "bytes=70000-", None], id="ranges refused"),
        pytest.param([breaks_at(70_000), OTHER_PART, whole], [None, "bytes=70000-", None], id="another part"),
        pytest.param([silent, whole], [None, "bytes=100000-"], id="a stall"),
        pytest.param([content(FILE[:5]), whole], [None, "bytes=5-"], id="no length and too short"),
        pytest.param([status(302, Location="/other"), whole], [None, None], id="a redirect"),
        pytest.param([status(429), whole], [None, None], id="too many requests"),
    ],
)
def test_a_file_comes_whole(answers: list[Answer], ranges: list[str | None], tmp_path: Path) -> None:
    with serving_file(FILE, *answers) as server:
        reported = download(tmp_path / "file", server.url, patience_for(answers))
    assert (tmp_path / "file").read_bytes() == FILE
    assert [asked for _, asked in server.asked] == ranges
    assert reported[-1] == SIZE


def test_a_file_that_is_whole_already_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(FILE)
    with serving_file(FILE, whole) as server:
        download(tmp_path / "file", server.url)
    assert server.asked == []


@pytest.mark.parametrize(
    ("answers", "reason", "kept", "requests"),
    [
        pytest.param([status(404)], "answered 404", 0, 1, id="not there"),
        pytest.param([status(204)], "answered 204", 0, 1, id="no content"),
        pytest.param([status(304)], "answered 304", 0, 1, id="not modified"),
        pytest.param([status(500)], "answered 500, 3 times in a row", 0, 3, id="broken server"),
        pytest.param(
            [content(b"", Content_Length=SIZE + 1)], "offers 200001 bytes; expected 200000", 0, 1, id="longer"
        ),
        pytest.param([content(FILE[:9], Content_Length=9)], "offers 9 bytes; expected 200000", 0, 1, id="shorter"),
        pytest.param([endless], "sends more than the 200000 bytes", None, 1, id="endless"),
        pytest.param([breaks_at(9)], "broke off: .*, 3 times in a row", 9, 3, id="always breaks at the same byte"),
        pytest.param([content(FILE[:9])], "ended after 9 of 200000 bytes, 3 times", 9, 3, id="always too short"),
        pytest.param([silent], "sent nothing for 1 s, 3 times in a row", SIZE // 2, 3, id="stalls"),
        pytest.param([OTHER_PART], "does not go on where the file ends, 3 times", 0, 3, id="always another part"),
        pytest.param([status(416)], "answered 416", 0, 1, id="no part at all"),
        pytest.param(
            [status(302, Location="/loop")], "redirects to where no file can be", 0, 11, id="redirects for ever"
        ),
        pytest.param([status(302, Location="ftp://127.0.0.1/x")], "redirects to where", 0, 1, id="another protocol"),
        pytest.param([status(302, Location="file:///etc/passwd")], "redirects to where", 0, 1, id="a file"),
    ],
)
def test_a_bad_server_is_given_up(
    answers: list[Answer], reason: str, kept: int | None, requests: int, tmp_path: Path
) -> None:
    with serving_file(FILE, *answers) as server:
        with pytest.raises(SourceError, match=reason):
            download(tmp_path / "file", server.url, patience_for(answers))
        assert len(server.asked) == requests
    there = (tmp_path / "file").read_bytes()
    assert len(there) <= SIZE
    assert kept is None or there == FILE[:kept]


def test_a_server_that_cannot_be_reached_is_given_up(tmp_path: Path) -> None:
    with serving_file(FILE, whole) as server:
        pass
    with pytest.raises(SourceError, match=r"broke off: .*, 3 times in a row"):
        download(tmp_path / "file", server.url)


def test_a_trickle_is_no_download(tmp_path: Path) -> None:
    patience = Patience(silence_s=1, attempts=1, pause_s=0, least_bytes_per_s=1e9)
    with serving_file(FILE, endless_trickle) as server, pytest.raises(SourceError, match="less than 1e\\+09 bytes per"):
        download(tmp_path / "file", server.url, patience)


def endless_trickle(request: Request) -> None:
    request.head(200, Content_Length=SIZE)
    while not request.plan.closing.wait(0.01):
        request.wfile.write(b"x")


def test_what_was_wrong_of_a_file_is_replaced_where_the_server_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    with serving_file(FILE, whole_without_ranges) as server:
        download(tmp_path / "file", server.url)
    assert (tmp_path / "file").read_bytes() == FILE


def test_the_proxy_of_the_environment_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_file(FILE, whole) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        download(tmp_path / "file", "http://models.example")
    assert proxy.asked == [("http://models.example/model.onnx", None)]
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1")
    (tmp_path / "file").unlink()
    with pytest.raises(SourceError, match="proxies and certificates"):
        download(tmp_path / "file", "http://models.example")


def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with serving_file(FILE, whole, tls=context) as server:
        with pytest.raises(SourceError, match=r"has a certificate that is not trusted \(SSL_CERT_FILE\)"):
            download(tmp_path / "file", server.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        download(tmp_path / "file", server.url)
    assert (tmp_path / "file").read_bytes() == FILE
