"""Real clients of DeepStack and CodeProject.AI ask the service, as docs/clients.md says that they can.

Their code is installed from package registries, or lies in .tools/sources as .ci/run gets it; none of it is copied.
"""

import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from lab.pictures import PHOTOS, STREET
from tests.support.client import ROOT
from tests.support.server import LiveServer, running
from tests.support.waiting import wait_for

HERE = Path(__file__).parent
TOOLS = ROOT / ".tools"
FACE = PHOTOS / "astronaut.jpg"
PATIENCE_S = 120
OPTIONS = "return [...arguments[0].options].map((option) => option.value);"

pytestmark = pytest.mark.system


def source(name: str) -> Path:
    """Return the folder of a client that is in no package registry; skips the test where .ci/run could not get it."""
    folder = TOOLS / "sources" / name
    if not any(folder.glob("*")):
        pytest.skip(f"{folder.relative_to(ROOT)} is empty: .ci/run fills it")
    return folder


def run(command: list[str | Path], **environment: str) -> Any:
    """Run a client's program; return the JSON that it prints."""
    done = subprocess.run(
        command,
        cwd=HERE,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def expected(server: LiveServer) -> list[dict[str, Any]]:
    """What every client finds in the street photo at a confidence of 0.6: five people and two cars or more."""
    answer = server.client.post(
        "/v1/vision/detection", files={"image": STREET.read_bytes()}, data={"min_confidence": "0.6"}
    )
    found: list[dict[str, Any]] = answer.json()["predictions"]
    assert len(found) > 5
    return found


def test_the_python_libraries(server: LiveServer, expected: list[dict[str, Any]]) -> None:
    """deepstack-python, under Home Assistant and Viseron; codeproject-ai-api, under Viseron."""
    answers = run([TOOLS / "clients/bin/python", "libraries.py", server.host, str(server.port), STREET, FACE])
    assert [found["label"] for found in answers.pop("faces")] == ["face"]
    assert answers.pop("scene")["label"]
    assert answers == dict.fromkeys(answers, expected)
    assert len(answers) == 4


def test_the_ruby_gem(server: LiveServer, expected: list[dict[str, Any]]) -> None:
    answers = run(["ruby", "-I", source("jimtng/deepstack-ruby") / "lib", "gem.rb", server.url, STREET, FACE])
    assert [found["label"] for found in answers.pop("faces")] == ["face"]
    assert answers.pop("scene")["label"]
    assert answers == dict.fromkeys(answers, expected)


def test_frigates_plugin(server: LiveServer) -> None:
    """With Frigate's own labels. Its rows are label, confidence, and edges as shares: top, left, bottom, right."""
    frigate = source("blakeblackshear/frigate")
    command: list[str | Path] = [
        TOOLS / "clients/bin/python",
        "frigate_plugin.py",
        server.url,
        STREET,
        frigate / "labelmap.txt",
    ]
    rows = run(command, PYTHONPATH=str(frigate))
    assert {label for label, *_ in rows} == {"person", "car"}
    assert 3 < len(rows) <= 20
    assert all(0.4 <= confidence <= 1 for _, confidence, *_ in rows)
    assert all(0 <= top < bottom <= 1 and 0 <= left < right <= 1 for *_, top, left, bottom, right in rows)


def test_home_assistant(server: LiveServer, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    """Its image_processing scans a camera with the custom integration, which also draws what was found."""
    integration = source("robmarkcole/HASS-Deepstack-object") / "custom_components" / "deepstack_object"
    shutil.copytree(integration, tmp_path / "custom_components" / "deepstack_object")
    configuration = {
        "homeassistant": {"allowlist_external_dirs": [str(STREET.parent), str(tmp_path)]},
        "camera": [{"platform": "local_file", "name": "yard", "file_path": str(STREET)}],
        "image_processing": [
            {
                "platform": "deepstack_object",
                "ip_address": server.host,
                "port": server.port,
                "targets": [{"target": "person", "confidence": 60}, {"target": "car", "confidence": 60}],
                "save_file_folder": str(tmp_path),
                "source": [{"entity_id": "camera.yard"}],
            }
        ],
    }
    (tmp_path / "configuration.yaml").write_text(json.dumps(configuration))
    found = run([TOOLS / "home-assistant/bin/python", "home_assistant.py", tmp_path])
    assert found["state"] == str(len(expected))
    assert found["summary"] == {"person": 6, "car": 2}
    assert (tmp_path / "deepstack_object_yard_latest.jpg").stat().st_size > 10_000


@contextmanager
def node_red(flows: str, folder: Path) -> Iterator[httpx.Client]:
    """Run Node-RED with these flows until the block ends; its log is in the folder."""
    (folder / "flows.json").write_text(flows)
    (folder / "node_modules").symlink_to(TOOLS / "node-red" / "node_modules")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = TOOLS / "node-red" / "node_modules" / "node-red" / "red.js"
    command = [
        "node",
        str(program),
        "--userDir",
        str(folder),
        "--port",
        str(port),
        "-D",
        "uiHost=127.0.0.1",
        "flows.json",
    ]
    log = (folder / "log").open("w")
    with log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: "Started flows" in (folder / "log").read_text())
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
                yield client
        finally:
            process.terminate()


def test_node_red(server: LiveServer, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    """Its own request node, with the function of the document, and the nodes of node-red-contrib-deepstack."""
    [function] = re.findall(r"```js\n(.*?)```", (ROOT / "docs/clients.md").read_text(), re.DOTALL)
    written = (HERE / "flows.json").read_text().replace("PORT", str(server.port)).replace("URL", server.url)
    with node_red(written.replace('"FUNCTION"', json.dumps(function)), tmp_path) as flows:
        flows.headers["Content-Type"] = "image/jpeg"
        photo = STREET.read_bytes()
        assert flows.post("/detection", content=photo).json() == expected
        assert flows.post("/custom", content=photo).json() == expected
        assert len(flows.post("/inference", content=photo).json()["inferences"]) == len(expected)


def test_node_reds_example(server: LiveServer, tmp_path: Path) -> None:
    """examples/node-red-flow.json fetches a camera's snapshot, and its alarm gets the persons in it."""
    with serving_files(STREET.parent) as files:
        flow = (ROOT / "examples" / "node-red-flow.json").read_text()
        for written, here in {
            "http://camera.example/snapshot.jpg": f"{files}/{STREET.name}",
            "http://127.0.0.1:8080": server.url,
            '"console": false': '"console": true',
        }.items():
            assert written in flow
            flow = flow.replace(written, here)
        with node_red(flow, tmp_path):
            wait_for(lambda: _alarm(tmp_path / "log").count("label: 'person'") >= 6)
    assert "node-red" in {stream["id"] for stream in server.client.get("/streams").json()["streams"]}


def _alarm(log: Path) -> str:
    """Return what Node-RED has logged since the first alarm of the example."""
    return log.read_text().partition("[debug:a person is there")[2]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Serve the files of a folder until the block ends; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()


@pytest.fixture
def page(browser: Chrome) -> Iterator[Chrome]:
    """CodeProject.AI's demo page for JavaScript, of an origin of its own that the service allows."""
    folder = source("codeproject/CodeProject.AI-Server") / "src/demos/clients/Javascript"
    with serving_files(folder) as origin, running(allowed_origins=origin) as live:
        browser.get(f"{origin}/Vision.html")
        browser.execute_script("serviceUrl.value = arguments[0]; serviceTimeoutSecTxt.value = 60;", live.url)
        yield browser


def test_codeproject_ais_page(page: Chrome, expected: list[dict[str, Any]]) -> None:
    """It finds the service, shows the parts for what is served, lists the models, and writes what was found."""

    def part(id_: str) -> Any:
        return page.find_element(By.ID, id_)

    def wait(condition: Callable[[], object]) -> None:
        ignored = [StaleElementReferenceException]  # it draws its lists anew
        WebDriverWait(page, PATIENCE_S, ignored_exceptions=ignored).until(lambda _: condition())

    wait(lambda: part("things").is_displayed())
    for models in ("customModel", "benchmarkModel"):  # it asks for both lists five seconds after its start
        wait(lambda: "ssdlite-mobilenet-v2" in page.execute_script(OPTIONS, part(models)))  # noqa: B023  # at once
    wait(lambda: "online" in part("status").text)
    for file in ("image", "customimage"):
        part(file).send_keys(str(STREET))
    Select(part("customModel")).select_by_value("ssdlite-mobilenet-v2")
    for ask in ("things", "customthings"):
        page.execute_script("result.innerHTML = '';")
        part(ask).click()
        wait(lambda: f"{expected[0]['confidence']:.0%}" in part("result").text)
        assert part("result").text.count("person") >= 6
    part("scene").click()
    wait(lambda: "Label Confidence" in part("result").text)
    part("face").click()
    wait(lambda: "No predictions" in part("result").text)
