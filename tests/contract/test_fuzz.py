"""schemathesis against the running service: every check, every phase, every media type."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st

from models.repository.folder import BUILT_IN_ZOO, names_in
from tests.contract.hooks import LONG_NAME, MAX_LABELS
from tests.support.client import OPERATIONS, ROOT, resolve
from tests.support.credentials import ADMIN_TOKEN, AUTHORIZED, GUARDED, RELOADABLE
from tests.support.models.chains import write_plates
from tests.support.server import LiveServer, running

ACCESS = {"open": (RELOADABLE, 8), "guarded": (GUARDED, 2)}
"""Settings, and how many examples each operation gets."""
MUTANTS = 40
SCHEMA = schemathesis.openapi.from_path(ROOT / "openapi.yaml")


@pytest.fixture(scope="module", params=ACCESS)
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Run scripts/fuzz's command, assert that it finds nothing, and return every case that was sent.

    Once where only administrators need a credential, and once where everybody does. One of the models gives licence
    plates to a reader.
    """
    access, max_examples = ACCESS[request.param]
    folder, plates = tmp_path_factory.mktemp("fuzz"), write_plates(tmp_path_factory.mktemp("models")).parent
    contract, report, streams = folder / "openapi.yaml", folder / "report.ndjson", folder / "streams"
    streams.mkdir()
    models = (*names_in(BUILT_IN_ZOO), "plates")  # the reader alone would read each frame
    settings = {"model_repository": (BUILT_IN_ZOO, plates), "models": models, "streams": streams, **access}
    with running(queue_size=1000, wait_until_ready=False, **settings) as live:
        live.wait_until_ready(AUTHORIZED)
        contract.write_bytes(live.client.get("/openapi.yaml", headers=AUTHORIZED).content)
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(contract), "--url", live.url]
        command += ["--header", f"Authorization: {AUTHORIZED['Authorization']}"]
        command += ["--max-examples", str(max_examples), "--report", "ndjson", "--report-ndjson-path", str(report)]
        command += ["--request-timeout", "60", "--generation-deterministic"]
        environment = {"PYTHONPATH": ".", "FRAMEHOOK_TOKEN": ADMIN_TOKEN}
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-10_000:]
    return list(_cases_in(report))


def _cases_in(report: Path) -> Iterator[dict[str, Any]]:
    for line in report.read_text().splitlines():
        finished = json.loads(line).get("ScenarioFinished")
        if finished:
            recorded = finished["recorder"]
            for name, case in recorded.get("cases", {}).items():
                answer = recorded.get("interactions", {}).get(name, {}).get("response") or {}
                yield case["value"] | {"status": answer.get("status_code")}


def test_every_operation_was_fuzzed(cases: list[dict[str, Any]]) -> None:
    sent = Counter(f"{case['method']} {case['path']}" for case in cases)
    for method, path, _ in OPERATIONS:
        assert sent[f"{method.upper()} {path}"] >= 1, f"{method} {path}"


def test_every_media_type_was_sent_to_every_operation(cases: list[dict[str, Any]]) -> None:
    sent = Counter((case["path"], case.get("media_type")) for case in cases if case["method"] == "POST")
    bodies = [
        (path, resolve(operation["requestBody"])) for _, path, operation in OPERATIONS if "requestBody" in operation
    ]
    for path, media_type in [(path, media_type) for path, body in bodies for media_type in body["content"]]:
        assert sent[path, media_type], f"{media_type} was not sent to {path}"


def test_the_given_credential_is_used(cases: list[dict[str, Any]]) -> None:
    """Only a check leaves it out or sends an invented one: a few times an operation, however many cases there are."""
    refused = Counter(
        f"{case['method']} {case['path']}" for case in cases if case["status"] == httpx.codes.UNAUTHORIZED
    )
    assert max(refused.values(), default=0) <= 5


def test_valid_cases_go_to_the_limits_of_the_contract(cases: list[dict[str, Any]]) -> None:
    wanted = [case.get("query", {}).get("object") for case in cases]
    assert MAX_LABELS in {len(labels) for labels in wanted if isinstance(labels, list)}
    assert any(case.get("query", {}).get("stream") == LONG_NAME for case in cases)


def test_every_phase_ran(cases: list[dict[str, Any]]) -> None:
    phases = {case["meta"]["phase"]["name"] for case in cases}
    assert phases == {"examples", "coverage", "fuzzing", "stateful"}


@pytest.mark.parametrize("path", ["/inference", "/inference/{model}", "/score"])
def test_corrupt_pictures_are_answered_as_declared(server: LiveServer, path: str) -> None:
    operation = SCHEMA[path]["POST"]

    @given(operation.as_strategy(), st.data())
    @settings(max_examples=MUTANTS)
    def corrupt(case: schemathesis.Case[Any], data: st.DataObject) -> None:
        assert isinstance(case.body, bytes)
        body = bytearray(case.body)
        for _ in range(data.draw(st.integers(1, 8))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        case.body = bytes(body[: data.draw(st.integers(len(body) // 2, len(body)))])
        case.path_parameters = {"model": server.model} if "{model}" in path else {}
        response = case.call(base_url=server.url, timeout=60)
        operation.validate_response(response)
        assert response.status_code in {200, 204, 400, 413}

    corrupt()
