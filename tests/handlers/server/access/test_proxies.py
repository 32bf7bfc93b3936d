"""The client's address behind proxies: what is believed, and from whom."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import ConfigurationError
from handlers.server.access.back_off import FREE_FAILURES
from handlers.server.access.proxies import MAX_BYTES, TrustedProxies
from handlers.server.settings_sources import read_settings
from lab.graphs import write_identity_model
from tests.support.cost import costs_at_most
from tests.support.credentials import AUTHORIZED, GUARDED, basic
from tests.support.server import running

PROXIES = TrustedProxies(tuple(map(ip_network, ("10.0.0.0/24", "2001:db8::/64", "127.0.0.1"))))
PEER = ("10.0.0.1", 40_000)


def client(*fields: str, peer: str = PEER[0], proxies: TrustedProxies = PROXIES) -> str:
    """Return the address that counts; `fields`: lines of a head."""
    pairs = [field.partition(": ") for field in fields]
    headers = [(name.encode(), value.encode("latin-1")) for name, _, value in pairs]
    found = proxies.client_of((peer, 40_000), headers)
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("9.9.9.9, 192.0.2.7", "192.0.2.7"),
        ("9.9.9.9, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        ("9.9.9.9,192.0.2.7,10.0.0.9,127.0.0.1", "192.0.2.7"),
        ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
        ("2001:db8:1::7", "2001:db8:1::7"),
        ("[2001:db8:1::7]:4711", "2001:db8:1::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("9.9.9.9, ::ffff:10.0.0.8, 2001:db8::1", "9.9.9.9"),
        ("9.9.9.9, unknown, 10.0.0.8", "10.0.0.8"),
        ("9.9.9.9, unknown", PEER[0]),
        ("9.9.9.9, fe80::1%eth0", PEER[0]),
        ("9.9.9.9, 192.0.2.300", PEER[0]),
        ("9.9.9.9, 192.0.2.07", PEER[0]),
        ("9.9.9.9,", PEER[0]),
        ("", PEER[0]),
        ("9.9.9.9, " + "a" * MAX_BYTES, PEER[0]),
        ("9.9.9.9, " * 200 + "192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_last_hop_that_is_no_proxy_is_the_client(value: str, expected: str) -> None:
    assert client(f"x-forwarded-for: {value}") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        ('proto=http; for="192.0.2.7:4711"', "192.0.2.7"),
        ('for="[2001:db8:1::7]:4711"', "2001:db8:1::7"),
        ("for=[2001:db8:1::7]", "2001:db8:1::7"),
        ("for=9.9.9.9, for=192.0.2.7 , for=10.0.0.8", "192.0.2.7"),
        (r'for="1\92.0.2.7"', "192.0.2.7"),
        ('for=192.0.2.7;host="a,for=9.9.9.9"', "192.0.2.7"),
        (r'for=192.0.2.7;host="a\",for=9.9.9.9"', "192.0.2.7"),
        ('for="9.9.9.9, for=192.0.2.7', PEER[0]),
        ("for=9.9.9.9, for=_hidden", PEER[0]),
        ("for=9.9.9.9, for=unknown, for=10.0.0.8", "10.0.0.8"),
        ("for=192.0.2.7 for=9.9.9.9", PEER[0]),
        ("192.0.2.7", PEER[0]),
        ("proto=https", PEER[0]),
        (";;;", PEER[0]),
        ("", PEER[0]),
    ],
)
def test_forwarded_is_read_by_its_grammar(value: str, expected: str) -> None:
    assert client(f"forwarded: {value}") == expected


def test_several_fields_count_as_one() -> None:
    assert client("x-forwarded-for: 9.9.9.9", "x-forwarded-for: 192.0.2.7") == "192.0.2.7"
    assert client("forwarded: for=9.9.9.9", "accept: */*", "forwarded: for=192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("forged", ["for=9.9.9.9", "rubbish", "", "for=9.9.9.9, " + "a" * MAX_BYTES])
def test_a_header_that_the_proxy_only_passes_on_gains_nothing(forged: str) -> None:
    """The proxy sets the other one. Whoever sends both counts as the proxy."""
    assert client("x-forwarded-for: 192.0.2.7", f"forwarded: {forged}") == PEER[0]
    assert client("forwarded: for=192.0.2.7", "x-forwarded-for: 9.9.9.9") == PEER[0]
    too_long = "x-forwarded-for: " + "9.9.9.9, " * 200 + "192.0.2.7"
    assert client(too_long, "forwarded: for=9.9.9.9") == PEER[0]
    assert client("x-forwarded-for: 192.0.2.7", "forwarded: for=192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("forged", ["9.9.9.9, ", "10.0.0.3,", "a", ", "])
def test_who_claims_too_many_hops_does_not_count_as_the_proxy(forged: str) -> None:
    """A client could hide behind its proxy, and its wrong passwords would delay that."""
    for repeats in (200, 1000, 1001, 5000):
        assert client(f"x-forwarded-for: {forged * repeats}, 192.0.2.7") == "192.0.2.7"
        assert client(f"x-forwarded-for: {forged * repeats}", "x-forwarded-for: 192.0.2.7, 10.0.0.3") == "192.0.2.7"


def test_nobody_else_is_believed() -> None:
    for peer in ("192.0.2.1", "10.0.1.1", "::1"):
        assert client("x-forwarded-for: 9.9.9.9", "forwarded: for=9.9.9.9", peer=peer) == peer
    assert client("x-forwarded-for: 9.9.9.9", proxies=TrustedProxies(())) == PEER[0]
    assert client("x-forwarded-for: 9.9.9.9", peer="::ffff:10.0.0.1") == "9.9.9.9"
    assert client("x-real-ip: 9.9.9.9", "x_forwarded_for: 9.9.9.9") == PEER[0]
    assert PROXIES.client_of(None, []) is None


@pytest.mark.parametrize("unit", ["10.0.0.1,", "for=10.0.0.1,", 'for="', "\\", '"', ";", "a=", ":", " ", "["])
def test_no_header_is_expensive(unit: str) -> None:
    value = (unit * 65_000)[:65_000]
    for size in (MAX_BYTES, 65_000):
        with costs_at_most(0.5):
            client(f"forwarded: {value[:size]}", f"x-forwarded-for: {value[:size]}")


@pytest.mark.parametrize("value", ["10.0.0.1/8", "proxy.lan", "*", "10.0.0.0/24,,", "300.0.0.1"])
def test_a_proxy_that_is_no_address_stops_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        read_settings({}, {"FRAMEHOOK_TRUSTED_PROXIES": value})


def test_each_client_behind_a_proxy_pays_for_its_own_guesses(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    settings: dict[str, Any] = {
        "model_repository": tmp_path,
        "default_model": folder.name,
        "trusted_proxies": "127.0.0.1,10.0.0.0/8",
    }
    with running(wait_until_ready=False, **settings, **GUARDED) as live:
        live.wait_until_ready(AUTHORIZED)

        def guess(number: int, address: str) -> str:
            headers = basic("guessed", f"guess {number}") | {"X-Forwarded-For": f"9.9.9.{number}, {address}"}
            return str(live.client.get("/models", headers=headers).json()["type"]).rpartition(":")[2]

        guesses = [guess(number, "192.0.2.7") for number in range(2 * FREE_FAILURES)]
        assert guesses[:FREE_FAILURES] == ["unauthorized"] * FREE_FAILURES
        assert "too-many-failures" in guesses
        assert guess(0, "192.0.2.8") == "unauthorized"
