"""Our own service does what the checks of results ask, with each kind of model."""

from collections.abc import Iterator

import pytest

from conformance.asking.address import read_address
from conformance.asking.server import Server
from conformance.checks import CHECKS
from conformance.running import run, selected
from conformance.subject import Subject
from conformance.verdicts import Verdict
from tests.support.server import LiveServer, running

GROUPS = ("answers", "geometry", "empty", "state", "raw")
BOXES = {"geometry.corners", "geometry.scale", "geometry.pad", "geometry.frame", "geometry.inside", "state.confidence"}


@pytest.fixture(scope="module")
def service() -> Iterator[LiveServer]:
    with running() as server:
        yield server


@pytest.mark.parametrize(
    ("model", "unknown"),
    [
        pytest.param("ssdlite-mobilenet-v2", set(), id="finds objects"),
        pytest.param("blazeface-back", set(), id="finds faces"),
        pytest.param("efficientnet-lite0", BOXES, id="only classifies"),
    ],
)
def test_all_checks_of_results_pass(service: LiveServer, model: str, unknown: set[str]) -> None:
    subject = Subject(Server(read_address(f"{service.url}/inference/{model}")))
    results = tuple(run(subject, selected(CHECKS, only=GROUPS)))
    findings = {result.check.id: result.finding for result in results if result.finding.verdict is not Verdict.PASS}
    assert {finding.verdict for finding in findings.values()} <= {Verdict.CANNOT_TELL}, findings
    assert set(findings) == unknown, findings
