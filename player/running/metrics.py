"""Every metric of the player, declared once; docs/player.md explains them.

The values of labels are the names of pipelines, and words from fixed lists: nobody outside can create new series.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from player.events.sending import OutputStatus
from player.running.state import PipelineState

Value: TypeAlias = Callable[[PipelineState], float]

COUNTERS: dict[str, tuple[str, Value]] = {
    "sessions": ("Connections to the source.", lambda state: state.sessions),
    "packets": ("Packets that the source has sent.", lambda state: state.packets),
    "received_bytes": ("Bytes of these packets.", lambda state: state.received_bytes),
    "frames_decoded": ("Frames that were decoded.", lambda state: state.frames),
    "extension_wait_seconds": ("Time for which extensions were waited for.", lambda state: state.waited_s),
    "extension_requests": ("Frames that extensions were asked about.", lambda state: state.total("asked")),
    "extension_failures": ("Requests without a usable answer.", lambda state: state.total("failed")),
    "frames_skipped": (
        "Frames due for an extension that was still busy.",
        lambda state: state.total("skipped") + state.total("dropped"),
    ),
    "clips": ("Clips that were written.", lambda state: state.clips),
    "clip_bytes": ("Bytes of these clips.", lambda state: state.clip_bytes),
    "clip_faults": ("Clips that could not be written.", lambda state: state.clip_faults),
}
GAUGES: dict[str, tuple[str, Value]] = {
    "playing": ("1 while the source sends.", lambda state: state.phase == "playing"),
    "last_packet_timestamp_seconds": ("Capture time of the last packet.", lambda state: state.at_s),
}
PREFIX = "framehook_player_"


class _Pipelines(Collector):
    """Reads the state of pipelines and outputs whenever somebody asks."""

    def __init__(
        self,
        pipelines: Callable[[], Iterable[PipelineState]],
        outputs: Callable[[], Iterable[OutputStatus]],
    ) -> None:
        self._pipelines, self._outputs = pipelines, outputs

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        states = [*self._pipelines()]
        for name, (text, value) in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=["pipeline"])
            for state in states:
                counter.add_metric([state.name], value(state))
            yield counter
        for name, (text, value) in GAUGES.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=["pipeline"])
            for state in states:
                gauge.add_metric([state.name], value(state))
            yield gauge
        yield _events(states)
        yield from self._of_outputs()

    def _of_outputs(self) -> Iterator[Metric]:
        delivered = CounterMetricFamily(f"{PREFIX}events_delivered", "Events that an output took.", labels=["output"])
        dropped = CounterMetricFamily(f"{PREFIX}events_dropped", "Events that were given up.", labels=["output"])
        waiting = GaugeMetricFamily(f"{PREFIX}events_waiting", "Events that wait for an output.", labels=["output"])
        for state in self._outputs():
            delivered.add_metric([state.name], state.delivered)
            dropped.add_metric([state.name], state.dropped)
            waiting.add_metric([state.name], state.waiting)
        yield from (delivered, dropped, waiting)


def _events(states: Iterable[PipelineState]) -> Metric:
    family = CounterMetricFamily(PREFIX + "events", "Events, by their type.", labels=["pipeline", "type"])
    for state in states:
        for kind, count in sorted(state.events.items()):
            family.add_metric([state.name, kind], count)
    return family


def as_text(
    pipelines: Callable[[], Iterable[PipelineState]], outputs: Callable[[], Iterable[OutputStatus]]
) -> Callable[[], bytes]:
    """Return a function that gives all metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Pipelines(pipelines, outputs))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return lambda: generate_latest(registry)
