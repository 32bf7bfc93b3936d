"""Every example of the contract is true: each response example is provoked, each parameter example is sent."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lab.graphs import write_identity_model
from lab.pictures import street_as
from tests.contract.builders import (
    ON_ABANDONED_SERVICE,
    ON_CHAINED_SERVICE,
    ON_DEFAULT_MODEL,
    ON_DRAINING_SERVICE,
    ON_ENCODING_SERVICE,
    ON_GUARDED_SERVICE,
    ON_IMPATIENT_SERVICE,
    ON_ISOLATED_SERVICE,
    ON_POSING_SERVICE,
    ON_READING_SERVICE,
    ON_SMALL_SERVICE,
    ON_STARTING_SERVICE,
    Target,
)
from tests.support.client import CONTRACT, OPERATIONS, check_schema, parse, resolve
from tests.support.credentials import AUTHORIZED, RELOADABLE
from tests.support.models.chains import write_plates, write_things
from tests.support.models.layouts import LAYOUTS, PERSON, Layout, centred, write_layout
from tests.support.models.matching import assert_matches, flat
from tests.support.models.pages import write_reader
from tests.support.server import LiveServer, running, serving

VARYING = {"inferenceMs", "processMs", "framesAnswered", "requestDurations", "servedVersion", "refusals"} | {
    "framesPerSecond",
    "lastFrameAt",
    "silentForS",
    "frames",
    "at",
    "presentForS",
}
"""Members whose values differ from request to request."""
NO_EXAMPLES: dict[str, dict[str, dict[str, Any]]] = {
    "post": {"nothingFound": {}},
    "delete": {"settingsRemoved": {}},
    "forget_stream": {"delete": {"streamForgotten": {}}},
    "get_console_file": {"image/jpeg": {"samplePhoto": {}}},
    "image/jpeg": {"annotatedJpeg": {}},
    "image/png": {"annotatedPng": {}},
    "multipart/x-mixed-replace": {"movingPicture": {}},
}
"""Media type, or method where there is no content, → name: the contract has no place for an example there. An operation
may have its own."""

ON_SMALL_SERVICES = (
    ON_SMALL_SERVICE.keys()
    | ON_IMPATIENT_SERVICE.keys()
    | ON_ISOLATED_SERVICE.keys()
    | ON_STARTING_SERVICE.keys()
    | ON_DRAINING_SERVICE.keys()
)


@dataclass(frozen=True, slots=True)
class Example:
    """One example of one response of one operation."""

    method: str
    path: str
    status: int
    name: str
    media_type: str
    value: Any


def response_examples() -> Iterator[Any]:
    """Yield a pytest parameter for each example of each response of each operation."""
    for method, path, operation in OPERATIONS:
        for example in examples_of(method, path, operation):
            if "x-model" in operation and example.name in ON_SMALL_SERVICES:
                continue  # their models are built in; these answers are those of the other operations
            yield pytest.param(example, id=f"{method} {path} {example.status} {example.name}")


def examples_of(method: str, path: str, operation: dict[str, Any]) -> list[Example]:
    contents = [
        (int(status), media_type, described)
        for status, reference in operation["responses"].items()
        for media_type, described in resolve(reference).get("content", {"": {}}).items()
    ]
    without = NO_EXAMPLES | NO_EXAMPLES.get(operation["operationId"], {})
    return [
        Example(method, path, status, name, media_type, example.get("value"))
        for status, media_type, described in contents
        for name, example in (described.get("examples") or without[media_type or method]).items()
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    limits = {"max_body_bytes": 100_000, "max_bytes_in_flight": 150_000, "max_pixels": 500_000, "receive_timeout_s": 1}
    limits["max_viewers"] = 2
    with serving(folder, lanes=1, queue_size=1, queue_timeout_s=20, **limits, **RELOADABLE) as live:
        yield live


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=1, queue_timeout_s=0.5, run_timeout_s=1) as live:
        yield live


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=1, isolation="process", queue_timeout_s=20) as live:
        yield live


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_reader(tmp_path_factory.mktemp("repository"), language="en")
    with serving(folder, lanes=1, queue_timeout_s=20) as live:
        yield live


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    repository = tmp_path_factory.mktemp("repository")
    write_things(repository)
    write_plates(repository)
    served: dict[str, Any] = {"model_repository": repository, "default_model": "things", "models": "things,plates"}
    with running(lanes=1, run_timeout_s=60, **served) as live:
        yield live


@pytest.fixture(scope="module")
def posing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    column = [*centred(PERSON), 0.9, 220, 30, 0.5, 220, 110, 0.25]
    layout = Layout(
        {"name": "yolov8", "task": "pose"},
        lambda: {"output0": np.array([[*zip(column, *[[0] * len(column)] * 11, strict=True)]], np.float32)},
        labels=("person",),
        given={"resize": "stretch"},
    )
    with serving(write_layout(tmp_path_factory.mktemp("repository") / "pose", layout)) as live:
        yield live


@pytest.fixture(scope="module")
def encoding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(write_layout(tmp_path_factory.mktemp("repository") / "encoder", LAYOUTS["an encoder"])) as live:
        yield live


@pytest.fixture(scope="module")
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    (folder / "model.onnx").write_bytes(b"not a model")
    with running(model_repository=folder.parent, default_model=folder.name, wait_until_ready=False) as live:
        yield live


@pytest.fixture(scope="module")
def abandoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    other = write_identity_model(folder.parent, "other")
    with serving(folder, watch_models=False, **RELOADABLE) as live:
        folder.rename(other.parent / ".gone")
        (other.parent / "arriving").mkdir()
        (other.parent / "arriving" / "model.yaml").write_text("weights: {file: model.onnx}\n")
        for name in ("arriving", folder.name):
            assert live.client.post(f"/models/{name}/reload", headers=AUTHORIZED).status_code == 422
        yield live


@pytest.fixture(scope="module")
def draining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, drain_delay_s=600) as live:
        live.terminate()
        yield live


BUILDERS = {
    "server": ON_DEFAULT_MODEL,
    "small": ON_SMALL_SERVICE,
    "impatient": ON_IMPATIENT_SERVICE,
    "isolated": ON_ISOLATED_SERVICE,
    "reading": ON_READING_SERVICE,
    "chained": ON_CHAINED_SERVICE,
    "posing": ON_POSING_SERVICE,
    "encoding": ON_ENCODING_SERVICE,
    "starting": ON_STARTING_SERVICE,
    "guarded": ON_GUARDED_SERVICE,
    "abandoned": ON_ABANDONED_SERVICE,
    "draining": ON_DRAINING_SERVICE,
}
"""Fixture → builders for that service, by the name of the example."""


@pytest.mark.parametrize("example", list(response_examples()))
def test_a_response_example_is_provoked(request: pytest.FixtureRequest, example: Example) -> None:
    fixture, builder = next(
        (fixture, builders[example.name]) for fixture, builders in BUILDERS.items() if example.name in builders
    )
    live: LiveServer = request.getfixturevalue(fixture)
    answer = builder(live, Target.of(example.method, example.path.replace("{model}", live.model)))
    assert answer.status_code == example.status
    assert answer.headers.get("content-type", "").partition(";")[0] == example.media_type
    if example.media_type == "application/problem+json":
        assert answer.json() == example.value
    elif example.value is not None:
        COMPARISONS.get(example.name, assert_resembles)(parse(answer), example.value)


def assert_matches_boxes(got: dict[str, Any], example: dict[str, Any]) -> None:
    """Assert that the same labels were found, at nearly the same positions."""
    assert_matches(got, flat(example))


def assert_reads(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Assert that the same text was read, with the same references, at nearly the same positions."""
    got, example = answer["inferences"], expected["inferences"]
    assert [inference for inference in got if inference["type"] == "text"] == example[1::2]
    assert [inference["inferenceId"] for inference in got[::2]] == [place["inferenceId"] for place in example[::2]]
    assert_matches({"inferences": got[::2]}, flat({"inferences": example[::2]}))


def assert_nearly(got: Any, example: Any) -> None:
    """Assert that an example is part of the answer, its numbers nearly so."""
    if isinstance(example, dict):
        for name in set(example) - VARYING:
            assert_nearly(got[name], example[name])
    elif isinstance(example, list):
        for item, value in zip(got, example, strict=False):
            assert_nearly(item, value)
        assert len(got) >= len(example)
    elif isinstance(example, float):
        assert got == pytest.approx(example, abs=0.02)
    else:
        assert got == example


def assert_crosses(got: dict[str, Any], example: dict[str, Any]) -> None:
    """Assert that the same has happened; identifiers differ, but must be the same ones in the same places."""

    def renamed(document: dict[str, Any]) -> Any:
        numbers: dict[str, int] = {}
        text = re.sub(
            r"\b[0-9a-f]{32}\b", lambda found: str(numbers.setdefault(found[0], len(numbers))), json.dumps(document)
        )
        return json.loads(text)

    assert_nearly(renamed(got), renamed(example))


def assert_lists(got: dict[str, Any], example: dict[str, Any]) -> None:
    """Assert that the streams are among the live ones; rates and times are not compared."""
    steady = ("id", "model", "size")
    facts = [{name: stream[name] for name in steady} for stream in got["streams"]]
    assert all({name: stream[name] for name in steady} in facts for stream in example["streams"])


def assert_resembles(got: Any, example: Any) -> None:
    """Assert that an example equals the answer, except that lists, objects and texts may be shortened."""
    if isinstance(example, dict):
        assert set(example) <= set(got)
        for name in set(example) - VARYING:
            assert_resembles(got[name], example[name])
    elif isinstance(example, list):
        for item, value in zip(got, example, strict=False):
            assert_resembles(item, value)
        assert len(got) >= len(example)
    elif isinstance(example, str) and "\n" in example:
        assert set(example.splitlines()) <= set(got.splitlines())
    else:
        assert got == example


def assert_status(got: dict[str, Any], example: dict[str, Any]) -> None:
    """Assert that the status resembles the example, whatever other models have answered frames."""
    assert {load["name"] for load in example["models"]} <= {load["name"] for load in got["models"]}
    assert_resembles(got, {**example, "models": []})


def assert_refuses(got: dict[str, Any], example: dict[str, Any]) -> None:
    """Assert that the last refusal is the example's; times and counters are not compared."""
    [expected], newest = example["refusals"], got["refusals"][0]
    assert newest["count"] >= expected["count"]
    steady = ("status", "problem", "detail", "path", "stream")
    assert [newest[name] for name in steady] == [expected[name] for name in steady]


COMPARISONS: dict[str, Callable[[Any, Any], None]] = {
    "street": assert_matches_boxes,
    "turned": assert_matches_boxes,
    "cup": assert_matches_boxes,
    "text": assert_reads,
    "chainedClass": assert_nearly,
    "chainedText": assert_nearly,
    "plates": assert_nearly,
    "crossing": assert_crosses,
    "streamState": assert_crosses,
    "streamList": assert_lists,
    "status": assert_status,
    "refusedFrames": assert_refuses,
}
"""Example → comparison, where the figures differ a little every time."""


def test_no_builder_is_left_over() -> None:
    names = {parameters.values[0].name for parameters in response_examples()}
    assert names == {name for builders in BUILDERS.values() for name in builders}


@pytest.mark.parametrize("name", ["confidence", "object", "maxDetections", "exif", "stream", "streamId"])
def test_a_parameter_example_is_sent(server: LiveServer, name: str) -> None:
    parameter = CONTRACT["components"]["parameters"][name]
    example = example_of(parameter)
    check_schema(example, parameter["schema"])
    for path in ("/inference", f"/inference/{server.model}", "/score"):
        answer = server.client.post(path, content=street_as("JPEG"), params={name: example})
        assert answer.status_code == 200


def example_of(parameter: dict[str, Any]) -> Any:
    """Return the example of a parameter. A list has it at its entries, or the web page would fill in a filter."""
    return parameter["example"] if "example" in parameter else [parameter["schema"]["items"]["example"]]


def test_every_parameter_has_an_example() -> None:
    assert all(example_of(parameter) for parameter in CONTRACT["components"]["parameters"].values())


def test_the_example_model_is_served(server: LiveServer) -> None:
    assert CONTRACT["components"]["parameters"]["model"]["example"] == server.model
