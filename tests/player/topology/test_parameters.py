"""Parameters are declared, given, and put in the places of `${name}`; secrets are never shown."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.errors import TopologyError
from player.topology.document import parse
from player.topology.nodes import FileSink, HttpExtension, IotHubMessageSink
from player.topology.parameters import MAX_VALUE_LENGTH, Filling
from tests.player.topology.documents import (
    camera,
    detecting,
    detector,
    files,
    gate,
    hub,
    load,
    login,
    motion,
    parameter,
    read,
    topology,
)

SECRET = "heron-77"


def with_output(text: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a topology whose sink has a text with parameters in it."""
    return topology(camera(), detector(), hub(hubOutputName=text), parameters=parameters)


def output(folder: Path, text: str, parameters: Any = (), **values: str) -> str:
    sink = read(folder, with_output(text, *parameters), values).sinks[0]
    assert isinstance(sink, IotHubMessageSink)
    return sink.hub_output_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${room}", "kitchen"),
        ("a-${room}-${Floor}-${room}b", "a-kitchen-2-kitchenb"),
        ("$room {room} $", "$room {room} $"),
        ("$${ROOM}}", "$kitchen}"),
        ("${System.TopologyName}/${System.PipelineName}", "garden/door"),
        ("${System.GraphTopologyName}/${system.graphinstancename}", "garden/door"),
    ],
    ids=["all", "several", "none", "dollar", "ava", "lva"],
)
def test_references_are_filled(tmp_path: Path, text: str, expected: str) -> None:
    declared = [parameter("room"), parameter("floor", default="2")]
    document = with_output(text, *declared, parameter("unused", default=""))
    loaded = load(tmp_path, document, {"Room": "kitchen"}).topology.sinks[0]
    assert isinstance(loaded, IotHubMessageSink)
    assert loaded.hub_output_name == expected


def test_a_value_is_not_searched_again(tmp_path: Path) -> None:
    assert output(tmp_path, "${a}", [parameter("a")], a="${a} ${System.PipelineName} ${") == (
        "${a} ${System.PipelineName} ${"
    )


def test_numbers_come_from_parameters_in_both_dialects_of_defaults(tmp_path: Path) -> None:
    scale = {"mode": "${mode}", "width": "${side}", "height": "${side}"}
    options = {"maximumSamplesPerSecond": "${rate}", "skipSamplesWithoutAnnotation": "${skip}"}
    declared = [
        parameter("mode", "String", default="stretch"),
        parameter("side", "Int", default=416),
        parameter("rate", "DOUBLE", default=2.5),
        parameter("skip", "bool", default=False),
    ]
    asked = detector(image={"scale": scale}, samplingOptions=options)
    found = read(tmp_path, topology(camera(), asked, hub(), parameters=declared), {"rate": " 5e0 "}).processors[0]
    assert isinstance(found, HttpExtension)
    assert found.image.scale is not None
    assert (found.image.scale.mode, found.image.scale.width) == ("stretch", 416)
    assert found.sampling_options.maximum_samples_per_second == 5
    assert not found.sampling_options.skip_samples_without_annotation


def test_the_time_stays_to_be_filled_in(tmp_path: Path) -> None:
    sink = files(fileNamePattern="${System.PipelineName}-${System.Runtime.DateTime}-${System.DateTime}")
    written = read(tmp_path, topology(camera(), motion(), gate(), sink)).sinks[0]
    assert isinstance(written, FileSink)
    assert written.file_name_pattern == "door-${System.DateTime}-${System.DateTime}"


def test_a_name_that_holds_a_reference_is_text(tmp_path: Path) -> None:
    document = with_output("${System.TopologyName}")
    document["name"] = "${b}"
    sink = read(tmp_path, document).sinks[0]
    assert isinstance(sink, IotHubMessageSink)
    assert sink.hub_output_name == "${b}"


PATTERN = "it is empty, too long, or has characters that are not possible here"
WRONG: dict[str, tuple[Any, dict[str, str], str]] = {
    "missing": (
        with_output("${a}${b}${a}", parameter("a"), parameter("b")),
        {},
        "a and b have no value; give --set a=VALUE --set b=VALUE.",
    ),
    "one missing": (with_output("${A}", parameter("a")), {}, "a has no value; give --set a=VALUE."),
    "not declared": (
        with_output("${rtspUlr}", parameter("rtspUrl", default="x")),
        {},
        "line 46, column 5: it declares no parameter rtspUlr. Did you mean rtspUrl?",
    ),
    "system": (
        with_output("${System.DateTim}"),
        {},
        "line 40, column 5: there is no system variable System.DateTim. Did you mean System.DateTime?",
    ),
    "does not end": (with_output("a ${b"), {}, "line 40, column 5: expected a name and } after ${."),
    "no name": (with_output("${}"), {}, "line 40, column 5: expected a name and } after ${."),
    "unknown value": (
        with_output("a", parameter("rtspUrl", default="x")),
        {"rtspURI": SECRET},
        "it declares no parameter rtspURI. Did you mean rtspUrl?",
    ),
    "other value": (
        with_output("a", parameter("a", default="x"), parameter("b", default="x")),
        {"labels": SECRET},
        "it declares no parameter labels. It declares a, b.",
    ),
    "no parameters": (detecting(), {"labels": SECRET}, "it declares no parameter labels. It declares none."),
    "int": (with_output("${a}", parameter("a", "int")), {"a": SECRET}, "--set a=...: expected a whole number."),
    "int with a point": (
        with_output("${a}", parameter("a", "int")),
        {"a": "2.0"},
        "--set a=...: expected a whole number.",
    ),
    "double": (with_output("${a}", parameter("a", "double")), {"a": "nan"}, "--set a=...: expected a number."),
    "double in words": (
        with_output("${a}", parameter("a", "double")),
        {"a": "two"},
        "--set a=...: expected a number.",
    ),
    "bool": (with_output("${a}", parameter("a", "bool")), {"a": "1"}, "--set a=...: expected true or false."),
    "long": (
        with_output("${a}", parameter("a")),
        {"a": "x" * (MAX_VALUE_LENGTH + 1)},
        "a: expected a value of at most 65536 characters.",
    ),
    "default": (
        with_output("${a}", parameter("a", "int", default="x")),
        {},
        "line 6, column 4: the default of the parameter a is no int.",
    ),
    "twice": (
        with_output("${a}", parameter("a"), parameter("A")),
        {},
        "line 10, column 4: the parameter A is declared twice.",
    ),
    "type": (
        with_output("a", parameter("a", "text")),
        {},
        "line 8, column 5: parameters: type: expected 'string', 'secretString', 'int', 'double' or 'bool'.",
    ),
    "taken": (
        with_output("a", parameter("System.Name")),
        {},
        "line 7, column 5: parameters: name: names that begin with System. are taken.",
    ),
    "no list": (
        topology(camera()) | {"properties": {"parameters": {"a": "b"}, "sources": []}},
        {},
        "line 5, column 3: properties: parameters: expected a list.",
    ),
    "no list at all": (
        topology(camera()) | {"properties": {"parameters": "a", "sources": []}},
        {},
        "line 5, column 3: properties: parameters: expected a list.",
    ),
    "empty name": (with_output("a", parameter("")), {}, f"line 7, column 5: parameters: name: {PATTERN}."),
    "no objects": (
        with_output("a") | {"properties": {"parameters": ["a"], "sources": []}},
        {},
        "line 4, column 16: parameters: expected a list of objects.",
    ),
    "from a parameter": (
        topology(camera(), detector(timeout="${a}"), hub(), parameters=[parameter("a"), parameter("b", default="")]),
        {"a": SECRET},
        "line 35, column 5: detector: timeout: expected a duration such as PT30S (it is made of ${a}).",
    ),
    "from two": (
        topology(
            camera(), detector(timeout="${b}${a}"), hub(), parameters=[parameter("a"), parameter("b", default="")]
        ),
        {"a": SECRET},
        "line 35, column 5: detector: timeout: expected a duration such as PT30S (it is made of ${b} and ${a}).",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_refused(tmp_path: Path, name: str) -> None:
    document, values, message = WRONG[name]
    with pytest.raises(TopologyError) as refused:
        load(tmp_path, document, values)
    assert str(refused.value) == f"{tmp_path / 'topology.json'}: {message}"
    assert SECRET not in str(refused.value)


def test_what_is_declared_and_not_used_is_noted(tmp_path: Path) -> None:
    document = with_output("a", parameter("assetName"), parameter("b", default="x"))
    assert load(tmp_path, document, {"b": "y"}).warnings == (
        "the parameter assetName is not used.",
        "the parameter b is not used.",
    )


def test_secrets_are_in_no_message_and_no_repr(tmp_path: Path) -> None:
    declared = [parameter("word", "secretString"), parameter("other", default=SECRET)]
    asked = detector(
        endpoint={"@type": "UnsecuredEndpoint", "url": "http://a/${word}", "credentials": login("ann", "${other}")}
    )
    document = topology(camera(credentials=login("ann", "${word}")), asked, hub(), parameters=declared)
    found = read(tmp_path, document, {"word": SECRET})
    credentials = found.camera.endpoint.credentials
    assert credentials is not None
    assert SECRET not in repr(found) + str(found) + str(found.camera) + repr(credentials)
    assert SECRET not in repr(Filling({"a": SECRET}))


def test_a_secret_in_the_open_is_noted(tmp_path: Path) -> None:
    document = with_output("${word}", parameter("word", "secretString"))
    assert load(tmp_path, document, {"word": SECRET}).warnings == (
        "line 45, column 5: hubOutputName shows the secret parameter word.",
    )


def test_values_do_not_make_a_topology_huge(tmp_path: Path) -> None:
    document = with_output("${a}" * 1000, parameter("a"))
    begin = time.thread_time()
    with pytest.raises(TopologyError, match=r": its values make it longer than 4194304 characters\.$"):
        load(tmp_path, document, {"a": "x" * MAX_VALUE_LENGTH})
    assert time.thread_time() - begin < 5


NAMES = st.sampled_from(["a", "b", "Long.name-1"])


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_characters="${}", exclude_categories=["Cs"])), NAMES), max_size=8),
    st.fixed_dictionaries({name: st.text() for name in ("a", "b", "long.name-1")}),
)
def test_filling_puts_values_between_what_is_there(parts: list[tuple[str, str]], values: dict[str, str]) -> None:
    text = "".join(f"{before}${{{name}}}" for before, name in parts)
    expected = "".join(before + values[name.lower()] for before, name in parts)
    section = parse('{"key": [0, {"deep": ""}]}')
    section["key"][1]["deep"] = text
    filled = Filling(values).fill(section)
    assert filled == {"key": [0, {"deep": expected}]}
    assert (filled.place, filled["key"][1].places) == (section.place, section["key"][1].places)
    assert section["key"][1]["deep"] == text, "what is filled is a copy"
