import pytest

from conformance.asking.address import read_address
from conformance.errors import AddressError


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
    assert read_address(url, [host]).ip
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
