"""Several pipelines in one process, with the outputs of their events."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import certifi

from player.events.broker import level
from player.events.event import Event, Place
from player.events.mqtt_output import Inbox
from player.events.outputs import open_output
from player.events.sending import FLUSH_S, OutputStatus, Publisher
from player.media.address import Address, address_of
from player.media.sources import Source
from player.nodes.extension import Asked
from player.nodes.http_client import HttpExtension, ServerSettings, TlsSettings
from player.nodes.protocol.credentials import HeaderCredential, UserPassword
from player.running.building import NodeContext, build
from player.running.images import image_settings
from player.running.pipeline import Pipeline
from player.running.state import PipelineState
from player.topology import nodes as records
from player.topology.nodes import IotHubMessageSource, Topology
from player.topology.sections.endpoints import HttpHeaderCredentials, UsernamePasswordCredentials

CreateExtension = Callable[[str, records.HttpExtension], Asked]
"""Returns what asks the extension of a node of a pipeline, by the pipeline's name."""


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A pipeline that is to run. `name`: its own. `outputs`: texts that describe where its events go."""

    name: str
    topology: Topology
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How sources are read, and where clips go.

    `is_paced`: files are read at the pace of their pictures, else as fast as possible; `is_looped`: again and again.
    `clips`: the folder of clips, instead of the topologies' own. `create_extension`: see `http_extension`.
    """

    is_paced: bool = True
    is_looped: bool = False
    clips: Path | None = None
    create_extension: CreateExtension = field(default=lambda _, record: http_extension(record))


class Player:
    """Runs pipelines until all have ended, or it is stopped. Raises PlayerError if one cannot be run.

    `on_end`: called by another thread when all have ended, or an output such as standard output has.
    """

    def __init__(self, wanted: Sequence[PipelineSpec], playing: PlayOptions, on_end: Callable[[], None]) -> None:
        self._on_end, self._lock = on_end, threading.Lock()
        texts = dict.fromkeys(text for each in wanted for text in each.outputs)
        takers = {text: [each.name for each in wanted if text in each.outputs] for text in texts}
        self._publishers: dict[str, Publisher] = {}
        self._inboxes: list[Inbox] = []
        self._starts: list[tuple[Pipeline, Callable[[], None]]] = []
        self._folder = TemporaryDirectory(prefix="framehook-")
        """Of certificates: FFmpeg reads them from files."""
        self._left = len(wanted)
        with ExitStack() as unless_all_can_run:
            unless_all_can_run.callback(self.close)
            for text, names in takers.items():
                self._publishers[text] = Publisher([open_output(text, names)], on_end)
            self._starts += [self._prepared(each, playing) for each in wanted]
            unless_all_can_run.pop_all()

    @property
    def pipelines(self) -> list[PipelineState]:
        """Return the state of each pipeline."""
        return [pipeline.state for pipeline, _ in self._starts]

    @property
    def outputs(self) -> list[OutputStatus]:
        """Return what has become of the events of each output; those of one name have numbers."""
        found = [status for publisher in self._publishers.values() for status in publisher.status]
        names = [status.name for status in found]
        return [
            replace(status, name=f"{status.name} ({number + 1})") if names.count(status.name) > 1 else status
            for number, status in enumerate(found)
        ]

    def start(self) -> None:
        """Begin to read all sources."""
        for _, start in self._starts:
            start()

    def close(self) -> int:
        """End all pipelines, and deliver the events that wait; return how many could not be delivered."""
        for pipeline, _ in self._starts:
            pipeline.stop()
        for pipeline, _ in self._starts:
            pipeline.join()
        for inbox in self._inboxes:
            inbox.close()
        self._folder.cleanup()
        until_s = time.monotonic() + FLUSH_S  # for all of them: each has a thread of its own
        return sum(publisher.close(max(0.0, until_s - time.monotonic())) for publisher in self._publishers.values())

    def _prepared(self, wanted: PipelineSpec, playing: PlayOptions) -> tuple[Pipeline, Callable[[], None]]:
        """Return a pipeline, and what starts it."""
        topology, camera = wanted.topology, wanted.topology.camera
        address = camera_address(camera)
        state = PipelineState(wanted.name, topology.name, address.for_people)
        publishers = [self._publishers[text] for text in wanted.outputs]

        def publish(event: Event) -> None:
            with self._lock:
                state.events[event.kind] += 1
            for publisher in publishers:
                publisher.publish(event)

        of_all = Place(wanted.name, topology.dialect)
        pipeline = Pipeline(Place(wanted.name, topology.dialect, "sources", camera.name), state, publish, self._ended)
        waits = address.is_live or playing.is_paced
        context = NodeContext(
            of_all,
            state,
            publish,
            pipeline.emit if waits else None,
            lambda record: playing.create_extension(wanted.name, record),
            playing.clips,
        )
        built = build(topology, context)
        state.extensions = [node.counts for node in built.extensions]
        self._listen(wanted, pipeline)
        source = Source(address, playing.is_paced, playing.is_looped, ca_file=self._authorities_of(camera))
        return pipeline, lambda: pipeline.start(source, built)

    def _authorities_of(self, camera: records.RtspSource) -> Path | None:
        """Return the certificates that must vouch for a camera; None: its own is not checked."""
        endpoint = camera.endpoint
        if endpoint.type != "TlsEndpoint" or endpoint.validation_options.ignore_signature:
            return None
        if endpoint.trusted_certificates is None:
            return Path(ssl.get_default_verify_paths().cafile or certifi.where())
        with NamedTemporaryFile("w", dir=self._folder.name, suffix=".pem", delete=False) as file:
            file.write("\n".join(endpoint.trusted_certificates.certificates))
        return Path(file.name)

    def _listen(self, wanted: PipelineSpec, pipeline: Pipeline) -> None:
        """Let messages of the pipeline's broker reach its hub sources: on framehook/PIPELINE/inputs/INPUT."""
        sources = [source for source in wanted.topology.sources if isinstance(source, IotHubMessageSource)]
        broker = next((text for text in wanted.outputs if text.partition("://")[0] in {"mqtt", "mqtts"}), None)
        inputs = f"framehook/{level(wanted.name)}/inputs"
        topics = {f"{inputs}/{level(source.hub_input_name)}": source.name for source in sources}
        if broker and topics:
            hear = Inbox(broker, [*topics], lambda topic, _, at_s: pipeline.signal(topics[topic], at_s))
            self._inboxes.append(hear)

    def _ended(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._on_end()


def camera_address(camera: records.RtspSource) -> Address:
    """Return where a camera is, with the credentials of its node. Raises SourceError."""
    credentials = camera.endpoint.credentials
    if isinstance(credentials, UsernamePasswordCredentials):
        return address_of(camera.endpoint.url, credentials.username, credentials.password.get_secret_value())
    return address_of(camera.endpoint.url)


def http_extension(record: records.HttpExtension) -> HttpExtension:
    """Return what asks an extension over HTTP. Raises TopologyError."""
    endpoint = record.endpoint
    options, trusted = endpoint.validation_options, endpoint.trusted_certificates
    tls = TlsSettings(options.ignore_hostname, options.ignore_signature, trusted.certificates if trusted else ())
    credential: UserPassword | HeaderCredential | None = None
    match endpoint.credentials:
        case UsernamePasswordCredentials(username=user, password=password):
            credential = UserPassword(user, password.get_secret_value())
        case HttpHeaderCredentials(header_name=name, header_value=value):
            credential = HeaderCredential(name, value.get_secret_value())
    server = ServerSettings(endpoint.url, credential, tls, record.timeout.total_seconds())
    return HttpExtension(server, image_settings(record.image))
