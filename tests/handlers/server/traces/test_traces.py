"""Traces as a collector gets them: over a real socket, in OTLP."""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk import environment_variables

from handlers.errors import ConfigurationError
from handlers.server.contract import read_contract
from handlers.server.settings import Settings
from handlers.server.traces.creation import create_traces
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.processes import worker_pids
from tests.support.client import ROOT
from tests.support.credentials import AUTHORIZED, GUARDED, SECRETS
from tests.support.otlp_receiver import Collector, collecting, values
from tests.support.process import framehook
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import wait_for

FRAME = encode(board(7), "PNG")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STEPS = ["admission", "read", "queue", "decode", "preprocess", "run", "postprocess", "encode"]
EXPORTED_S, CHECKED_S, CLOSED_S = 60, 40.0, 20.0


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables of OpenTelemetry for a service that starts in the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BSP_SCHEDULE_DELAY": "50", **variables}.items():
            patch.setenv(f"OTEL_{name}", value)
        yield


@contextmanager
def traced(
    folder: Path, variables: dict[str, str] | None = None, **settings: Any
) -> Iterator[tuple[LiveServer, Collector]]:
    """Run a service with the identity model, and its collector."""
    with (
        collecting() as collector,
        environment(EXPORTER_OTLP_ENDPOINT=collector.url, **(variables or {})),
        serving(write_identity_model(folder), **{"traces_per_s": 10_000, **settings}) as live,
    ):
        yield live, collector


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, Collector]]:
    with traced(tmp_path_factory.mktemp("repository"), lanes=1, queue_size=0) as both:
        yield both


def asked(both: tuple[LiveServer, Collector], path: str, method: str = "POST", **options: Any) -> Span:
    """Send a request, with a frame unless it says otherwise, and return its span."""
    live, collector = both
    before = len(collector.requests)
    options = {"content": FRAME} | options if method == "POST" else options
    live.client.request(method, path, **options)
    return collector.wait_for_requests(before + 1)[before]


def test_the_trace_of_a_frame_has_a_step_for_each_of_its_stages(shared: tuple[LiveServer, Collector]) -> None:
    _, collector = shared
    request = asked(shared, "/inference?stream=yard&confidence=0.25")
    steps = collector.steps_of(request)
    assert [step.name for step in steps] == STEPS, collector.tree(request)
    times = [time for step in steps for time in (step.start_time_unix_nano, step.end_time_unix_nano)]
    assert times == sorted(times)
    assert request.start_time_unix_nano == times[0]
    assert times[-1] <= request.end_time_unix_nano
    assert abs(request.end_time_unix_nano / 1e9 - time.time()) < CHECKED_S
    assert {step.trace_id for step in steps} == {request.trace_id}
    assert len({span.span_id for span in (request, *steps)}) == 1 + len(STEPS)
    assert request.parent_span_id == b""


def test_a_request_says_what_it_was(shared: tuple[LiveServer, Collector]) -> None:
    request = asked(shared, "/inference?stream=yard&confidence=0.25", headers={"X-Request-ID": "frame-9"})
    assert request.name == "POST /inference"
    assert values(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/inference",
        "url.path": "/inference",
        "http.response.status_code": 200,
        "http.request.body.size": len(FRAME),
        "framehook.request_id": "frame-9",
        "framehook.model": "identity",
        "framehook.stream": "yard",
        "framehook.format": "png",
        "framehook.outcome": "run",
        "framehook.detections": 1,
    }
    assert request.status.code == Status.STATUS_CODE_UNSET


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends: its span's name, its steps, and some of its attributes."""

    path: str
    body: bytes
    name: str
    steps: list[str]
    facts: dict[str, Any]


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(
            Ending(
                "/inference/identity",
                FRAME,
                "POST /inference/{model}",
                STEPS,
                {"url.path": "/inference/identity", "http.response.status_code": 200},
            ),
            id="path",
        ),
        pytest.param(
            Ending("/inference", b"rubbish", "POST /inference", STEPS[:4], {"framehook.problem": "undecodable-frame"}),
            id="refused by its lane",
        ),
        pytest.param(
            Ending(
                "/inference/nope",
                FRAME,
                "POST /inference/{model}",
                ["admission"],
                {"http.response.status_code": 404, "framehook.problem": "unknown-model"},
            ),
            id="refused by admission",
        ),
        pytest.param(
            Ending("/nope?secret=1", b"", "POST", [], {"url.path": "/nope", "http.response.status_code": 404}),
            id="unknown path",
        ),
        pytest.param(
            Ending(
                "/%00%ff%ed%a0%80%f0%9f%93%b7", b"", "POST", [], {"url.path": "/\0\ufffd\ufffd\ufffd\ufffd\U0001f4f7"}
            ),
            id="path that is no text",
        ),
        pytest.param(
            Ending(
                "/inference",
                encode(board(failure=True), "PNG"),
                "POST /inference",
                STEPS[:6],
                {"error.type": "internal-error", "http.response.status_code": 500},
            ),
            id="failure",
        ),
    ],
)
def test_a_trace_ends_where_its_frame_did(shared: tuple[LiveServer, Collector], ending: Ending) -> None:
    request = asked(shared, ending.path, content=ending.body)
    assert request.name == ending.name
    assert [step.name for step in shared[1].steps_of(request)] == ending.steps
    attributes = values(request.attributes)
    assert ending.facts.items() <= attributes.items()
    failed = attributes["http.response.status_code"] >= 500
    assert request.status.code == (Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET)


def test_a_form_is_traced_like_a_frame(shared: tuple[LiveServer, Collector]) -> None:
    request = asked(shared, "/v1/vision/detection", content=None, files={"image": FRAME})
    assert [step.name for step in shared[1].steps_of(request)] == STEPS


def test_requests_that_are_no_frames_have_no_steps_and_probes_no_trace(shared: tuple[LiveServer, Collector]) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/status"):
        shared[0].client.get(path)
    request = asked(shared, "/models/identity", "GET")
    assert (request.name, shared[1].steps_of(request)) == ("GET /models/{model}", [])


@pytest.mark.parametrize(
    ("parent", "continued"),
    [
        (None, False),
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-1", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        ("x" * 5000, False),
    ],
    ids=["none", "sampled", "malformed", "zero", "long"],
)
def test_a_caller_that_sends_its_span_gets_a_part_of_its_trace(
    shared: tuple[LiveServer, Collector], parent: str | None, *, continued: bool
) -> None:
    headers = {"traceparent": parent, "tracestate": "vendor=t61rcWkgMzE"} if parent else {}
    request = asked(shared, "/inference", headers=headers)
    assert (request.trace_id.hex() == TRACE) == continued
    assert request.parent_span_id.hex() == SPAN * continued
    assert request.trace_state == "vendor=t61rcWkgMzE" * continued
    assert len(request.trace_id) == 16


def test_a_caller_that_records_nothing_is_not_recorded(
    shared: tuple[LiveServer, Collector], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    shared[0].client.post("/inference", content=FRAME, headers={"traceparent": f"00-{TRACE[::-1]}-{SPAN}-00"})
    asked(shared, "/inference")
    assert TRACE[::-1] not in {request.trace_id.hex() for request in shared[1].requests}
    assert TRACE[::-1] in logged_traces(caplog)


def test_the_line_of_a_request_has_the_id_of_its_trace(
    shared: tuple[LiveServer, Collector], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    request = asked(shared, "/inference")
    wait_for(lambda: request.trace_id.hex() in logged_traces(caplog))  # the line comes after the trace
    assert logged_traces(caplog).count(request.trace_id.hex()) == 1


def logged_traces(caplog: pytest.LogCaptureFixture) -> list[str | None]:
    """Return the trace of each line about a request; those of other tests' services may be among them."""
    lines = [record for record in caplog.records if record.getMessage() == "request"]
    return [line.facts.get("traceId") for line in lines]  # type: ignore[attr-defined]


def test_the_service_is_named(tmp_path: Path) -> None:
    variables = {
        "SERVICE_NAME": "yard",
        "RESOURCE_ATTRIBUTES": "deployment.environment.name=home",
        "EXPORTER_OTLP_HEADERS": "x-key=k",
    }
    with traced(tmp_path, variables) as both:
        asked(both, "/inference")
        [resource, *_] = both[1].resources
        assert {"service.name": "yard", "deployment.environment.name": "home"}.items() <= resource.items()
        assert both[1].heads[0]["x-key"] == "k"


def test_by_default_its_name_is_framehook(shared: tuple[LiveServer, Collector]) -> None:
    asked(shared, "/inference")
    assert shared[1].resources[0]["service.name"] == "framehook"


@pytest.mark.parametrize(
    ("variables", "is_traced"),
    [
        ({"TRACES_SAMPLER": "always_off"}, False),
        ({"TRACES_SAMPLER": "parentbased_traceidratio", "TRACES_SAMPLER_ARG": "0"}, False),
        ({"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "1.0"}, True),
    ],
    ids=["off", "none", "all"],
)
def test_the_sampler_of_the_environment_decides(tmp_path: Path, variables: dict[str, str], *, is_traced: bool) -> None:
    with traced(tmp_path, variables) as (live, collector):
        live.client.post("/inference", content=FRAME)
        if is_traced:
            collector.wait_for_requests(1)
    assert bool(collector.requests) == is_traced


def test_callers_cannot_force_more_traces_than_are_set(tmp_path: Path) -> None:
    """Not even with the sampler that the operator has set for few, and the flag that asks for all."""
    variables = {"TRACES_SAMPLER": "parentbased_traceidratio", "TRACES_SAMPLER_ARG": "0"}
    with traced(tmp_path, variables, traces_per_s=2) as (live, collector):
        started_at = time.monotonic()
        for number in range(60):
            live.client.post("/inference", content=FRAME, headers={"traceparent": f"00-{number + 1:032x}-{SPAN}-01"})
        took_s = time.monotonic() - started_at
        collector.wait_for_requests(2)
    assert 2 <= len(collector.requests) <= 2 + 2 * took_s + 1


def test_no_secret_is_in_a_trace(tmp_path: Path) -> None:
    variables = {"BSP_MAX_QUEUE_SIZE": "4096"}
    with (
        collecting() as collector,
        environment(EXPORTER_OTLP_ENDPOINT=collector.url, **variables),
        running(
            model_repository=write_identity_model(tmp_path).parent,
            default_model="identity",
            traces_per_s=1000,
            wait_until_ready=False,
            **GUARDED,
        ) as live,
    ):
        live.wait_until_ready(AUTHORIZED)
        live.client.post("/inference?stream=yard&token=of-the-query", content=FRAME, headers=AUTHORIZED)
        for secret in SECRETS:
            live.client.post(f"/inference?key={secret}", content=FRAME, headers={b"X-API-Key": secret.encode()})
            live.client.post("/v1/vision/detection", files={"image": FRAME}, data={"api_key": secret})
        requests = collector.wait_for_requests(1 + 2 * len(SECRETS))
    sent = "".join(map(str, collector.spans))
    assert not [secret for secret in (*SECRETS, "of-the-query", "Authorization", "api_key") if secret in sent]
    assert {401, 200} <= {values(request.attributes)["http.response.status_code"] for request in requests}


def test_lanes_get_no_variable_of_opentelemetry(tmp_path: Path) -> None:
    """They may hold the credential of the collector."""
    with traced(tmp_path, {"EXPORTER_OTLP_HEADERS": "x-key=k"}, isolation="process") as both:
        asked(both, "/inference")
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in worker_pids()]
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in worker_pids()]
    assert environments
    assert not any(b"OTEL_" in each for each in environments)
    assert any("onnxruntime" in each for each in maps)


@pytest.mark.parametrize("dead", ["closed", "silent", "failing"])
def test_a_dead_collector_costs_nobody_anything(tmp_path: Path, dead: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the answers nor the end of the service; and the log says it once."""
    caplog.set_level(logging.INFO)
    with collecting() as collector, socket.create_server(("127.0.0.1", 0)) as silent:
        collector.status = 503
        port = silent.getsockname()[1]
        if dead == "closed":
            silent.close()
        url = collector.url if dead == "failing" else f"http://127.0.0.1:{port}"
        sizes = {"BSP_MAX_QUEUE_SIZE": "64", "BSP_MAX_EXPORT_BATCH_SIZE": "8"}
        with environment(EXPORTER_OTLP_ENDPOINT=url, EXPORTER_OTLP_TIMEOUT=str(EXPORTED_S), **sizes):
            with serving(write_identity_model(tmp_path), traces_per_s=10_000, drain_delay_s=0, queue_size=100) as live:
                asking_at = time.monotonic()
                assert {live.client.post("/inference", content=FRAME).status_code for _ in range(50)} == {200}
                closing_at = time.monotonic()
            closed_at = time.monotonic()
    assert closing_at - asking_at < CHECKED_S, "one batch takes a minute"
    assert closed_at - closing_at < CLOSED_S, "and the SDK waits for thirty seconds"
    said = [record.facts["reason"] for record in caplog.records if record.getMessage() == "trouble with traces"]  # type: ignore[attr-defined]
    assert 1 <= len(said) <= 3, said


def test_without_the_setting_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, handlers.server.app; from handlers.server.settings import Settings; "
        "handlers.server.app.create_app(Settings(), print); sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["serve", "check"])
def test_traces_without_the_extra_stop_the_start(tmp_path: Path, command: str) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not installed')")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    run = framehook(command, "--traces-per-s", "10", PYTHONPATH=path)
    assert run.returncode == 1
    assert run.stderr.endswith("framehook: Traces need the packages of OpenTelemetry: scripts/setup traces.\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"BSP_MAX_EXPORT_BATCH_SIZE": "99999999"},
        {"BSP_MAX_QUEUE_SIZE": str(10**30)},
        {"BSP_SCHEDULE_DELAY": "0"},
        {"BSP_SCHEDULE_DELAY": str(10**400)},
        {"PYTHON_METER_PROVIDER": "nope"},
    ],
    ids=["size", "beyond all sizes", "time", "beyond all times", "unknown part"],
)
def test_a_variable_that_is_wrong_stops_the_start(variables: dict[str, str]) -> None:
    with environment(**variables), pytest.raises(ConfigurationError, match="A variable OTEL_… has a value"):
        create_traces(Settings(traces_per_s=1), read_contract())


def all_said(caplog: pytest.LogCaptureFixture) -> str:
    return "".join(f"{record.getMessage()} {getattr(record, 'facts', {})}" for record in caplog.records)


def test_a_header_that_is_wrong_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may be a credential."""
    with environment(EXPORTER_OTLP_HEADERS="s3cret of the collector"):
        traces = create_traces(Settings(traces_per_s=1), read_contract())
        assert traces
        traces.close()
    said = all_said(caplog)
    assert "Header format invalid" in said
    assert "s3cret" not in said


def test_a_variable_that_is_wrong_at_the_import_stops_the_start(tmp_path: Path) -> None:
    repository = write_identity_model(tmp_path).parent
    arguments = ("--model-repository", str(repository), "--default-model", "identity", "--traces-per-s", "1")
    run = framehook("serve", "--port", "0", *arguments, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="-1")
    assert run.returncode == 1
    assert run.stderr.endswith("A variable OTEL_… has a value that OpenTelemetry does not accept.\n")


@contextmanager
def answering(head: bytes, chunk: bytes = b"") -> Iterator[tuple[str, list[int]]]:
    """Run a collector that answers each batch with this; yield its address, and how often it sent the chunk."""
    sent: list[int] = []

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(head)
            sent.append(0)
            while chunk:
                connection.sendall(chunk)
                sent[-1] += 1

    def serve() -> None:
        with suppress(OSError):
            while True:
                answer(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/?key=s3cret", sent
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(CLOSED_S)


@contextmanager
def posting_to(url: str, folder: Path) -> Iterator[LiveServer]:
    """Run a service that has answered a frame, and sends its trace to a collector."""
    with environment(EXPORTER_OTLP_ENDPOINT=url), serving(write_identity_model(folder), traces_per_s=10) as live:
        live.client.post("/inference", content=FRAME)
        yield live


@pytest.mark.parametrize("length", [b"", b"Content-Length: 99999999999\r\n"], ids=["none", "large"])
def test_an_endless_answer_of_a_collector_is_not_read(tmp_path: Path, length: bytes) -> None:
    """It would fill the memory of the service."""
    with (
        answering(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n", bytes(1 << 20)) as (url, sent),
        posting_to(url, tmp_path) as live,
    ):
        wait_for(lambda: sent)
        live.client.post("/inference", content=FRAME)
        wait_for(lambda: len(sent) > 1)
    assert max(sent) < 32, "as much as the kernel keeps"


def test_a_broken_answer_of_a_collector_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor is its address, which may have a key."""
    caplog.set_level(logging.DEBUG)
    answer = b"HTTP/1.1 200 OK\r\nbroken pa55word\r\nContent-Length: 0\r\n\r\n"
    with answering(answer) as (url, sent), posting_to(url, tmp_path):
        wait_for(lambda: sent)
        wait_for(lambda: "Failed to parse headers" in all_said(caplog))
    said = all_said(caplog)
    assert "s3cret" not in said
    assert "pa55word" not in said


def test_the_document_shows_the_trace_of_a_frame_and_names_variables_that_there_are() -> None:
    text = (ROOT / "docs" / "tracing.md").read_text()
    [tree] = re.findall(r"```text\n.*?\n(.*?)```", text, re.DOTALL)
    assert [line.partition("  ")[0] for line in map(str.strip, tree.splitlines())] == ["POST /inference", *STEPS]
    named = set(re.findall(r"^\| `(OTEL_\w+)`", text, re.MULTILINE))
    assert named
    assert named <= set(vars(environment_variables))
