"""How the kit shows who it is."""

import re

import pytest

from conformance.asking.credentials import (
    MAX_CHALLENGES,
    NoCredentials,
    OneHeader,
    Password,
    challenges,
    schemes,
    without_secrets,
)
from conformance.asking.messages import Answer

DIGEST = 'Digest realm="a, b", qop="auth", algorithm=SHA-256, nonce="{}"'


def challenge(*offers: str) -> Answer:
    return Answer(401, tuple(("www-authenticate", offer) for offer in offers), b"", 0)


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        pytest.param((), (), id="none"),
        pytest.param(("Bearer",), ("Bearer",), id="a word"),
        pytest.param(("", " , "), (), id="empty"),
        pytest.param(('Basic realm="x"', "Bearer"), ('Basic realm="x"', "Bearer"), id="two headers"),
        pytest.param(
            ('Basic realm="a, Digest b=c", charset="UTF-8", Digest realm="x", nonce="y", Negotiate',),
            ('Basic realm="a, Digest b=c", charset="UTF-8"', 'Digest realm="x", nonce="y"', "Negotiate"),
            id="one header",
        ),
        pytest.param(("Negotiate abc==, Basic realm=x",), ("Negotiate abc==", "Basic realm=x"), id="token68"),
        pytest.param(('realm="x", nonce=y',), (), id="only parameters"),
    ],
)
def test_challenges_are_told_apart(offers: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert challenges(challenge(*offers)) == expected
    assert schemes(challenge(*offers)) == {each.split()[0].lower() for each in expected}


def test_basic_comes_first_and_digest_where_it_is_offered() -> None:
    password = Password("jürgen", "paßwort")
    assert password.headers("POST", "/x", None) == (("Authorization", "Basic asO8cmdlbjpwYcOfd29ydA=="),)
    assert password.headers("POST", "/x", challenge("Basic realm=x")) == password.basic()
    ((_, value),) = password.headers("POST", "/x?a=b", challenge(f"Basic realm=x, {DIGEST.format('n')}"))
    assert value.startswith("Digest ")
    assert 'uri="/x?a=b"' in value


def test_each_answer_to_a_challenge_counts() -> None:
    password = Password("user", "password")
    counts = []
    for offer in ("n", "n", "m", "n"):
        ((_, value),) = password.digest("POST", "/x", challenge(DIGEST.format(offer)))
        counts += re.findall(r"nc=(\w+)", value)
    assert counts == ["00000001", "00000002", "00000001", "00000003"]


def test_only_some_challenges_are_remembered() -> None:
    """A server that makes a new one for each request takes no more memory; an old one is counted anew."""
    password = Password("user", "password")
    for number in (*range(MAX_CHALLENGES + 1), 0):
        ((_, value),) = password.digest("POST", "/x", challenge(DIGEST.format(number)))
        assert "nc=00000001" in value


@pytest.mark.parametrize(
    "offer",
    [
        "Digest",
        "Digest realm",
        'Digest realm="x"',
        'Digest realm="x", nonce="n", algorithm=CRC',
        'Digest realm="x", nonce="n", qop="auth-int"',
        'Digest realm="\u0142", nonce="n"',
        "Digest =,,=",
        'Digest realm="x", nonce="n", qop= ,',
    ],
)
def test_a_challenge_that_cannot_be_answered_is_not(offer: str) -> None:
    assert Password("user", "password").digest("POST", "/x", challenge(offer)) == ()


@pytest.mark.parametrize(
    ("credentials", "text", "shown"),
    [
        pytest.param(NoCredentials(), "a token", "a token", id="none"),
        pytest.param(OneHeader("Authorization", "Bearer abcd"), "got Bearer abcd, abcd", "got ***, ***", id="token"),
        pytest.param(OneHeader("X-Key", "abcd"), "abcd?", "***?", id="key"),
        pytest.param(OneHeader("X-Key", "abc"), "abc?", "abc?", id="too short to be one"),
        pytest.param(Password("u", "pass"), "dTpwYXNz is u:pass", "*** is u:***", id="password"),
        pytest.param(Password("u", ""), "text", "text", id="empty password"),
        pytest.param(OneHeader("X", "abcdefghijk"), "200 ABCDEFGHIJK, ok", "200 ***, ok", id="other letters"),
        pytest.param(OneHeader("X", "abcdefghijk"), 'is "abcdefghi..."', 'is "***..."', id="cut"),
        pytest.param(OneHeader("X", "abcdefghijk"), "abcdefg", "abcdefg", id="too few letters to tell"),
        pytest.param(OneHeader("X", "abcdefghijk"), "abcdefghabcdefghijk", "******", id="begun twice"),
        pytest.param(Password("u", 'a"\\é'), r'is "a\"\\\u00e9"', 'is "***"', id="as JSON"),
        pytest.param(Password("u", 'a"\\é'), r"""b'a"\\\xc3\xa9'""", "b'***'", id="as Python"),
        pytest.param(Password("u", "paßwort"), "paÃ\x9fwort", "***", id="as Latin-1"),
    ],
)
def test_texts_do_not_show_credentials(
    credentials: NoCredentials | OneHeader | Password, text: str, shown: str
) -> None:
    assert without_secrets(text, credentials) == shown
    assert not any(secret in repr(credentials) for secret in credentials.secrets)
