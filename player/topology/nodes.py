"""The nodes of a topology, as pydantic checks them, and the topology that they make up.

Classes are named as the types of Azure Video Analyzer, fields as its keys. Both dialects use the same classes.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from player.topology.naming import DATE_TIME, has_date_time
from player.topology.parameters import Parameter
from player.topology.sections.endpoints import Endpoint
from player.topology.sections.filters import Lines, TriggerFilter
from player.topology.sections.images import Image
from player.topology.sections.keys import VISIBLE, Keyed, folded
from scene.motion import Sensitivity

Dialect: TypeAlias = Literal["lva", "ava"]
Transport: TypeAlias = Literal["http", "tcp"]
MediaTypeName: TypeAlias = Literal["video", "audio", "application"]
Operator: TypeAlias = Literal["is", "isNot"]
Property: TypeAlias = Literal["mediaType"]
Accuracy: TypeAlias = Literal["low", "medium", "high"]

NodeName: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]{1,256}$")]
Text: TypeAlias = Annotated[str, Field(pattern=f"^{VISIBLE}+$", max_length=1024)]
Mebibytes: TypeAlias = Annotated[int, Field(ge=1, le=1 << 30)]
_LATEST = timedelta(days=3650)
Duration: TypeAlias = Annotated[timedelta, Field(ge=timedelta(0), le=_LATEST)]
"""ISO 8601, such as PT30S."""
Offset: TypeAlias = Annotated[timedelta, Field(ge=-_LATEST, le=_LATEST)]


class OutputSelector(Keyed):
    """Chooses streams of an output by what they hold."""

    property: Annotated[Property, folded(Property)] = "mediaType"
    operator: Annotated[Operator, folded(Operator)] = "is"
    value: Annotated[MediaTypeName, folded(MediaTypeName)]


class NodeInput(Keyed):
    """One input of a node: which node's output it takes, and what of it."""

    node_name: NodeName
    output_selectors: Annotated[tuple[OutputSelector, ...], Field(max_length=8)] = ()

    def takes(self, media_type: str) -> bool:
        """Return whether items of a media type come in: any if nothing is selected."""
        wanted = {selector.value for selector in self.output_selectors if selector.operator == "is"}
        unwanted = {selector.value for selector in self.output_selectors if selector.operator == "isNot"}
        return media_type not in unwanted and (not wanted or media_type in wanted)


Inputs: TypeAlias = Annotated[tuple[NodeInput, ...], Field(min_length=1, max_length=16)]


class RtspSource(Keyed):
    """A camera, or a file of video in its place. `endpoint.url`: of RTSP, or the path of a file."""

    name: NodeName
    endpoint: Endpoint
    transport: Annotated[Transport, folded(Transport)] = "tcp"


class IotHubMessageSource(Keyed):
    """Messages from outside. `hub_input_name`: where they come in."""

    name: NodeName
    hub_input_name: Text


class MotionDetectionProcessor(Keyed):
    """Lets frames with motion through, and reports it.

    `event_aggregation_window`: one event for so long; 0: one for each frame.
    """

    name: NodeName
    inputs: Inputs
    sensitivity: Annotated[Sensitivity, folded(Sensitivity)] = "medium"
    output_motion_region: bool = True
    event_aggregation_window: Duration = timedelta(seconds=1)


class FrameRateFilterProcessor(Keyed):
    """Lets so many frames a second through."""

    name: NodeName
    inputs: Inputs
    maximum_fps: Annotated[float, Field(gt=0, le=1000)] = 2


class SamplingOptions(Keyed):
    """Which frames are sent. `maximum_samples_per_second`: None: as many as the server takes."""

    skip_samples_without_annotation: bool = False
    maximum_samples_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None


def _has_http(endpoint: Endpoint) -> Endpoint:
    if endpoint.scheme not in {"http", "https"}:
        raise ValueError("url: expected a URL that begins with http:// or https://")
    return endpoint


class HttpExtension(Keyed):
    """Asks an extension server what is in a frame. `timeout`: for one answer."""

    name: NodeName
    inputs: Inputs
    endpoint: Annotated[Endpoint, AfterValidator(_has_http)]
    image: Image = Image()
    sampling_options: SamplingOptions = SamplingOptions()
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(seconds=10)


class SignalGateProcessor(Keyed):
    """Opens on events of its first input, and lets media of its second one through while it is open.

    `activation_evaluation_window`: so long an event that was earlier may come late. `activation_signal_offset`: where a
    clip starts, from its first event. `minimum_activation_time`: after the last event. `maximum_activation_time`: after
    the first one. `trigger_filter`: which events count; None: all.
    """

    name: NodeName
    inputs: Inputs
    activation_evaluation_window: Duration = timedelta(seconds=1)
    activation_signal_offset: Offset = timedelta(0)
    minimum_activation_time: Duration = timedelta(seconds=30)
    maximum_activation_time: Duration = timedelta(minutes=5)
    trigger_filter: TriggerFilter | None = None


class ObjectTrackingProcessor(Keyed):
    """Gives objects an identity that they keep from frame to frame."""

    name: NodeName
    inputs: Inputs
    accuracy: Annotated[Accuracy, folded(Accuracy)] = "medium"


class LineCrossingProcessor(Keyed):
    """Reports objects that cross lines."""

    name: NodeName
    inputs: Inputs
    lines: Lines


class IotHubMessageSink(Keyed):
    """Reports what comes in. `hub_output_name`: where it goes."""

    name: NodeName
    inputs: Inputs
    hub_output_name: Text


class FileSink(Keyed):
    """Writes clips into a folder. `file_name_pattern`: see `player.topology.naming.file_name`; it always has the time.

    `maximum_size_mib`: of all clips in the folder; the oldest ones are deleted; None: all are kept.
    """

    name: NodeName
    inputs: Inputs
    base_directory_path: Text
    file_name_pattern: Annotated[
        Text, AfterValidator(lambda text: text if has_date_time(text) else f"{text}-{DATE_TIME}")
    ]
    maximum_size_mib: Mebibytes | None = None

    @classmethod
    def known(cls) -> dict[str, str]:
        """Know the key of Live Video Analytics 1.0 as well."""
        return {**super().known(), "filepathpattern": "file_path_pattern"}

    @classmethod
    def adjusted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Split a path into folder and name."""
        path = values.pop("file_path_pattern", None)
        if isinstance(path, str):
            folder, separator, name = path.rpartition("/")
            values = {"base_directory_path": folder or separator or ".", "file_name_pattern": name, **values}
        return values


class VideoCreationProperties(Keyed):
    """What a recording says of itself, and how it is kept. `retention_period`: None: for ever."""

    title: str = ""
    description: str = ""
    segment_length: Duration | None = None
    retention_period: Duration | None = None


class VideoSink(Keyed):
    """Records into segments. `video_name`: of the recording, or a pattern (`assetNamePattern`).

    `segment_length`: of Live Video Analytics; see `segment`.
    """

    unused_keys = frozenset({"videopublishingoptions"})

    name: NodeName
    inputs: Inputs
    video_name: Text
    video_creation_properties: VideoCreationProperties = VideoCreationProperties()
    segment_length: Duration | None = None
    local_media_cache_path: Text | None = None
    local_media_cache_maximum_size_mib: Mebibytes | None = None

    @classmethod
    def known(cls) -> dict[str, str]:
        """Know the name of an asset as well."""
        return {**super().known(), "assetnamepattern": "video_name"}

    @property
    def segment(self) -> timedelta:
        """Return how long segments are: 30 s if nothing is said."""
        return self.segment_length or self.video_creation_properties.segment_length or timedelta(seconds=30)


Source: TypeAlias = RtspSource | IotHubMessageSource
Processor: TypeAlias = (
    MotionDetectionProcessor
    | FrameRateFilterProcessor
    | HttpExtension
    | SignalGateProcessor
    | ObjectTrackingProcessor
    | LineCrossingProcessor
)
Sink: TypeAlias = IotHubMessageSink | FileSink | VideoSink
TopologyNode: TypeAlias = Source | Processor | Sink


@dataclass(frozen=True, slots=True)
class Topology:
    """What a pipeline does, with all values in it. `name`: its own; that of the pipeline is another.

    `parameters`: as they are declared.
    """

    dialect: Dialect
    name: str
    description: str
    sources: tuple[Source, ...]
    processors: tuple[Processor, ...]
    sinks: tuple[Sink, ...]
    parameters: tuple[Parameter, ...] = ()

    @property
    def nodes(self) -> tuple[TopologyNode, ...]:
        """Return all nodes: sources, processors, sinks."""
        return (*self.sources, *self.processors, *self.sinks)

    @property
    def camera(self) -> RtspSource:
        """Return the only source of video; the rules see to it that there is one."""
        return next(source for source in self.sources if isinstance(source, RtspSource))


def inputs_of(node: TopologyNode) -> tuple[NodeInput, ...]:
    """Return a node's inputs, by port; a source has none."""
    return () if isinstance(node, RtspSource | IotHubMessageSource) else node.inputs
