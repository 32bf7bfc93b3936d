"""What a topology is, in lines of text: its nodes, its parameters, and what is odd about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from player.errors import MissingValueError, TopologyError
from player.topology.document import Placed, shown
from player.topology.draft import Draft, name_of, read_draft, type_of
from player.topology.parameters import Parameter
from player.topology.reading import complete, file_named, path_of

DIALECTS = {"lva": "Live Video Analytics", "ava": "Azure Video Analyzer"}

MAX_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class Report:
    """Lines about a topology; `is_fine`: it can run with these values."""

    lines: tuple[str, ...]
    is_fine: bool


def report(name: str | Path, values: Mapping[str, str], *, source: str | None = None, pipeline: str) -> Report:
    """Return what a topology is, also of one whose parameters have no values. Arguments as of `read_topology`.

    Raises TopologyError for a file that cannot be read at all.
    """
    notes: list[str] = []
    with file_named(name):
        draft = read_draft(path_of(name), notes)
        left = _with_source(draft, source)
        lines = [*_heading(draft), *_nodes(draft), *_parameters(draft, left, values)]
        try:
            warnings = complete(draft, values, source, pipeline, notes).warnings
        except MissingValueError as error:
            return Report((*lines, f"to run it: {error}"), is_fine=True)
        except TopologyError as error:
            return Report((*lines, f"error: {error}"), is_fine=False)
    return Report((*lines, *(f"warning: {warning}" for warning in warnings)), is_fine=True)


def _heading(draft: Draft) -> Iterator[str]:
    description = f": {shown(draft.description, MAX_DESCRIPTION)}" if draft.description else ""
    yield f"{shown(draft.name)} ({DIALECTS[draft.dialect]}){description}"


def _nodes(draft: Draft) -> Iterator[str]:
    yield "nodes:"
    for sections in draft.nodes.values():
        for section in sections:
            names = ", ".join(_inputs(section.find("inputs")))
            yield f"  {type_of(section)} {name_of(section)}{' <- ' if names else ''}{names}"


def _inputs(sections: Any) -> Iterator[str]:
    """Yield the names of the nodes that inputs take from, as far as they have any."""
    for section in sections if isinstance(sections, list) else ():
        if isinstance(section, Placed):
            yield shown(str(section.find("nodeName")))


def _with_source(draft: Draft, source: str | None) -> Draft:
    """Return the draft with another camera; as it is if that is not possible, which is said elsewhere."""
    try:
        return draft if source is None else draft.with_source(source, ())
    except TopologyError:
        return draft


def _parameters(draft: Draft, left: Draft, values: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each parameter. `left`: the draft with the camera that was given apart."""
    if draft.parameters:
        yield "parameters:"
    used, needed = ({use.parameter.lower() for use in each.uses()} for each in (draft, left))
    given = {name.lower() for name in values}
    secrets = draft.secrets()
    for parameter in draft.parameters:
        name = parameter.name.lower()
        value = "given" if name in given else _default(parameter, is_secret=name in secrets)
        value = "replaced by the source" if name in used - needed else value
        unused = "" if name in used else ", not used"
        description = f". {shown(parameter.description, MAX_DESCRIPTION)}" if parameter.description else ""
        yield f"  {shown(parameter.name)} ({parameter.type}): {value}{unused}{description}"


def _default(parameter: Parameter, *, is_secret: bool) -> str:
    """Return what is known of a parameter's default; it is not shown if it may hold a password or a key."""
    if parameter.default is None:
        return "needs a value"
    if is_secret or "@" in parameter.default or "?" in parameter.default:
        return "has a default"
    return f'default "{shown(parameter.default)}"'
