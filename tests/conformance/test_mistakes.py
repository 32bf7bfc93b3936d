"""Each mistake of the seeded server is found by the check that is for it, and by no other; each check finds one."""

from collections import Counter
from functools import partial

import pytest

from conformance.asking.address import read_address
from conformance.asking.credentials import Credentials, NoCredentials, OneHeader, Password
from conformance.asking.server import Limits, Server
from conformance.checks import CHECKS
from conformance.pictures.photos import Photo
from conformance.running import run
from conformance.subject import Subject
from conformance.verdicts import Finding, Verdict
from tests.support.seeded.mistakes import ACCESS, MISTAKES
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded
from tests.support.timed import BAD, calmly

IDS = {check.id for check in CHECKS}


def credentials_for(access: str) -> Credentials:
    given = ACCESS[access]
    if "token" in given:
        return OneHeader("Authorization", f"Bearer {given['token']}")
    return Password(**given) if given else NoCredentials()


def judged(*mistakes: str, access: str = "all") -> dict[str, Finding]:
    with seeded(*mistakes, **ACCESS[access]) as url:
        server = Server(read_address(url), Limits(timeout_s=60), credentials_for(access))
        subject = Subject(server, photos=(Photo("board", board()),), rate_per_s=6, hostile=True)
        return {result.check.id: result.finding for result in run(subject, CHECKS)}


def test_a_server_without_mistakes_passes_all_checks() -> None:
    """With each kind of access: of the checks of credentials, those that apply then; each applies once."""
    passed = set()
    for access in ACCESS:
        findings = calmly(partial(judged, access=access))
        good = {name for name, finding in findings.items() if finding.verdict is Verdict.PASS}
        others = {name: finding for name, finding in findings.items() if name not in good}
        skipped = [name for name, each in others.items() if each.verdict is Verdict.NOT_ASKED]
        assert {name: finding for name, finding in others.items() if name not in skipped} == {}
        assert {name.partition(".")[0] for name in skipped} <= {"credentials"}
        passed |= good
    assert passed == IDS


@pytest.mark.parametrize("mistake", [name for name, mistake in MISTAKES.items() if mistake.found_by in IDS])
def test_a_mistake_is_found_by_its_check_and_by_no_other(mistake: str) -> None:
    expected = [MISTAKES[mistake].found_by]
    findings = calmly(partial(judged, mistake, access=MISTAKES[mistake].access), expected)
    found = {name: finding for name, finding in findings.items() if finding.verdict in BAD}
    assert list(found) == expected, found


def test_each_check_finds_a_mistake() -> None:
    counts = Counter(mistake.found_by for mistake in MISTAKES.values())
    assert [check for check in IDS if not counts[check]] == []
