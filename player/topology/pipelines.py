"""A list of pipelines in YAML: which topologies run on which cameras.

All values are text, as they are written: `on`, `1:30` and `0.10` mean nothing else here. The time to read a list is
bounded.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import yaml
from pydantic import AfterValidator, Field

from player.errors import TopologyError
from player.topology.document import Place, Placed, fault, read_bytes, shown
from player.topology.reading import READY, file_named
from player.topology.sections.keys import Keyed

MAX_BYTES = 256 << 10
MAX_DEPTH = 8
MAX_VALUES = 10_000
MAX_PIPELINES = 64
MAX_EVENTS = 16

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
"""What a message of PyYAML quotes from the text, which may be secret, or a mark of punctuation."""


def _is_name(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", name):
        raise ValueError("expected 1 to 64 letters, digits, dots, _ and -")
    return name


PipelineName: TypeAlias = Annotated[str, AfterValidator(_is_name)]
Value: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096)]
Events: TypeAlias = Annotated[tuple[Value, ...], Field(max_length=MAX_EVENTS)]


class PipelineEntry(Keyed):
    """One pipeline. `set`: values of the topology's parameters. `events`: where they go; None: as the list says."""

    name: PipelineName
    topology: Value
    source: Annotated[Value | None, Field(repr=False)] = None
    set: Annotated[dict[str, str], Field(default_factory=dict, repr=False)]
    events: Annotated[Events | None, Field(repr=False)] = None


def _named_once(entries: tuple[PipelineEntry, ...]) -> tuple[PipelineEntry, ...]:
    names: set[str] = set()
    for entry in entries:
        if entry.name.lower() in names:
            raise ValueError(f"the name {entry.name} is there twice; expected a name of its own for each")
        names.add(entry.name.lower())
    return entries


class PipelineList(Keyed):
    """Pipelines that run together. `events`: where theirs go. `clips`: the folder of their clips; None: as they say."""

    events: Annotated[Events, Field(repr=False)] = ()
    clips: Value | None = None
    pipelines: Annotated[
        tuple[PipelineEntry, ...], Field(min_length=1, max_length=MAX_PIPELINES), AfterValidator(_named_once)
    ]


def read_pipelines(path: Path) -> PipelineList:
    """Return what a list says; raises TopologyError, with the place, also for keys that are not known.

    Paths of topologies, of sources and outputs that are files, and of the folder of clips are relative to its folder.
    """
    with file_named(path):
        return _relative_to(path.parent, _checked(_composed(_text(path))))


def _checked(section: Placed) -> PipelineList:
    """Return what a section says; a key that is not known is refused, and explains what is missing."""
    notes: list[str] = []
    try:
        listed = PipelineList.checked(section, "", notes)
    except TopologyError:
        if not notes:
            raise
    if notes:
        raise TopologyError(notes[0].replace(", and has no effect", "")) from None
    return listed


def _relative_to(folder: Path, listed: PipelineList) -> PipelineList:
    entries = tuple(
        entry.model_copy(
            update={
                "topology": entry.topology if entry.topology in READY else str(folder / entry.topology),
                "source": entry.source if entry.source is None or "://" in entry.source else str(folder / entry.source),
                "events": None if entry.events is None else _outputs(entry.events, folder),
            }
        )
        for entry in listed.pipelines
    )
    clips = None if listed.clips is None else str(folder / listed.clips)
    return listed.model_copy(update={"pipelines": entries, "clips": clips, "events": _outputs(listed.events, folder)})


def _outputs(texts: Events, folder: Path) -> Events:
    return tuple(text if text == "-" or "://" in text else str(folder / text) for text in texts)


def _text(path: Path) -> str:
    try:
        return read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TopologyError("expected text in UTF-8.") from None


def _composed(text: str) -> Placed:
    """Return the section that a text of YAML is, with places."""
    try:
        _refuse_expensive(yaml.parse(text, Loader=yaml.BaseLoader))
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        problem = _QUOTED.sub(_unless_long, error.problem or "it cannot be read")
        raise fault(_place(error.problem_mark), f"this is not YAML: {problem}.") from None
    except yaml.YAMLError:
        raise TopologyError("this is not YAML: it has characters that YAML does not allow.") from None
    value = None if node is None else _plain(node)
    if not isinstance(value, Placed):
        raise TopologyError("line 1, column 1: expected a section with the key pipelines.")
    return value


def _unless_long(quoted: re.Match[str]) -> str:
    """Return a mark of punctuation as it is quoted, dots for anything longer."""
    return quoted[0] if len(quoted[0]) == len("':'") else "..."


def _refuse_expensive(events: Iterator[yaml.Event]) -> None:
    """Raise TopologyError for a text that would be expensive to read: reading sections is recursive, events are not."""
    depth = 0
    for number, event in enumerate(events):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise fault(_place(event.start_mark), f"expected no more than {MAX_DEPTH} sections inside each other.")
        if number > MAX_VALUES:
            raise fault(_place(event.start_mark), f"expected no more than {MAX_VALUES} values.")
        if isinstance(event, yaml.AliasEvent):
            raise fault(_place(event.start_mark), "expected no aliases (*name).")


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _plain(node: yaml.Node) -> Any:
    """Return what a node of YAML is, as plain data with places."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    section = Placed(_place(node.start_mark))
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key, place = key_node.value, _place(key_node.start_mark)
        if not isinstance(key, str):
            raise fault(place, "expected a word as key.")
        if key.casefold() in seen:
            raise fault(place, f"the key {shown(key)} is there twice.")
        seen.add(key.casefold())
        section.places[key], section[key] = place, _plain(value_node)
    return section
