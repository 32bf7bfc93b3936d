"""Who counts as one caller."""

import pytest

from handlers.server.access.callers import caller_of


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("a socket", "a socket"),
    ],
)
def test_a_caller_is_an_address_or_a_network_of_one_subscriber(address: str, caller: str) -> None:
    assert caller_of((address, 1234)) == caller


def test_a_client_without_an_address_is_a_caller_without_a_name() -> None:
    assert caller_of(None) == ""
