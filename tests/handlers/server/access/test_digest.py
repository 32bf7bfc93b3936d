"""Digest alone: the RFC's examples, headers of all kinds, and nonces."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.server.access import digest
from handlers.server.access.digest import Nonces, expected_response, parse_answer, user_hash
from tests.support.clock import Clock
from tests.support.credentials import USER

RFC_7616 = {
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
}
"""RFC 7616, 3.9.1: what user Mufasa with password `Circle of Life` answers."""
FIELDS = (
    'username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize("algorithm", digest.ALGORITHMS)
def test_the_answers_of_the_rfc_are_right(algorithm: digest.Algorithm) -> None:
    answer = parse_answer(FIELDS.format(algorithm=algorithm, response=RFC_7616[algorithm]))
    assert answer
    secret = user_hash(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert expected_response(answer, secret, "GET") == answer.response
    assert expected_response(answer, secret, "POST") != answer.response


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=-0000001"),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        ("algorithm=SHA-256", "algorithm=SHA-512-256"),
        ("algorithm=SHA-256", "userhash=true, algorithm=SHA-256"),
        ('username="Mufasa"', ""),
        ('username="Mufasa"', "username*=UTF-8''Mufasa, username=\"Mufasa\""),
        ('username="Mufasa"', 'username="Mufasa", username="Mufasa"'),
        ('username="Mufasa"', 'username="Muf'),
        ('cnonce="', 'cnonce="", x="'),
    ],
)
def test_an_answer_that_is_not_as_offered_is_none(old: str, new: str) -> None:
    fields = FIELDS.format(algorithm="SHA-256", response="0")
    assert old in fields
    assert parse_answer(fields)
    assert parse_answer(fields.replace(old, new)) is None


@pytest.mark.parametrize(
    ("given_as", "name"),
    [
        ('username="a\\"b\\\\c"', 'a"b\\c'),
        ("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe", "Jäsøn Doe"),  # RFC 7616, 3.9.2
        ('username="Jäsøn, Doe"', "Jäsøn, Doe"),
    ],
)
def test_names_of_all_kinds_are_read(given_as: str, name: str) -> None:
    fields = FIELDS.format(algorithm="SHA-256", response="0").replace('username="Mufasa"', given_as)
    answer = parse_answer(fields)
    assert answer
    assert answer.username == name


def test_without_an_algorithm_it_is_md5() -> None:
    answer = parse_answer(FIELDS.format(algorithm="MD5", response="0").replace("algorithm=MD5, ", ""))
    assert answer
    assert answer.algorithm == "MD5"


@given(st.text() | st.lists(st.sampled_from([*FIELDS, "qop", '"', ",", "=", "\\", " "])).map("".join))
def test_rubbish_is_none(fields: str) -> None:
    assert parse_answer(fields) is None


def test_a_nonce_is_fresh_for_its_lifetime_and_only_ours() -> None:
    clock = Clock()
    nonces, others = Nonces(clock), Nonces(clock)
    nonce = nonces.new()
    assert nonces.is_fresh(nonce)
    assert not nonces.is_fresh(others.new())
    assert not any(nonces.is_fresh(nonce[:n] + "0f"[nonce[n] == "0"] + nonce[n + 1 :]) for n in range(len(nonce)))
    clock.now_s += digest.NONCE_LIFETIME_S - 0.1
    assert nonces.is_fresh(nonce)
    clock.now_s += 0.2
    assert not nonces.is_fresh(nonce)


def test_no_request_counts_twice_in_whatever_order_they_come() -> None:
    nonces = Nonces()
    nonce = nonces.new()

    @given(st.lists(st.integers(0, 3000) | st.integers(0, 2**32 - 1)))
    def check(counts: list[int]) -> None:
        nonces = Nonces()
        accepted = [nc for nc in counts if nonces.count(nonce, nc, USER)]
        assert len(accepted) == len(set(accepted))
        assert 0 not in accepted
        highest = 0
        for nc in counts:
            if nc > highest:
                assert nc in accepted
                highest = nc

    check()
    assert [nonces.count(nonce, nc, USER) for nc in (2, 1, 3, 3, 2, 1)] == [True, True, True, False, False, False]


def test_a_count_far_behind_costs_nothing() -> None:
    """Clients choose the counts: the memory for a nonce must not grow with them."""
    nonces = Nonces()
    nonce = nonces.new()
    assert nonces.count(nonce, 2**32 - 1, USER)
    tracemalloc.start()
    assert not nonces.count(nonce, 1, USER)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000  # bits up to that count would be 512 MiB; other threads take some KiB


def test_the_memory_of_nonces_is_bounded_and_forgets_none_to_accept_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MAX_NONCES", 3)
    clock = Clock()
    nonces = Nonces(clock)
    issued = []
    for _ in range(5):
        clock.now_s += 1
        issued.append(nonces.new())
    assert all(nonces.is_fresh(nonce) and nonces.count(nonce, 1, USER) for nonce in issued[1:])
    assert [nonces.is_fresh(nonce) for nonce in issued] == [False, False, True, True, True]
    assert not any(nonces.count(nonce, 1, USER) for nonce in issued[2:])
