"""Each mistake of the seeded server is found by the check that is for it, and by no other; each check finds one."""

from collections import Counter

import pytest

from conformance.asking.address import read_address
from conformance.asking.server import Server
from conformance.checks import CHECKS
from conformance.pictures.photos import Photo
from conformance.running import Result, run
from conformance.subject import Subject
from conformance.verdicts import Verdict
from tests.support.seeded.mistakes import MISTAKES
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded

BAD = {Verdict.FAIL, Verdict.WARN}
IDS = {check.id for check in CHECKS}


def judged(*mistakes: str) -> dict[str, Result]:
    with seeded(*mistakes) as url:
        subject = Subject(Server(read_address(url)), photos=(Photo("board", board()),), rate_per_s=10, hostile=True)
        return {result.check.id: result for result in run(subject, CHECKS)}


def test_a_server_without_mistakes_passes_all_checks() -> None:
    findings = {name: result.finding for name, result in judged().items()}
    assert {name: finding for name, finding in findings.items() if finding.verdict is not Verdict.PASS} == {}


@pytest.mark.parametrize("mistake", [name for name, mistake in MISTAKES.items() if mistake.found_by in IDS])
def test_a_mistake_is_found_by_its_check_and_by_no_other(mistake: str) -> None:
    found = {name: result for name, result in judged(mistake).items() if result.finding.verdict in BAD}
    assert list(found) == [MISTAKES[mistake].found_by], {name: result.finding for name, result in found.items()}


def test_each_check_finds_a_mistake() -> None:
    counts = Counter(mistake.found_by for mistake in MISTAKES.values())
    assert [check for check in IDS if not counts[check]] == []
