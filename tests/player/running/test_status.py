import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft4Validator
from prometheus_client.parser import text_string_to_metric_families

import player
from player.errors import PlayerError
from player.events.sending import OutputStatus
from player.nodes.extension import Counts
from player.running import status
from player.running.state import PipelineState
from player.running.status import StatusServer, Watched
from tests.support.waiting import PATIENCE_S, wait_for

CONTRACT: dict[str, Any] = yaml.safe_load(Path(player.__file__).with_name("openapi.yaml").read_text())


def states() -> list[PipelineState]:
    yard = PipelineState("yard", "detect", "rtsp://camera.example/<one>", phase="playing", at_s=1_767_323_045.678)
    yard.extensions = [Counts(asked=4, answered=3, failed=1, waited_s=0.3), Counts(asked=1, answered=1, waited_s=0.1)]
    yard.events.update({"Inference": 3})
    return [yard]


def outputs() -> list[OutputStatus]:
    return [
        OutputStatus("-", 3, 0, 0, 0, 1.0, None, None, is_over=False),
        OutputStatus("mqtt://broker.example", 0, 1, 2, 100, None, "It is away.", 2.0, is_over=False),
    ]


@pytest.fixture
def seen() -> list[PipelineState]:
    return states()


@pytest.fixture
def client(seen: list[PipelineState]) -> Iterator[httpx.Client]:
    with (
        closing(StatusServer("127.0.0.1", 0, Watched(lambda: seen, outputs))) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_S) as client,
    ):
        yield client


def check(answer: httpx.Response) -> None:
    """Assert that the contract declares this answer."""
    declared = CONTRACT["paths"][answer.request.url.path]["get"]["responses"][str(answer.status_code)]
    if "$ref" in declared:
        declared = CONTRACT["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    media_type = answer.headers["content-type"].partition(";")[0]
    schema = declared["content"][media_type]["schema"]
    assert answer.headers["cache-control"] == "no-store"
    if media_type == "application/json":
        Draft4Validator({**schema, "components": CONTRACT["components"]}).validate(answer.json())


@pytest.mark.parametrize("path", CONTRACT["paths"])
def test_each_path_is_answered_as_the_contract_says(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    check(answer)
    refused = client.get(path, headers={"Host": "evil.example"})
    assert refused.status_code == 400
    check(refused)


def test_the_examples_of_the_contract_follow_its_schemas() -> None:
    for operations in CONTRACT["paths"].values():
        for answer in operations["get"]["responses"].values():
            for media in answer.get("content", {}).values():
                if "example" in media:
                    Draft4Validator({**media["schema"], "components": CONTRACT["components"]}).validate(
                        media["example"]
                    )


def test_the_status_sums_up_extensions_and_says_what_is_wrong_with_outputs(client: httpx.Client) -> None:
    status = client.get("/status").json()
    [yard] = status["pipelines"]
    assert (yard["asked"], yard["answered"], yard["failed"], yard["waitMs"]) == (5, 4, 1, 100)
    assert yard["at"] == "2026-01-02T03:04:05.678Z"
    assert [output["fault"] for output in status["outputs"]] == ["", "It is away."]


def test_it_is_healthy_only_while_all_pipelines_play(client: httpx.Client, seen: list[PipelineState]) -> None:
    seen[0].phase = "connecting"
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "waiting", "waiting": ["yard"]})
    check(answer)


def test_the_page_shows_names_as_text_and_an_empty_player_too(client: httpx.Client, seen: list[PipelineState]) -> None:
    assert "rtsp://camera.example/&lt;one&gt;" in client.get("/").text
    seen.clear()
    assert "None." in client.get("/").text


def test_metrics_have_a_line_for_each_pipeline_and_output(client: httpx.Client) -> None:
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    asked = families["framehook_player_extension_requests"].samples
    assert [(sample.labels, sample.value) for sample in asked] == [({"pipeline": "yard"}, 5)]
    waiting = {sample.labels["output"]: sample.value for sample in families["framehook_player_events_waiting"].samples}
    assert waiting == {"-": 0, "mqtt://broker.example": 2}


def test_every_metric_is_on_the_page_about_the_player(client: httpx.Client) -> None:
    page = (Path(__file__).parents[3] / "docs" / "player.md").read_text()
    names = {
        sample.name
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("framehook_player_")
    }
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_dashboard_asks_for_metrics_that_are_served(client: httpx.Client) -> None:
    dashboard = (Path(__file__).parents[3] / "deploy" / "grafana" / "player.json").read_text()
    served = {
        sample.name
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }
    asked = set(re.findall(r"framehook_\w+", "".join(texts_of(json.loads(dashboard)))))
    assert len(asked) > 8
    assert asked <= served


def texts_of(node: Any) -> Iterator[str]:
    """Yield every query of a dashboard."""
    if isinstance(node, dict):
        yield from (node[key] for key in ("expr", "query") if isinstance(node.get(key), str))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from texts_of(child)


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PlayerError, match=rf"^The status cannot be served on 127\.0\.0\.1:{port}: Address already"):
            StatusServer("127.0.0.1", port, Watched(list, list))


def test_a_listener_on_all_addresses_takes_every_name() -> None:
    with closing(StatusServer("0.0.0.0", 0, Watched(list, list))) as server:
        url = f"http://127.0.0.1:{server.port}/status"
        answer = httpx.get(url, headers={"Host": "player.example"}, timeout=PATIENCE_S)
    assert json.loads(answer.text) == {"pipelines": [], "outputs": []}


@pytest.mark.parametrize("host", ["[::1]", "localhost", "LocalHost", "[::1]:80"])
def test_a_listener_on_an_address_of_ipv6_takes_its_name(host: str) -> None:
    with closing(StatusServer("::1", 0, Watched(list, list))) as server:
        url = f"http://[::1]:{server.port}/status"
        assert httpx.get(url, headers={"Host": host}, timeout=PATIENCE_S).status_code == 200
        assert httpx.get(url, headers={"Host": "[::2]"}, timeout=PATIENCE_S).status_code == 400


def test_clients_that_say_nothing_or_go_on_for_ever_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_answered() -> bool:
        with suppress(httpx.TransportError):  # a slow machine may take longer than the longest time, too
            return httpx.get(f"http://127.0.0.1:{server.port}/health").status_code == 200
        return False

    monkeypatch.setattr(status, "LONGEST_S", 0.5)
    with closing(StatusServer("127.0.0.1", 0, Watched(list, list))) as server, ExitStack() as stack:
        for number in range(status.MAX_CONNECTIONS):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            with suppress(ConnectionError):
                idle.sendall(b"GET /health HTTP/1.1\r\nX-Begun" if number % 2 else b"")
        wait_for(is_answered)
