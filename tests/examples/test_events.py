"""examples/events.py prints each event of a stream once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.graphs import write_identity_model
from lab.pictures import encode
from tests.support.client import ROOT
from tests.support.credentials import AUTHORIZED, GUARDED, RELOADABLE
from tests.support.models.walks import GATE, LEFT, RIGHT, block
from tests.support.server import LiveServer, running


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    write_identity_model(tmp_path / "repository")
    (tmp_path / "streams").mkdir()
    served: dict[str, Any] = {"model_repository": tmp_path / "repository", "default_model": "identity"}
    with running(**served, streams=tmp_path / "streams", **RELOADABLE) as server:
        yield server


def test_each_event_is_printed_once(live: LiveServer) -> None:
    """Also those that come after a while, and none before the first frame."""
    live.client.put("/streams/a%2Fb/settings", json={"lines": [GATE]}, headers=AUTHORIZED).raise_for_status()
    program: list[str | Path] = [sys.executable, ROOT / "examples" / "events.py", "a/b", "--url", live.url]
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=os.environ | {"TOKEN": ""}) as printing:
        assert printing.stdout is not None
        try:
            said = []
            for middles in ((LEFT, RIGHT), (LEFT, RIGHT)):
                for middle in middles:
                    live.client.post("/inference", params={"stream": "a/b"}, content=encode(block(middle), "PNG"))
                said.append(json.loads(printing.stdout.readline()))
            said.append(json.loads(printing.stdout.readline()))
        finally:
            printing.kill()
    assert [each["inference"]["event"]["properties"]["total"] for each in said] == ["1", "2", "3"]


def test_what_was_printed_is_not_printed_again_after_a_pause_of_the_service() -> None:
    """An answer 503, one that is no JSON, and none at all; then the same events and one more."""
    events = [{"inference": {"inferenceId": name}} for name in "210"]
    before, after = json.dumps({"events": events[1:]}), json.dumps({"events": events})
    answers = [(200, before), (503, "{}"), (200, "<html>"), (200, after)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program: list[str | Path] = [sys.executable, ROOT / "examples" / "events.py", "x", "--url"]
        url = f"http://127.0.0.1:{server.server_port}"
        with subprocess.Popen([*program, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as printing:
            assert printing.stdout is not None
            try:
                said = [json.loads(printing.stdout.readline())["inference"]["inferenceId"] for _ in range(3)]
            finally:
                printing.kill()
        server.shutdown()
    assert said == ["0", "1", "2"]


def test_a_refusal_is_printed(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with running(model_repository=tmp_path, default_model="identity", wait_until_ready=False, **GUARDED) as live:
        program: list[str | Path] = [sys.executable, ROOT / "examples" / "events.py", "x", "--url", live.url]
        ended = subprocess.run(program, check=False, capture_output=True, text=True, env=os.environ | {"TOKEN": "no"})
    assert ended.returncode == 1
    assert ended.stderr.startswith("401: ")
