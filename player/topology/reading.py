"""The front door: from the name of a topology, and values for its parameters, to what a pipeline runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from player.errors import TopologyError
from player.topology.advice import warnings_of
from player.topology.document import Placed, fault, shown
from player.topology.draft import SECRET_KEYS, SOURCE_REFERENCE, Draft, Group, name_of, read_draft, type_of
from player.topology.naming import system_values
from player.topology.nodes import (
    FileSink,
    FrameRateFilterProcessor,
    HttpExtension,
    IotHubMessageSink,
    IotHubMessageSource,
    LineCrossingProcessor,
    MotionDetectionProcessor,
    ObjectTrackingProcessor,
    Processor,
    RtspSource,
    SignalGateProcessor,
    Sink,
    Source,
    Topology,
    VideoSink,
)
from player.topology.parameters import Filling, chosen, require
from player.topology.rules import graph_of
from player.topology.sections.keys import Keyed, tail

READY = ("count-line", "detect", "record-on-detection")
"""Topologies of our own."""
_READY_FOLDER = Path(__file__).parent / "ready"

SOURCES: Mapping[str, type[Source]] = {"rtspsource": RtspSource, "iothubmessagesource": IotHubMessageSource}
PROCESSORS: Mapping[str, type[Processor]] = {
    "motiondetectionprocessor": MotionDetectionProcessor,
    "frameratefilterprocessor": FrameRateFilterProcessor,
    "httpextension": HttpExtension,
    "signalgateprocessor": SignalGateProcessor,
    "objecttrackingprocessor": ObjectTrackingProcessor,
    "linecrossingprocessor": LineCrossingProcessor,
}
SINKS: Mapping[str, type[Sink]] = {
    "iothubmessagesink": IotHubMessageSink,
    "filesink": FileSink,
    "videosink": VideoSink,
    "assetsink": VideoSink,
}
_SPATIAL = "needs Microsoft's container for spatial analysis, which is closed and can no longer be used"
_CLOUD = "belongs to pipelines in the cloud, which never ran on a device"
REFUSED: Mapping[str, str] = {
    "grpcextension": "speaks gRPC, which is not supported; serve the model over HTTP, and use an HttpExtension",
    "cognitiveservicesvisionprocessor": _SPATIAL,
    "cognitiveservicesvisionextension": _SPATIAL,
    "videosource": _CLOUD,
    "encoderprocessor": _CLOUD,
}
"""Nodes that the documents have, and the player has not: why."""
_CLOSED_KEYS = SECRET_KEYS | {"username", "headername", "url"}
"""Where a secret stays one."""

NodeT = TypeVar("NodeT", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A topology that can run, and what is odd about it: sentences, in order."""

    topology: Topology
    warnings: tuple[str, ...]


def read_topology(name: str | Path, values: Mapping[str, str], *, source: str | None = None, pipeline: str) -> Loaded:
    """Return the topology of a file, or one of ours by its name; raises TopologyError.

    `values`: of parameters. `source`: a URL, or the path of a file of video, instead of the camera's. `pipeline`: its
    name, for `${System.PipelineName}`.
    """
    with file_named(name):
        notes: list[str] = []
        return complete(read_draft(path_of(name), notes), values, source, pipeline, notes)


def path_of(name: str | Path) -> Path:
    """Return where a topology is: a name of READY is ours, anything else is a path."""
    if str(name) in READY:
        return _READY_FOLDER / f"{name}.json"
    path = Path(name)
    if "\0" not in str(name) and not path.exists():
        raise TopologyError(f"there is no such file; {', '.join(READY)} are ready to use.")
    return path


@contextmanager
def file_named(name: str | Path) -> Iterator[None]:
    """Put the name of a file before errors."""
    try:
        yield
    except TopologyError as error:
        raise type(error)(f"{name}: {error}") from None


def complete(draft: Draft, values: Mapping[str, str], source: str | None, pipeline: str, notes: list[str]) -> Loaded:
    """Return a draft with values in it, and checked; raises TopologyError."""
    _refuse_types(draft)
    notes += _unused(draft)
    texts = {**chosen(draft.parameters, values), **system_values(draft.name, pipeline)}
    if source is not None:
        draft = draft.with_source(source, texts)
        texts[SOURCE_REFERENCE[2:-1].lower()] = source
    require(draft.uses(), draft.parameters, texts)
    notes += _shown_secrets(draft)
    topology = _built(draft, Filling(texts), notes)
    return Loaded(topology, (*notes, *warnings_of(graph_of(topology))))


def _unused(draft: Draft) -> Iterator[str]:
    used = {use.parameter.lower() for use in draft.uses()}
    for parameter in draft.parameters:
        if parameter.name.lower() not in used:
            yield f"the parameter {shown(parameter.name)} is not used."


def _shown_secrets(draft: Draft) -> Iterator[str]:
    secrets = {parameter.name.lower() for parameter in draft.parameters if parameter.is_secret}
    for use in draft.uses():
        if use.parameter.lower() in secrets and use.key.lower() not in _CLOSED_KEYS:
            yield f"{use.place}: {shown(use.key)} shows the secret parameter {shown(use.parameter)}."


def _built(draft: Draft, filling: Filling, notes: list[str]) -> Topology:
    def nodes(group: Group, kinds: Mapping[str, type[NodeT]]) -> tuple[NodeT, ...]:
        return tuple(
            kinds[_kind_of(section)].checked(filling.fill(section), name_of(section), notes)
            for section in draft.nodes[group]
        )

    return Topology(
        dialect=draft.dialect,
        name=draft.name,
        description=draft.description,
        sources=nodes("sources", SOURCES),
        processors=nodes("processors", PROCESSORS),
        sinks=nodes("sinks", SINKS),
        parameters=draft.parameters,
    )


def _kind_of(section: Placed) -> str:
    return tail(str(section.find("@type") or ""))


def _refuse_types(draft: Draft) -> None:
    """Raise TopologyError for a node that cannot run, whatever the values of parameters are."""
    known: Mapping[Group, Mapping[str, object]] = {"sources": SOURCES, "processors": PROCESSORS, "sinks": SINKS}
    for group, sections in draft.nodes.items():
        for section in sections:
            kind = _kind_of(section)
            if not kind:
                raise fault(section.place, f"{name_of(section)} needs an @type.")
            if kind not in known[group]:
                others = [
                    f"is one of the {other}, not of the {group}" for other, kinds in known.items() if kind in kinds
                ]
                reason = REFUSED.get(kind) or "".join(others) or "is of a type that is not known"
                raise fault(section.place, f"{name_of(section)} ({type_of(section)}) {reason}.")
