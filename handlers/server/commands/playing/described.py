"""What the options of `framehook play` ask for: which pipelines, and where their events go."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from player.errors import TopologyError
from player.running.player import PipelineSpec
from player.topology.drawing import mermaid
from player.topology.pipelines import read_pipelines
from player.topology.reading import read_topology
from player.topology.report import report

LISTS = {".yaml", ".yml"}
"""The endings of lists of pipelines."""
STANDARD_OUTPUT = ("-",)


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """A pipeline as it was asked for, its topology not read yet."""

    name: str
    topology: str
    source: str | None
    values: Mapping[str, str]
    outputs: tuple[str, ...]


def described(options: argparse.Namespace) -> tuple[tuple[PipelineRequest, ...], Path | None]:
    """Return the pipelines that are asked for, and the folder of their clips. Raises TopologyError."""
    path = Path(options.topology)
    outputs = tuple(options.to or ())
    if path.suffix.lower() not in LISTS:
        name = _printable(options.name or path.stem)
        return (PipelineRequest(name, options.topology, options.source, _values(options), outputs),), options.clips
    if options.source or options.set or options.name:
        raise TopologyError("--source, --set and --name are for one pipeline; a list has them for each.")
    listed = read_pipelines(path)
    pipelines = tuple(
        PipelineRequest(entry.name, entry.topology, entry.source, entry.set, outputs or entry.events or listed.events)
        for entry in listed.pipelines
    )
    return pipelines, options.clips or (Path(listed.clips) if listed.clips else None)


def wanted(pipelines: tuple[PipelineRequest, ...]) -> tuple[tuple[PipelineSpec, ...], tuple[str, ...]]:
    """Return the pipelines with their topologies, and what is odd about them. Raises TopologyError."""
    found, warnings = [], []
    for each in pipelines:
        loaded = read_topology(each.topology, each.values, source=each.source, pipeline=each.name)
        found.append(PipelineSpec(each.name, loaded.topology, each.outputs or STANDARD_OUTPUT))
        warnings += [f"{each.name}: {warning}" for warning in loaded.warnings]
    return tuple(found), tuple(warnings)


def check(pipelines: tuple[PipelineRequest, ...]) -> bool:
    """Print what would run; return whether all of it can. Raises TopologyError for what cannot be read."""
    reports = [report(each.topology, each.values, source=each.source, pipeline=each.name) for each in pipelines]
    print("\n\n".join("\n".join(each.lines) for each in reports))
    return all(each.is_fine for each in reports)


def draw(pipelines: tuple[PipelineRequest, ...]) -> None:
    """Print each topology as a flowchart. Raises TopologyError."""
    for each in wanted(pipelines)[0]:
        print(mermaid(each.topology))


def _printable(name: str) -> str:
    """Return a name that terminals, pages and topics show as it is."""
    return "".join(letter if letter.isprintable() else "-" for letter in name)


def _values(options: argparse.Namespace) -> dict[str, str]:
    return dict(_assignments(options.set))


def _assignments(texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise TopologyError(f"--set takes NAME=VALUE, not {name[:60]!r}.")
        yield name, value
