import socket
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.asking.address import read_address
from conformance.asking.messages import Request
from conformance.asking.server import Limits, Server
from conformance.errors import AddressError, TooSlowError
from tests.support.seeded.server import seeded


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://127.0.0.1:8080/inference", "127.0.0.1:8080", "/inference"),
        ("127.0.0.1:8080", "127.0.0.1:8080", "/inference"),
        ("http://127.0.0.1/", "127.0.0.1", "/"),
        ("http://127.0.0.1/score?object=car", "127.0.0.1", "/score?object=car"),
        ("https://127.0.0.1/", "127.0.0.1", "/"),
        ("https://127.0.0.1:8443/", "127.0.0.1:8443", "/"),
        ("http://[::1]:8080/a", "[::1]:8080", "/a"),
        ("http://10.1.2.3/", "10.1.2.3", "/"),
        ("http://169.254.1.1/", "169.254.1.1", "/"),
        ("http://[::ffff:10.0.0.1]/", "[::ffff:10.0.0.1]", "/"),
    ],
)
def test_an_address_near_by_is_read(url: str, authority: str, target: str) -> None:
    address = read_address(url)
    assert (address.authority, address.target) == (authority, target)
    assert read_address(address.url) == address


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/", "https://8.8.8.8", "http://[2001:4860:4860::8888]/", "http://[::ffff:8.8.8.8]/"]
)
def test_a_public_address_must_be_allowed_by_name(url: str) -> None:
    with pytest.raises(AddressError, match=r"add --allow (.*)\.$") as refused:
        read_address(url)
    host = str(refused.value).rpartition("--allow ")[2].removesuffix(".")
    assert read_address(url, [host.upper()]).ips
    with pytest.raises(AddressError):
        read_address(url, ["other.example"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is no URL"),
        ("ftp://127.0.0.1/", "is no URL"),
        ("http://", "is no URL"),
        ("http://127.0.0.1:port/", "is no URL"),
        ("http://127.0.0.1:99999/", "is no URL"),
        ("http://127.0.0.1/a b", "is no URL"),
        ("http://127.0.0.1/\r\nX: y", "is no URL"),
        ("http://127.0.0.1/ä", "is no URL"),
        ("http://[::1", "is no URL"),
        ("http://user:secret@127.0.0.1/", "--password-file"),
        ("http://no-such-host.invalid/", "has no address"),
        (f"http://{'a' * 300}.invalid/", "has no address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message) as refused:
        read_address(url)
    assert "secret" not in str(refused.value)


def named(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """Let every name have these addresses."""

    def found(_: str, port: int, **__: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    names = SimpleNamespace(getaddrinfo=found, SOCK_STREAM=socket.SOCK_STREAM)
    monkeypatch.setattr("conformance.asking.address.socket", names)


def test_of_a_name_only_near_addresses_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "8.8.8.8", "10.0.0.1", "::1", "10.0.0.1")
    assert read_address("http://name/").ips == ("10.0.0.1", "::1")
    assert read_address("http://NAME/", ["Name"]).ips == ("8.8.8.8", "10.0.0.1", "::1")
    named(monkeypatch, "8.8.8.8")
    with pytest.raises(AddressError, match="--allow name"):
        read_address("http://name/")


def test_the_first_address_that_answers_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with seeded() as url:
        named(monkeypatch, "::1", "127.0.0.1")
        server = Server(read_address(url.replace("127.0.0.1", "localhost")))
        assert server.ask(Request(method="GET")).status == 405


def test_a_server_that_does_not_shake_hands_is_too_slow() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = read_address(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        with pytest.raises(TooSlowError, match="no connection within 2 s"):
            Server(address, Limits(timeout_s=2)).ask(Request())
