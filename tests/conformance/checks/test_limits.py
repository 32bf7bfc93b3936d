"""What is judged of answers that a server may give: Retry-After, challenges, and what it sends back."""

from dataclasses import replace
from typing import Any

import pytest

from conformance.asking.address import read_address
from conformance.asking.credentials import Credentials, NoCredentials, OneHeader, Password
from conformance.asking.messages import Answer
from conformance.asking.pacing import Burst, Outcome
from conformance.asking.server import Limits, Server
from conformance.checks import credentials, overload, timing
from conformance.pictures.photos import Photo
from conformance.running import run, sights
from conformance.subject import Seen, Subject
from conformance.verdicts import PAGE, Check, Finding, Verdict, passed
from tests.support.credentials import CAMERA_TOKEN, GUARDED, PASSWORD, PROBE_TOKEN, USER, bearer
from tests.support.seeded.mistakes import ACCESS
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded
from tests.support.server import running
from tests.support.timed import BAD, calmly

NOWHERE = read_address("http://127.0.0.1:9/")
FIRST = Check("requests.jpeg", "", "", PAGE, lambda _: passed(), after=())
"""Stands for the check without which no other is asked."""


def findings(subject: Subject, *checks: Check) -> dict[str, Finding]:
    return {result.check.id: result.finding for result in run(subject, (FIRST, *checks))}


def found(subject: Subject, *checks: Check) -> dict[str, Verdict]:
    return {name: finding.verdict for name, finding in findings(subject, *checks).items()}


def subject_with(burst: Burst | None = None, bare: Answer | None = None, given: Credentials | None = None) -> Subject:
    subject = Subject(Server(NOWHERE, credentials=given))
    subject.__dict__.update({"burst": burst, "bare": bare})
    return subject


def burst_of(*statuses: int, waited_s: float = 0.1, **headers: str) -> Burst:
    answers = (
        Answer(status, tuple((k.replace("_", "-"), v) for k, v in headers.items()), b"", 0.01) for status in statuses
    )
    return Burst(0.1, tuple(Outcome(answer, waited_s) for answer in answers))


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("1", Verdict.PASS),
        ("120", Verdict.PASS),
        ("0", Verdict.WARN),
        ("00", Verdict.WARN),
        ("Fri, 31 Dec 1999 23:59:59 GMT", Verdict.WARN),
        ("0.5", Verdict.FAIL),
        ("-1", Verdict.FAIL),
        ("soon", Verdict.FAIL),
        ("", Verdict.FAIL),
        ("1, 2", Verdict.FAIL),
        ("²", Verdict.FAIL),
        ("Fri, 99 Dec 99999999999999999999 23:59:59 GMT", Verdict.FAIL),
    ],
)
def test_retry_after(value: str, verdict: Verdict) -> None:
    subject = subject_with(burst_of(200, 503, retry_after=value))
    assert found(subject, *overload.CHECKS)["overload.retry-after"] == verdict


def test_the_worst_retry_after_counts() -> None:
    good, bad = burst_of(503, retry_after="1"), burst_of(503)
    assert found(subject_with(Burst(0.1, good.outcomes + bad.outcomes)), *overload.CHECKS) == {
        "requests.jpeg": Verdict.PASS,
        "overload.status": Verdict.PASS,
        "overload.sheds": Verdict.PASS,
        "overload.retry-after": Verdict.WARN,
        "overload.speed": Verdict.PASS,
    }


def test_a_server_that_keeps_up_is_right_and_shows_no_refusals() -> None:
    assert list(found(subject_with(burst_of(200, 204)), *overload.CHECKS).values()) == [
        Verdict.PASS,
        Verdict.PASS,
        Verdict.PASS,
        Verdict.NOT_ASKED,
        Verdict.NOT_ASKED,
    ]


@pytest.mark.parametrize("status", [429, 500, 502, 401])
def test_other_answers_to_a_burst_are_failures(status: int) -> None:
    assert found(subject_with(burst_of(200, status)), *overload.CHECKS)["overload.status"] == Verdict.FAIL


def test_frames_of_a_burst_without_an_answer_are_a_warning() -> None:
    """A server may be slow, and may take few connections."""
    silent = Outcome(None, 10, "no whole answer within 10 s")
    subject = subject_with(Burst(1.5, (*burst_of(200).outcomes, silent)))
    assert found(subject, *overload.CHECKS)["overload.status"] == Verdict.WARN


def test_nothing_is_sent_at_once_where_the_rate_is_limited() -> None:
    subject = Subject(Server(NOWHERE, Limits(rate_per_s=2)), rate_per_s=5)
    assert set(found(subject, *overload.CHECKS, *timing.CHECKS).values()) == {Verdict.PASS, Verdict.NOT_ASKED}
    assert subject.server.request_count == 0


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        pytest.param((), Verdict.FAIL, id="none"),
        pytest.param((("www-authenticate", 'realm="x"'),), Verdict.FAIL, id="no scheme"),
        pytest.param((("www-authenticate", '"x"'),), Verdict.FAIL, id="a quoted text"),
        pytest.param((("www-authenticate", "Bearer"),), Verdict.PASS, id="a word"),
        pytest.param((("www-authenticate", 'Basic realm="x", Bearer'),), Verdict.PASS, id="two"),
    ],
)
def test_a_challenge_names_a_scheme(headers: tuple[tuple[str, str], ...], verdict: Verdict) -> None:
    subject = subject_with(bare=Answer(401, headers, b"", 0), given=OneHeader("X", "y"))
    assert found(subject, credentials.CHECKS[2])["credentials.challenge"] == verdict


def test_findings_do_not_show_credentials() -> None:
    given = OneHeader("Authorization", "Bearer of-the-tests")
    echo = Answer(200, (("content-type", "Bearer of-the-tests"),), b"", 0)
    check = replace(FIRST, ask=lambda _: passed(f"{echo.header('content-type')} came"))
    (result,) = run(subject_with(given=given), (check,))
    assert result.finding.detail == "*** came"


def test_labels_do_not_show_credentials() -> None:
    echo = b'{"inferences": [{"motion": {"box": {"l": 0, "t": 0, "w": 1, "h": 1}}, "type": "motion"}]}'
    label = b'"entity": {"tag": {"value": "\\u001bBearer of-the-tests"}'
    subject = subject_with(given=OneHeader("Authorization", "Bearer of-the-tests"))
    answer = Answer(200, (), echo.replace(b'"motion": {', label + b", "), 0)
    subject.__dict__["survey"] = (Seen(Photo("board\udcff", board()), answer),)
    (sight,) = sights(subject)
    assert [each.label for each in sight.found] == ["?***"]
    assert sight.name == "board?"


def test_a_password_is_guessed_once() -> None:
    """Servers shut out those who guess often; two wrong ones were sent if both Basic and Digest were tried."""
    with seeded(**ACCESS["password"]) as url:
        subject = Subject(Server(read_address(url), credentials=Password(**ACCESS["password"])))
        assert found(subject, credentials.CHECKS[-1])["credentials.wrong"] == Verdict.PASS
        assert subject.server.request_count == 2  # one without credentials, and one guess


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        pytest.param({}, NoCredentials(), id="none"),
        pytest.param(GUARDED | {"digest_md5": True}, Password(USER, PASSWORD), id="password"),
        pytest.param(GUARDED, OneHeader("Authorization", f"Bearer {CAMERA_TOKEN}"), id="token"),
        pytest.param(GUARDED, OneHeader("X-API-Key", CAMERA_TOKEN), id="key"),
    ],
)
def test_framehook_is_right(settings: dict[str, Any], given: Credentials) -> None:
    with running(**settings, queue_size=2, wait_until_ready=False) as live:  # so that some frames are refused
        live.wait_until_ready(bearer(PROBE_TOKEN) if settings else None)
        address = read_address(live.url)

        def ask() -> dict[str, Finding]:
            subject = Subject(Server(address, credentials=given), rate_per_s=1)  # a busy machine is slow, too
            return findings(subject, *credentials.CHECKS, *overload.CHECKS, *timing.CHECKS)

        answered = calmly(ask)
    bad = {name: finding for name, finding in answered.items() if finding.verdict in BAD}
    assert bad == {}
    assert [finding.verdict for finding in answered.values()].count(Verdict.PASS) >= 6
