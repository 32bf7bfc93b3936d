"""The kit's reports on servers that others would write: the known mistakes are found, and none is invented.

`scripts/bench peers` sets the servers up, in an environment of their own.
"""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from bench.harness.pictures import PEER_MODEL
from bench.harness.servers import PATH, servers, serving
from lab.pictures import STREET
from tests.support.process import FRAMEHOOK

pytestmark = pytest.mark.system

QUEUES = {"overload.sheds", "timing.rate", "overload.status"}
"""Warnings and failures that depend on how busy the machine is, too."""
FRAMES = {
    "answers.ranges": "corners of boxes are sent as the model gives them, also beyond the frame",
    "empty.status": "200 with an empty list",
}
WARNINGS = {
    "errors.undecodable": "what cannot be decoded is an error of the server",
    "raw.accepted": "raw pixels are taken for an encoded picture",
}
ONE_AT_A_TIME = {
    "hostile.short-body": "one worker waits for a body that never comes; the images of the samples have nginx in front",
    "hostile.slow-body": "the same",
    "requests.keep-alive": "its worker closes after each answer",
}
KNOWN: dict[str, tuple[Collection[str], Collection[str]]] = {
    "microsoft-exact": (FRAMES, [*WARNINGS, *ONE_AT_A_TIME]),
    "fastapi-exact": (FRAMES, WARNINGS),
    "litserve-exact": (["requests.jpeg"], []),
}
"""What fails, and what is warned of. LitServe takes pictures as base64 in JSON, so nothing else can be told."""


def judged(url: str) -> dict[str, Any]:
    command: list[str | Path] = [FRAMEHOOK, "conform", url, "--hostile", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def mistakes_in(report: dict[str, Any]) -> dict[str, set[str]]:
    """Return which checks fail, and which warn."""
    return {
        verdict: {check["id"] for check in report["checks"] if check["verdict"] == verdict} - QUEUES
        for verdict in ("fail", "warn")
    }


@pytest.mark.parametrize("name", KNOWN)
def test_the_known_mistakes_of_a_server_are_found_and_none_is_invented(name: str) -> None:
    """Some checks have limits of 2 s: what a busy machine adds to the mistakes is not found again."""
    assert PEER_MODEL.exists(), "run scripts/bench peers"
    failed, warned = KNOWN[name]
    known = {"fail": set(failed), "warn": set(warned)}
    with serving(servers(PEER_MODEL)[name], STREET.read_bytes()) as service:
        url = f"http://127.0.0.1:{service.port}{PATH}"
        report = judged(url)
        found = mistakes_in(report)
        if found != known:
            again = mistakes_in(judged(url))
            found = {verdict: ids & again[verdict] for verdict, ids in found.items()}
    details = {check["id"]: check["detail"] for check in report["checks"] if check["verdict"] in found}
    assert found == known, details
