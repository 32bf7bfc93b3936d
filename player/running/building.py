"""From a topology to the nodes that do what it says: one row of a table for each kind of node."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

from player.errors import ExtensionError
from player.events import event as events
from player.events.event import Event, OutputType, Place
from player.flow import Finding, Item, MediaType, Node
from player.media.folder import Folder
from player.nodes.extension import Asked, ExtensionNode, Sampling
from player.nodes.frame_rate import FrameRateFilter
from player.nodes.hub import HubSink
from player.nodes.line_crossing import LineCrossing
from player.nodes.motion import MotionDetection, MotionRules
from player.nodes.recording import Recorder, Segments
from player.nodes.signal_gate import GateTimes, SignalGate, Trigger
from player.nodes.tracker import ObjectTracking
from player.running.faults import extension_fault
from player.running.graph import Link
from player.running.recordings import Recordings
from player.running.state import PipelineState
from player.topology import nodes as records
from player.topology.naming import DATE_TIME, file_name
from player.topology.nodes import Topology, inputs_of
from player.topology.sections.filters import TriggerFilter
from scene.lines import Line

LOG = logging.getLogger("framehook")
MEDIA_TYPES: tuple[MediaType, ...] = ("video", "audio", "application")
TIME = r"\d{8}T\d{6}Z"
"""What a file's name has where its pattern has the time."""


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What nodes need of the pipeline around them.

    `place`: of the pipeline. `publish`: takes events. `emit`: passes on what the node of a name gives on its own; None
    if the source is read as fast as possible: then nodes do everything at once. `create_extension`: returns what asks
    the extension of a node. `clips`: the folder of clips, instead of the topology's own; None: as the topology says.
    `finding`: the names of the nodes that find something themselves; `build` knows them.
    """

    place: Place
    state: PipelineState
    publish: Callable[[Event], None]
    emit: Callable[[str, Iterable[Item]], None] | None
    create_extension: Callable[[records.HttpExtension], Asked]
    clips: Path | None
    finding: frozenset[str] = frozenset()

    def place_of(self, name: str, group: str) -> Place:
        """Return the place of a node, for its events."""
        place = self.place
        return Place(place.pipeline, place.dialect, group, name, place.topic, place.module)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Built:
    """The nodes of a pipeline, by name, and their joints. `order`: each name after those whose items it takes.

    `decodes`: whether any node looks at pictures.
    """

    nodes: Mapping[str, Node]
    links: Mapping[str, list[Link]]
    order: tuple[str, ...]
    decodes: bool

    @property
    def extensions(self) -> list[ExtensionNode]:
        """Return the nodes that ask extensions."""
        return [node for node in self.nodes.values() if isinstance(node, ExtensionNode)]


def build(topology: Topology, context: NodeContext) -> Built:
    """Return what a topology says. Raises PlayerError."""
    finding = frozenset(record.name for record in topology.processors if isinstance(record, FINDING))
    context = replace(context, finding=finding)
    nodes = {record.name: BUILDERS[type(record)](record, context) for record in (*topology.processors, *topology.sinks)}
    links: dict[str, list[Link]] = {}
    above: dict[str, list[str]] = {name: [] for name in nodes}
    for record in (*topology.processors, *topology.sinks):
        for port, given in enumerate(inputs_of(record)):
            media_types = frozenset(media_type for media_type in MEDIA_TYPES if given.takes(media_type))
            links.setdefault(given.node_name, []).append(Link(record.name, port, media_types))
            above[record.name].append(given.node_name)
    order = tuple(name for name in TopologicalSorter(above).static_order() if name in nodes)
    decodes = any(isinstance(record, DECODING) for record in topology.processors)
    return Built(nodes, links, order, decodes)


def _motion(record: records.MotionDetectionProcessor, context: NodeContext) -> Node:  # noqa: ARG001  # all builders are alike
    window_s = record.event_aggregation_window.total_seconds()
    return MotionDetection(record.name, MotionRules(record.sensitivity, record.output_motion_region, window_s))


def _frame_rate(record: records.FrameRateFilterProcessor, context: NodeContext) -> Node:  # noqa: ARG001
    return FrameRateFilter(record.maximum_fps)


def _extension(record: records.HttpExtension, context: NodeContext) -> Node:
    options = record.sampling_options
    place = context.place_of(record.name, "processors")

    def report(error: ExtensionError) -> None:
        facts = {"pipeline": place.pipeline, "node": record.name, "reason": str(error)}
        LOG.warning("extension failed", extra={"facts": facts})
        context.publish(extension_fault(place, error, record.endpoint.url))

    emit = context.emit
    return ExtensionNode(
        record.name,
        context.create_extension(record),
        Sampling(options.maximum_samples_per_second, options.skip_samples_without_annotation),
        report,
        None if emit is None else lambda items: emit(record.name, items),
    )


def _gate(record: records.SignalGateProcessor, context: NodeContext) -> Node:
    place = context.place_of(record.name, "processors")
    filtered = record.trigger_filter or TriggerFilter()
    times = GateTimes(
        record.activation_evaluation_window.total_seconds(),
        record.activation_signal_offset.total_seconds(),
        record.minimum_activation_time.total_seconds(),
        record.maximum_activation_time.total_seconds(),
    )
    opener = record.inputs[0].node_name
    trigger = Trigger(
        node=opener if opener in context.finding else None,
        labels=filtered.labels,
        minimum_confidence=filtered.minimum_confidence,
        events=filtered.events,
    )
    clock = time.monotonic if context.emit else lambda: context.state.at_s
    return SignalGate(
        times, clock, trigger, lambda _: context.publish(events.data_dropped(place, time.time(), "video"))
    )


def _tracker(record: records.ObjectTrackingProcessor, context: NodeContext) -> Node:  # noqa: ARG001
    return ObjectTracking(record.name, record.inputs[0].node_name)


def _line_crossing(record: records.LineCrossingProcessor, context: NodeContext) -> Node:  # noqa: ARG001
    return LineCrossing(record.name, record.inputs[0].node_name, [Line(line.name, line.line) for line in record.lines])


def _hub_sink(record: records.IotHubMessageSink, context: NodeContext) -> Node:  # noqa: ARG001
    def publish(finding: Finding, at_s: float) -> None:
        context.publish(events.inference(context.place_of(finding.node, "processors"), at_s, finding.inferences))

    return HubSink(publish)


def _file_sink(record: records.FileSink, context: NodeContext) -> Node:
    pattern, folder = record.file_name_pattern, context.clips or Path(record.base_directory_path)
    max_bytes = None if record.maximum_size_mib is None else record.maximum_size_mib << 20
    recordings = Recordings(context.place_of(record.name, "sinks"), context.publish, context.state, "filePath")
    segments = Segments(_folder(folder, pattern, max_bytes), lambda at_s: file_name(pattern, at_s))
    return Recorder(segments, recordings)


def _video_sink(record: records.VideoSink, context: NodeContext) -> Node:
    name = file_name(record.video_name, time.time())
    folder = (context.clips or Path("clips")) / name
    max_mib = record.local_media_cache_maximum_size_mib
    kept = record.video_creation_properties.retention_period
    max_bytes = None if max_mib is None else max_mib << 20
    segments = Segments(
        _folder(folder, DATE_TIME, max_bytes, None if kept is None else kept.total_seconds()),
        lambda at_s: file_name(DATE_TIME, at_s),
        record.segment.total_seconds(),
    )
    kind: OutputType = "videoName" if context.place.dialect == "ava" else "assetName"
    recordings = Recordings(context.place_of(record.name, "sinks"), context.publish, context.state, kind, name)
    return Recorder(segments, recordings)


def _folder(path: Path, pattern: str, max_bytes: int | None, keep_s: float | None = None) -> Folder:
    """Return a folder, prepared, in which names that follow the pattern are clips. Raises ClipError."""
    name = re.escape(file_name(pattern, 0)).replace(re.escape("19700101T000000Z"), TIME)
    folder = Folder(path, rf"{name}(?:-\d+)?\.mp4", max_bytes, keep_s)
    folder.prepare()
    return folder


Builder: TypeAlias = Callable[[Any, NodeContext], Node]
BUILDERS: Mapping[type, Builder] = {
    records.MotionDetectionProcessor: _motion,
    records.FrameRateFilterProcessor: _frame_rate,
    records.HttpExtension: _extension,
    records.SignalGateProcessor: _gate,
    records.ObjectTrackingProcessor: _tracker,
    records.LineCrossingProcessor: _line_crossing,
    records.IotHubMessageSink: _hub_sink,
    records.FileSink: _file_sink,
    records.VideoSink: _video_sink,
}
"""Kind of node → what builds one."""
FINDING = (
    records.MotionDetectionProcessor,
    records.HttpExtension,
    records.ObjectTrackingProcessor,
    records.LineCrossingProcessor,
)
"""The kinds of nodes that find something themselves; others pass on what was found."""
DECODING = (records.MotionDetectionProcessor, records.FrameRateFilterProcessor, records.HttpExtension)
"""The kinds of nodes that need pictures."""
