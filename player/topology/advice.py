"""What the documents of both dialects say that a graph should be: published topologies break these rules, and run."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from player.topology.document import shown
from player.topology.naming import has_date_time
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
    TopologyNode,
    VideoSink,
    inputs_of,
)
from player.topology.rules import Graph

SEGMENT_STEP_S, SEGMENT_MAX_S = 30, 300
_ACTIVATION = timedelta(seconds=10), timedelta(hours=1)
_OFFSET = timedelta(minutes=-1), timedelta(minutes=1)
_WINDOW = timedelta(0), timedelta(seconds=10)

Advice: TypeAlias = Callable[[Any, Graph], Iterator[str]]
"""Yields the ends of sentences that begin with the node's name."""


def warnings_of(graph: Graph) -> tuple[str, ...]:
    """Return a sentence for each rule that is broken: those on the topology first, then in the order of the nodes."""
    return (*_of_topology(graph), *(warning for node in graph.topology.nodes for warning in _of_node(node, graph)))


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
    yield from (f"{name} {warning}" for warning in ADVICE[type(node)](node, graph))
    if not isinstance(node, IotHubMessageSink | FileSink | VideoSink) and not graph.below[node.name]:
        yield f"no node takes what comes from {name}."
    if not isinstance(node, SignalGateProcessor) and node in graph.topology.processors and len(inputs_of(node)) > 1:
        yield f"{name} has {len(inputs_of(node))} inputs; one was expected."


def _of_source(node: RtspSource, _: Graph) -> Iterator[str]:
    if node.endpoint.type == "TlsEndpoint" and node.endpoint.scheme != "rtsps":
        yield "has a TlsEndpoint, but its URL does not begin with rtsps://: it is not encrypted."


def _of_motion(node: MotionDetectionProcessor, graph: Graph) -> Iterator[str]:
    if not graph.is_directly_below(node, RtspSource):
        yield "should be directly below the RtspSource."


def _of_extension(node: HttpExtension, graph: Graph) -> Iterator[str]:
    if node.endpoint.type == "TlsEndpoint" and node.endpoint.scheme != "https":
        yield "has a TlsEndpoint, but its URL does not begin with https://: it is not encrypted."
    skips = node.sampling_options.skip_samples_without_annotation
    if skips and not graph.is_below(node, HttpExtension, MotionDetectionProcessor):
        yield "skips frames without annotation, but no node above it makes any: it sends nothing."


def _of_gate(node: SignalGateProcessor, graph: Graph) -> Iterator[str]:
    trigger, media = graph.above[node.name]
    if isinstance(trigger, RtspSource | SignalGateProcessor):
        yield f"is opened by {shown(trigger.name)}, which has no events: it stays closed."
    if not isinstance(media, RtspSource):
        yield "should take its second input directly from the RtspSource."
    others = [shown(other.name) for other in graph.below[node.name] if not isinstance(other, FileSink | VideoSink)]
    if others:
        yield f"should be directly before a sink of files or videos, not before {' and '.join(others)}."
    yield from _of_times(node)


def _of_times(node: SignalGateProcessor) -> Iterator[str]:
    times = (
        ("activationEvaluationWindow", node.activation_evaluation_window, _WINDOW),
        ("activationSignalOffset", node.activation_signal_offset, _OFFSET),
        ("minimumActivationTime", node.minimum_activation_time, _ACTIVATION),
        ("maximumActivationTime", node.maximum_activation_time, _ACTIVATION),
    )
    for key, time, (low, high) in times:
        if not low <= time <= high:
            yield f"has the {key} {_seconds(time)}; documented is {_seconds(low)} to {_seconds(high)}."
    if node.maximum_activation_time < node.minimum_activation_time:
        yield "has a maximumActivationTime below its minimumActivationTime: clips end after the maximum."


def _of_tracker(node: ObjectTrackingProcessor, graph: Graph) -> Iterator[str]:
    if not graph.is_directly_below(node, HttpExtension):
        yield "should be directly below an HttpExtension."


def _of_lines(node: LineCrossingProcessor, graph: Graph) -> Iterator[str]:
    if not graph.is_directly_below(node, ObjectTrackingProcessor, HttpExtension):
        yield "should be directly below an ObjectTrackingProcessor."
    elif not graph.is_directly_below(node, ObjectTrackingProcessor):
        yield "is directly below an extension: it counts only objects to which that one gives a sequenceId."


def _of_hub_sink(node: IotHubMessageSink, graph: Graph) -> Iterator[str]:
    if any(isinstance(other, IotHubMessageSource) for other in graph.above[node.name]):
        yield "is directly below an IotHubMessageSource: it would report only what came in."
    if has_date_time(node.hub_output_name):
        yield "has the time in its hubOutputName, where it is not filled in."


def _of_file_sink(node: FileSink, graph: Graph) -> Iterator[str]:
    if not graph.is_directly_below(node, SignalGateProcessor):
        yield "should be directly below a SignalGateProcessor."
    if node.maximum_size_mib is None:
        yield "has no maximumSizeMiB: clips are kept until the disk is full."


def _of_video_sink(node: VideoSink, graph: Graph) -> Iterator[str]:
    if not any(isinstance(other, RtspSource | SignalGateProcessor) for other in graph.above[node.name]):
        yield "takes nothing from the RtspSource or a SignalGateProcessor: there is no video to record."
    length_s = node.segment.total_seconds()
    if length_s % SEGMENT_STEP_S or not SEGMENT_STEP_S <= length_s <= SEGMENT_MAX_S:
        yield f"has the segmentLength {_seconds(node.segment)}; documented is 30 s to 300 s in steps of 30 s."


def _nothing(_: TopologyNode, __: Graph) -> Iterator[str]:
    return iter(())


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


ADVICE: Mapping[type[TopologyNode], Advice] = {
    RtspSource: _of_source,
    IotHubMessageSource: _nothing,
    MotionDetectionProcessor: _of_motion,
    FrameRateFilterProcessor: _nothing,
    HttpExtension: _of_extension,
    SignalGateProcessor: _of_gate,
    ObjectTrackingProcessor: _of_tracker,
    LineCrossingProcessor: _of_lines,
    IotHubMessageSink: _of_hub_sink,
    FileSink: _of_file_sink,
    VideoSink: _of_video_sink,
}
"""A row for each class of nodes."""
