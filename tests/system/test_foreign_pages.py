"""Pages of strangers in a real browser: of another port, of another name, and of a name that was made to lead here."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from handlers.server.access.credentials import with_password
from lab.graphs import write_identity_model
from tests.support.credentials import ADMIN, AUTHORIZED, EVERYTHING, settings_for
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import wait_for

pytestmark = pytest.mark.system

USER, WORD = "boss", "battery-staple-horse"
ATTACK = """
const [base, framed, done] = arguments, out = {};
const jpeg = new Blob([new Uint8Array(2000)]);
const form = new FormData();
form.append("image", jpeg, "x.jpg");
const tries = {
  frame: ["/inference?stream=gate", {method: "POST", mode: "no-cors", body: jpeg}],
  form: ["/v1/vision/detection?stream=gate", {method: "POST", mode: "no-cors", body: form}],
  reload: ["/models/identity/reload", {method: "POST", mode: "no-cors"}],
  streams: ["/streams", {}], models: ["/models", {}], metrics: ["/metrics", {}], contract: ["/openapi.json", {}],
};
(async () => {
  for (const [name, [path, options]] of Object.entries(tries))
    try {
      const answer = await fetch(base + path, {credentials: "include", ...options});
      out[name] = [answer.status, (await answer.text()).length];
    } catch (error) { out[name] = String(error); }
  for (const path of framed) {
    const frame = document.createElement("iframe");
    const loaded = new Promise((resolve) => { frame.onload = resolve; });
    frame.src = base + path;
    document.body.append(frame);
    await loaded;
  }
  done(JSON.stringify(out));
})();
"""
READS = ("streams", "models", "metrics", "contract")
WRITES = ("frame", "form", "reload")
FRAMED = ["/", "/ui/", "/models", "/metrics", "/openapi.json", "/stream/gate"]
CHANGES = {"infer", "detect_objects", "reload_model"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service on which only an administrator, whose password the browser remembers, may reload models."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    boss = with_password(USER, WORD, may=EVERYTHING)
    settings = settings_for(ADMIN, boss, anonymous_may="infer,read,view")
    with serving(folder, wait_until_ready=False, **settings) as server:
        server.client.headers.update(AUTHORIZED)
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def strangers_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with a page."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "index.html").write_text("<!doctype html><title>stranger</title><body></body>")
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def log_in(browser: Chrome, live: LiveServer) -> None:
    """Let the browser remember the administrator's password: the address of a page may contain it."""
    browser.get(f"http://{USER}:{WORD}@127.0.0.1:{live.port}/metrics")
    browser.get(f"http://127.0.0.1:{live.port}/")
    script = (
        "const done = arguments[0]; fetch('/models/identity/reload', {method: 'POST'}).then((a) => done(a.status));"
    )
    assert browser.execute_async_script(script) == 200, "the service's own page may"


def attack(browser: Chrome, page: str, base: str) -> dict[str, Any]:
    browser.set_script_timeout(60)
    browser.get(page)
    out: dict[str, Any] = json.loads(browser.execute_async_script(ATTACK, base, FRAMED))
    return out


def accepted(live: LiveServer) -> float:
    """Return how many requests that change something were not refused with 403."""
    counts = samples(live).items()
    return sum(
        value
        for (metric, *labels), value in counts
        if metric == "framehook_requests_total" and labels[0] != "403" and labels[1] in CHANGES
    )


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])
def test_a_foreign_page_posts_nothing_and_frames_nothing(
    browser: Chrome, live: LiveServer, strangers_port: int, name: str
) -> None:
    """Of another port of the same address (the same site), of another name of this machine, and of another site."""
    with_login = accepted(live) + 1
    log_in(browser, live)
    wait_for(lambda: accepted(live) == with_login)  # a request is counted behind its answer
    out = attack(browser, f"http://{name}:{strangers_port}/", f"http://127.0.0.1:{live.port}")
    assert [out[write][0] for write in WRITES] == [0, 0, 0], "the page sees nothing of the answers"
    assert {type(out[read]) for read in READS} == {str}, "nor does the browser show it these"
    assert accepted(live) == with_login
    assert live.client.get("/streams").json() == {"streams": []}
    framed: list[str] = []

    def all_are_refused() -> bool:
        complaints = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium lacks the type
        framed.extend(entry["message"] for entry in complaints if "frame-ancestors" in entry["message"])
        return len(framed) >= len(FRAMED)

    wait_for(all_are_refused)
    assert len(framed) == len(FRAMED)


def test_a_rebound_name_reads_nothing(browser: Chrome, live: LiveServer) -> None:
    """The page has the service's own address and port; to the browser both are one origin."""
    out = attack(browser, f"http://evil.example:{live.port}/nope", f"http://evil.example:{live.port}")
    for name in (*READS, *WRITES):
        assert out[name][0] == 403, name
    assert live.client.get("/streams").status_code == 200
    assert "unknown-host" in browser.execute_async_script(
        "const done = arguments[0]; fetch('/streams').then((a) => a.text()).then(done);"
    )


def test_the_services_pages_work_by_a_name_that_is_allowed(browser: Chrome, tmp_path: Path) -> None:
    """Without TLS, where browsers send no `Sec-Fetch-Site`."""
    folder = write_identity_model(tmp_path)
    with serving(folder, allowed_hosts="evil.example") as live:
        browser.get(f"http://evil.example:{live.port}/")
        posting = "fetch('/inference', {method: 'POST', body: new Blob(['x'])})"
        script = f"const done = arguments[0]; {posting}.then((a) => done(a.status));"
        assert browser.execute_async_script(script) == 400
