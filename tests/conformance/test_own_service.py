"""Our own service passes all checks: with each built-in model, and with credentials."""

import ssl
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from conformance.asking.address import read_address
from conformance.asking.credentials import Credentials, OneHeader, Password
from conformance.asking.server import Limits, Server
from conformance.checks import CHECKS
from conformance.running import run
from conformance.subject import Subject
from conformance.verdicts import Finding, Verdict
from tests.support.certificates import issue, trusting, write
from tests.support.credentials import ADMIN_TOKEN, GUARDED, PASSWORD, USER, bearer
from tests.support.server import running
from tests.support.timed import calmly

BUSY = {"overload.retry-after", "overload.sheds", "overload.speed", "timing.rate"}
"""Checks whose verdict depends on how busy the machine is, too."""
ALL = {check.id for check in CHECKS} - BUSY
ACCESS: dict[str, tuple[Credentials, set[str]]] = {
    "password": (Password(USER, PASSWORD), {"credentials.ignored", "credentials.header"}),
    "token": (
        OneHeader("Authorization", f"Bearer {ADMIN_TOKEN}"),
        {"credentials.ignored", "credentials.basic", "credentials.digest", "credentials.replay"},
    ),
}
"""Credentials, and the checks that they are not for."""


def findings(url: str, credentials: Credentials | None = None, tls: ssl.SSLContext | None = None) -> dict[str, Finding]:
    return calmly(partial(_findings, url, credentials, tls))


def _findings(url: str, credentials: Credentials | None, tls: ssl.SSLContext | None) -> dict[str, Finding]:
    server = Server(read_address(f"{url}/inference"), Limits(duration_s=400, timeout_s=60), credentials, tls)
    subject = Subject(server, hostile=True)
    return {result.check.id: result.finding for result in run(subject, CHECKS) if result.check.id in ALL}


def but_for(found: dict[str, Finding], *verdicts: Verdict) -> dict[str, Finding]:
    return {name: finding for name, finding in found.items() if finding.verdict not in verdicts}


@pytest.mark.parametrize("model", ["ssdlite-mobilenet-v2", "blazeface-back", "efficientnet-lite0"])
def test_each_model_is_answered_as_the_protocol_says(model: str) -> None:
    """A classifier finds something in every picture and has no boxes, so much cannot be told of it."""
    with running(default_model=model) as live:
        found = findings(live.url)
    assert but_for(found, Verdict.PASS, Verdict.NOT_ASKED, Verdict.CANNOT_TELL) == {}
    if model == "ssdlite-mobilenet-v2":
        assert but_for(found, Verdict.PASS, Verdict.NOT_ASKED) == {}


def test_https_is_asked_all_but_what_needs_the_socket_itself(tmp_path: Path) -> None:
    ca = trustme.CA()
    files: dict[str, Any] = {**write(issue(ca), tmp_path)}
    with running(trusted=trusting(ca), **files) as live:
        found = findings(live.url, tls=trusting(ca))
    assert but_for(found, Verdict.PASS, Verdict.NOT_ASKED) == {}
    assert found["hostile.short-body"].verdict is Verdict.NOT_ASKED


@pytest.mark.parametrize("access", ACCESS)
def test_credentials_are_asked_for_and_taken(access: str) -> None:
    credentials, not_asked = ACCESS[access]
    with running(wait_until_ready=False, **GUARDED) as live:
        live.wait_until_ready(bearer(ADMIN_TOKEN))
        found = findings(live.url, credentials)
    assert {name for name, finding in found.items() if finding.verdict is Verdict.NOT_ASKED} == not_asked
    assert but_for(found, Verdict.PASS, Verdict.NOT_ASKED) == {}
