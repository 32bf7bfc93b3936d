"""What a graph of nodes must be, and what the documents of both dialects say that it should be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from player.errors import TopologyError
from player.topology.document import shown
from player.topology.keys import near
from player.topology.nodes import (
    FileSink,
    FrameRateFilterProcessor,
    HttpExtension,
    IotHubMessageSink,
    IotHubMessageSource,
    LineCrossingProcessor,
    MotionDetectionProcessor,
    ObjectTrackingProcessor,
    RtspSource,
    SignalGateProcessor,
    Topology,
    TopologyNode,
    VideoSink,
    inputs_of,
)

GATE_INPUTS = 2
"""First what opens it, then what goes through."""
SEGMENT_STEP_S, SEGMENT_MAX_S = 30, 300
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_SHORTEST, _WINDOW = timedelta(seconds=10), timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a topology by name, and what is above and below each."""

    topology: Topology
    by_name: Mapping[str, TopologyNode]
    above: Mapping[str, tuple[TopologyNode, ...]]
    below: Mapping[str, tuple[TopologyNode, ...]]

    def has_above(self, node: TopologyNode, *kinds: type[TopologyNode]) -> bool:
        """Return whether all nodes directly above one are of these kinds."""
        return all(isinstance(other, kinds) for other in self.above[node.name])


def checked(topology: Topology) -> tuple[str, ...]:
    """Return warnings, in the order of the nodes; raises TopologyError for a graph that cannot run."""
    graph = _graph(topology)
    _refuse_cycle(graph)
    cameras = [source.name for source in topology.sources if isinstance(source, RtspSource)]
    if not cameras:
        raise TopologyError("it has no RtspSource; a pipeline needs one.")
    if len(cameras) > 1:
        raise TopologyError(f"{_joined(cameras)} are all RtspSources; expected one.")
    return (*_of_topology(graph), *(warning for node in topology.nodes for warning in _of_node(node, graph)))


def _graph(topology: Topology) -> Graph:
    by_name: dict[str, TopologyNode] = {}
    for node in topology.nodes:
        if node.name in by_name:
            raise TopologyError(f"two nodes have the name {shown(node.name)}; expected a name of its own for each.")
        by_name[node.name] = node
    above = {node.name: tuple(_source_of(node, each.node_name, by_name) for each in inputs_of(node))
             for node in topology.nodes}  # fmt: skip
    below: dict[str, list[TopologyNode]] = {name: [] for name in by_name}
    for name, sources in above.items():
        for source in dict.fromkeys(source.name for source in sources):
            below[source].append(by_name[name])
    return Graph(topology, by_name, above, {name: tuple(nodes) for name, nodes in below.items()})


def _source_of(node: TopologyNode, name: str, by_name: Mapping[str, TopologyNode]) -> TopologyNode:
    """Return the node that an input names."""
    source = by_name.get(name)
    if source is None:
        raise TopologyError(
            f"{shown(node.name)} takes its input from {shown(name)}, which is not there.{near(name, by_name)}"
        )
    if isinstance(source, IotHubMessageSink | FileSink | VideoSink):
        raise TopologyError(f"{shown(node.name)} takes its input from {shown(name)}, a sink, which passes nothing on.")
    return source


def _refuse_cycle(graph: Graph) -> None:
    try:
        TopologicalSorter({name: [node.name for node in nodes] for name, nodes in graph.above.items()}).prepare()
    except CycleError as error:
        raise TopologyError(f"its nodes go round in a circle: {' → '.join(map(shown, error.args[1]))}.") from None
    for node in graph.topology.processors:
        if isinstance(node, SignalGateProcessor) and len(node.inputs) != GATE_INPUTS:
            raise TopologyError(
                f"{shown(node.name)}, a SignalGateProcessor, has {len(node.inputs)} inputs; "
                "expected two: what opens it, then what goes through."
            )


def _of_topology(graph: Graph) -> Iterator[str]:
    """Yield what Live Video Analytics does not take; Video Analyzer has no such limits."""
    if graph.topology.dialect != "lva":
        return
    counts = Counter(type(node) for node in graph.topology.nodes)
    for kind in (HttpExtension, MotionDetectionProcessor):
        if counts[kind] > 1:
            yield f"it has {counts[kind]} nodes of the type {kind.__name__}; Live Video Analytics took one."
    if counts[FileSink] and counts[VideoSink]:
        yield "it has both asset sinks and file sinks; Live Video Analytics took only one kind."


def _of_node(node: TopologyNode, graph: Graph) -> Iterator[str]:
    name = shown(node.name)
    yield from (f"{name} {warning}" for warning in _of_kind(node, graph))
    if not isinstance(node, IotHubMessageSink | FileSink | VideoSink) and not graph.below[node.name]:
        yield f"no node takes what comes from {name}."
    if not isinstance(node, SignalGateProcessor) and node in graph.topology.processors and len(inputs_of(node)) > 1:
        yield f"{name} has {len(inputs_of(node))} inputs; one was expected."


def _of_kind(node: TopologyNode, graph: Graph) -> Iterator[str]:
    """Yield the ends of warnings on one node."""
    match node:
        case RtspSource():
            if node.endpoint.type == "TlsEndpoint" and node.endpoint.scheme != "rtsps":
                yield "has a TlsEndpoint, but its URL does not begin with rtsps://: it is not encrypted."
        case MotionDetectionProcessor():
            if not graph.has_above(node, RtspSource):
                yield "should be directly below the RtspSource."
        case HttpExtension():
            yield from _of_extension(node, graph)
        case SignalGateProcessor():
            yield from _of_gate(node, graph)
        case ObjectTrackingProcessor():
            if not graph.has_above(node, HttpExtension):
                yield "should be directly below an HttpExtension."
        case LineCrossingProcessor():
            if not graph.has_above(node, ObjectTrackingProcessor, HttpExtension):
                yield "should be directly below an ObjectTrackingProcessor."
            elif not graph.has_above(node, ObjectTrackingProcessor):
                yield "is directly below an extension: it counts only objects to which that one gives a sequenceId."
        case IotHubMessageSink():
            if any(isinstance(other, IotHubMessageSource) for other in graph.above[node.name]):
                yield "is directly below an IotHubMessageSource: it would report only what came in."
        case FileSink() | VideoSink():
            yield from _of_recording(node, graph)


def _of_extension(node: HttpExtension, graph: Graph) -> Iterator[str]:
    if node.endpoint.type == "TlsEndpoint" and node.endpoint.scheme != "https":
        yield "has a TlsEndpoint, but its URL does not begin with https://: it is not encrypted."
    annotators = (HttpExtension, MotionDetectionProcessor)
    if node.sampling_options.skip_samples_without_annotation and not _is_below(node, graph, annotators):
        yield "skips frames without annotation, but no node above it makes any: it sends nothing."


def _is_below(node: TopologyNode, graph: Graph, kinds: tuple[type[TopologyNode], ...]) -> bool:
    """Return whether a node of one of these kinds is above one, at any distance."""
    names, seen = [node.name], set()
    while names:
        for other in graph.above[names.pop()]:
            if isinstance(other, kinds):
                return True
            if other.name not in seen:
                seen.add(other.name)
                names.append(other.name)
    return False


def _of_gate(node: SignalGateProcessor, graph: Graph) -> Iterator[str]:
    trigger, media = graph.above[node.name]
    if isinstance(trigger, RtspSource | FrameRateFilterProcessor | SignalGateProcessor):
        yield f"is opened by {shown(trigger.name)}, which has no events: it stays closed."
    if not isinstance(media, RtspSource):
        yield "should take its second input directly from the RtspSource."
    others = [other.name for other in graph.below[node.name] if not isinstance(other, FileSink | VideoSink)]
    if others:
        yield f"should be directly before a sink of files or videos, not before {_joined(others)}."
    for key, duration in (("minimum", node.minimum_activation_time), ("maximum", node.maximum_activation_time)):
        if not _SHORTEST <= duration <= _HOUR:
            yield f"has a {key}ActivationTime of {_seconds(duration)}; documented is 10 s to 1 h."
    if node.maximum_activation_time < node.minimum_activation_time:
        yield "has a maximumActivationTime below its minimumActivationTime: clips end after the maximum."
    if abs(node.activation_signal_offset) > _MINUTE:
        yield f"has an activationSignalOffset of {_seconds(node.activation_signal_offset)}; documented is -60 s to 60 s."
    if node.activation_evaluation_window > _WINDOW:
        window = _seconds(node.activation_evaluation_window)
        yield f"has an activationEvaluationWindow of {window}; documented is 0 s to 10 s."


def _of_recording(node: FileSink | VideoSink, graph: Graph) -> Iterator[str]:
    if not any(isinstance(other, RtspSource | SignalGateProcessor) for other in graph.above[node.name]):
        yield "takes nothing from the RtspSource or a SignalGateProcessor: there is no video to record."
    elif isinstance(node, FileSink) and not graph.has_above(node, SignalGateProcessor):
        yield "should be directly below a SignalGateProcessor."
    if isinstance(node, FileSink) and node.maximum_size_mib is None:
        yield "has no maximumSizeMiB: clips are kept until the disk is full."
    if isinstance(node, VideoSink):
        length_s = node.segment.total_seconds()
        if length_s % SEGMENT_STEP_S or not SEGMENT_STEP_S <= length_s <= SEGMENT_MAX_S:
            yield f"has a segmentLength of {_seconds(node.segment)}; documented is 30 s to 5 min in steps of 30 s."


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def _joined(names: list[str]) -> str:
    return " and ".join(map(shown, names))
