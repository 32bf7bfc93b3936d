"""A list of pipelines is plain YAML, whose faults are placed."""

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.errors import TopologyError
from player.topology.pipelines import MAX_BYTES, read_pipelines

SECRET = "heron-77"
LIST = f"""\
# Two cameras
events: [stdout, mqtt://ann:{SECRET}@broker/home]
clips: recorded
pipelines:
- name: door
  topology: record-on-detection
  source: rtsp://ann:{SECRET}@door.example/stream
  set:
    labels: person,car
    minimumConfidence: 0.70
    rtspPassword: {SECRET}
    clips: no
- name: Yard-2
  topology: own/yard.json
  source: videos/yard.avi
  events: [yard.jsonl]
- Name: gate
  topology: /srv/gate.json
"""
ENTRY = "- {name: a, topology: detect}"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "cameras.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_list_is_read_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    found = read_pipelines(written(tmp_path, LIST))
    assert found.events == (str(tmp_path / "stdout"), f"mqtt://ann:{SECRET}@broker/home")
    assert found.clips == str(tmp_path / "recorded")
    door, yard, gate = found.pipelines
    assert (door.name, door.topology, door.events) == ("door", "record-on-detection", None)
    assert door.source == f"rtsp://ann:{SECRET}@door.example/stream"
    assert door.set == {"labels": "person,car", "minimumConfidence": "0.70", "rtspPassword": SECRET, "clips": "no"}
    assert (yard.topology, yard.source) == (str(tmp_path / "own" / "yard.json"), str(tmp_path / "videos" / "yard.avi"))
    assert (yard.events, yard.set) == ((str(tmp_path / "yard.jsonl"),), {})
    assert (gate.topology, gate.source) == ("/srv/gate.json", None)
    assert SECRET not in repr(found)


def test_a_short_list_has_defaults(tmp_path: Path) -> None:
    found = read_pipelines(written(tmp_path, f"\ufeffpipelines:\n{ENTRY}"))
    assert (found.events, found.clips, len(found.pipelines)) == ((), None, 1)


NAMED = "expected 1 to 64 letters, digits, dots, _ and -"
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "line 1, column 1: expected a section with the key pipelines."),
    "list": (ENTRY, "line 1, column 1: expected a section with the key pipelines."),
    "no pipelines": ("clips: a", "line 1, column 1: pipelines: it is missing."),
    "none": ("pipelines: []", "line 1, column 1: pipelines: expected at least 1."),
    "no list": ("pipelines: detect", "line 1, column 1: pipelines: expected a list."),
    "no section": ("pipelines: [detect]", "line 1, column 1: pipelines[0]: expected a section with keys."),
    "no name": ("pipelines:\n- topology: detect", "line 2, column 3: pipelines[0].name: it is missing."),
    "no topology": ("pipelines:\n- name: a", "line 2, column 3: pipelines[0].topology: it is missing."),
    "name": ("pipelines:\n- {name: a b, topology: detect}", f"line 2, column 4: pipelines[0].name: {NAMED}."),
    "long name": (
        f"pipelines:\n- {{topology: detect, name: {'a' * 65}}}",
        f"line 2, column 22: pipelines[0].name: {NAMED}.",
    ),
    "same name": (
        f"pipelines:\n{ENTRY}\n{ENTRY.replace('a,', 'A,')}",
        "line 1, column 1: pipelines: the name A is there twice; expected a name of its own for each.",
    ),
    "no source": (
        "pipelines:\n- {name: a, topology: detect,\n   source: }",
        "line 3, column 4: pipelines[0].source: it is empty.",
    ),
    "set": (
        "pipelines:\n- {name: a, topology: detect, set: [labels]}",
        "line 2, column 31: pipelines[0].set: expected a section with keys.",
    ),
    "set deep": (
        "pipelines:\n- {name: a, topology: detect, set: {labels: [person]}}",
        "line 2, column 37: pipelines[0].set.labels: expected text.",
    ),
    "events": (
        f"events: stdout\npipelines:\n{ENTRY}",
        "line 1, column 1: events: expected a list.",
    ),
    "key": (
        f"event: [stdout]\npipelines:\n{ENTRY}",
        "line 1, column 1: the key event is not known. Did you mean events?",
    ),
    "key above": ("pipeline: []", "line 1, column 1: the key pipeline is not known. Did you mean pipelines?"),
    "key of a pipeline": (
        "pipelines:\n- {name: a, topology: detect, sets: {}}",
        "line 2, column 31: the key sets is not known. Did you mean set?",
    ),
    "many": (
        "pipelines:\n" + "".join(f"- {{name: a{number}, topology: detect}}\n" for number in range(65)),
        "line 1, column 1: pipelines: expected at most 64.",
    ),
    "twice": (f"pipelines:\n{ENTRY}\nPipelines: []", "line 3, column 1: the key Pipelines is there twice."),
    "list as key": ("? [a]\n: b", "line 1, column 3: expected a word as key."),
    "not YAML": (
        f"pipelines: [{SECRET}\nclips: '{SECRET}",
        "line 2, column 6: this is not YAML: expected ',' or ']', but got ':'.",
    ),
    "tab": (
        "pipelines:\n\t- a",
        "line 2, column 1: this is not YAML: found character ... that cannot start any token.",
    ),
    "quote": (f"clips: '{SECRET}", "line 1, column 17: this is not YAML: found unexpected end of stream."),
    "anchor": (
        f"a: &{SECRET}! b",
        "line 1, column 13: this is not YAML: expected alphabetic or numeric character, but found '!'.",
    ),
    "tag": (f"a: !{SECRET}! b", "line 1, column 14: this is not YAML: expected URI, but found ' '."),
    "control": ("a: \x01", "this is not YAML: it has characters that YAML does not allow."),
    "two documents": (
        f"pipelines:\n{ENTRY}\n---\na: b",
        "line 3, column 1: this is not YAML: but found another document.",
    ),
    "alias": (f"a: &a {SECRET}\nb: *a", "line 2, column 4: expected no aliases (*name)."),
    "deep": (f"a: {'[' * 2000}", "line 1, column 11: expected no more than 8 sections inside each other."),
    "long": (f"a: [{'b,' * 20_000}]", "line 1, column 19997: expected no more than 10000 values."),
    "large": ("#" * (MAX_BYTES + 1), f"it is too large; expected at most {MAX_BYTES} bytes."),
    "bytes": (b"\xff", "expected text in UTF-8."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_list_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    begin = time.thread_time()
    with pytest.raises(TopologyError) as refused:
        read_pipelines(written(tmp_path, text))
    assert str(refused.value) == f"{tmp_path / 'cameras.yaml'}: {message}"
    assert SECRET not in str(refused.value)
    assert time.thread_time() - begin < 10


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"none\.yaml: it cannot be read: No such file or directory\.$"):
        read_pipelines(tmp_path / "none.yaml")


@given(st.text("apipelinesnametopology:-[]{},?&*!|>'\"#%@` \n\t\x01é", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    with contextlib.suppress(TopologyError):
        read_pipelines(path)
