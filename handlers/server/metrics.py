"""Every metric of the service, declared once; docs/metrics.md explains them.

The values of labels come from fixed lists, the models served, or the files with the settings of streams, so no client
can create new series.
"""

import math
import re
import time
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from handlers.context import RequestRecord
from handlers.dataplane import DataPlane
from handlers.errors import RawFrameError, TooManyPixelsError, UndecodableFrameError
from handlers.server.middleware.bytes_in_flight import BytesBudget
from handlers.server.middleware.log_writer import LogWriter
from handlers.server.middleware.problems import HUNG_UP, PROBLEMS
from handlers.server.wire.handshakes import FAILURES
from handlers.server.wire.tls import Tls
from handlers.streams.settings_files import DEFAULT, SettingsOfStreams
from models.errors import SHED_REASONS
from models.order import Outcome
from models.runtime.engine import Engine
from models.runtime.reload import Reload

DECODE_PROBLEMS = {PROBLEMS[error].slug for error in (UndecodableFrameError, RawFrameError, TooManyPixelsError)}

OFF_LANES = {"read", "queue", "travel"}
"""The stages of a frame that keep no lane busy."""

REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS_S = (0.0001, 0.00025, 0.0005, *REQUEST_BUCKETS_S)


class _ServedModels(Collector):
    """The models that are served at the moment."""

    def __init__(self, engine: Engine) -> None:
        """Read the models of this engine."""
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Yield a gauge with one sample per model."""
        family = GaugeMetricFamily(
            "framehook_model_info", "1 for every model served.", labels=("model", "family", "version")
        )
        for model in self._engine.served.models:
            family.add_metric((model.name, model.folder.config.family.name, model.folder.version), 1)
        yield family


class _LostLines(Collector):
    """The lost lines of the log, which belong to the process and not to one service."""

    def collect(self) -> Iterator[Metric]:
        """Yield the counter."""
        text = "Log lines that could not be written."
        yield CounterMetricFamily("framehook_log_lines_lost", text, LogWriter.lost_lines())


class _Streams(Collector):
    """The frames of the streams that have settings of their own. Callers choose the names of all others."""

    def __init__(self, settings: SettingsOfStreams) -> None:
        self._settings = settings
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)

    def count(self, record: RequestRecord) -> None:
        """Count a finished request, if it was a frame of such a stream."""
        if record.stream not in self._settings:
            return
        seen = self._seen[record.stream]
        if record.outcome:
            seen.outcomes[record.outcome] += 1
            seen.results += record.detections or 0
            seen.last_at_s = time.time()
        elif record.problem and record.may_send_frames:
            seen.refused += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics: of each stream that has settings, also before its first frame, and of no other."""
        streams = sorted(set(self._settings) - {DEFAULT})
        self._seen = defaultdict(_Seen, {name: seen for name, seen in self._seen.items() if name in self._settings})
        counter, prefix, of_stream = CounterMetricFamily, "framehook_stream", ("stream",)
        frames = counter(f"{prefix}_frames", "Answered frames, by outcome.", labels=("stream", "outcome"))
        results = counter(f"{prefix}_detections", "Results in answers.", labels=of_stream)
        refused = counter(f"{prefix}_refused", "Frames that were not answered.", labels=of_stream)
        last = GaugeMetricFamily(f"{prefix}_last_frame_timestamp_seconds", "The last answered frame.", labels=of_stream)
        for name in streams:
            seen = self._seen[name]
            for outcome, count in {"run": 0, **seen.outcomes}.items():
                frames.add_metric((name, outcome), count)
            results.add_metric((name,), seen.results)
            refused.add_metric((name,), seen.refused)
            if seen.last_at_s:
                last.add_metric((name,), seen.last_at_s)
        yield from (frames, results, refused, last)


@dataclass(slots=True)
class _Seen:
    """What was seen of one stream. `last_at_s`: of the last answered frame, in seconds since 1970; 0: none came."""

    outcomes: Counts[Outcome] = field(default_factory=Counts)
    results: int = 0
    refused: int = 0
    last_at_s: float = 0


class Metrics:
    """The metrics of one service. Counted on the event loop; gauges are read when the metrics are requested."""

    def __init__(self, dataplane: DataPlane, budget: BytesBudget, tls: Tls | None) -> None:
        """Declare all metrics in a new registry. `tls`: None for plain HTTP."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._requests = counter("framehook_requests", "Requests, by operation and status.", ("operation", "code"))
        self._request_seconds = histogram(
            "framehook_request_duration_seconds",
            "Time from the end of a request's head to the end of its answer.",
            ("operation",),
            buckets=REQUEST_BUCKETS_S,
        )
        self._stage_seconds = histogram(
            "framehook_stage_duration_seconds",
            "Time of the stages of a frame.",
            ("model", "stage"),
            buckets=STAGE_BUCKETS_S,
        )
        text = "Frames refused because the service is busy or not ready, by reason."
        self._shed = counter("framehook_shed", text, ("reason",))
        text = "Frames that could not be decoded, by format and reason."
        self._rejected = counter("framehook_decode_rejected", text, ("format", "reason"))
        self._frames = counter("framehook_frames", "Answered frames, by outcome.", ("model", "outcome"))
        self._streams = _Streams(dataplane.settings)
        self._detections = counter("framehook_detections", "Results in answers.", ("model",))
        text = "Candidates dropped because the model returned NaN or infinity for them."
        self._dropped = counter("framehook_candidates_dropped", text, ("model",))
        self._reloads = counter("framehook_model_reloads", "Reloads of models, by result.", ("model", "result"))
        text = "TLS handshakes that failed, by reason."
        self._handshake_failures = counter("framehook_tls_handshake_failures", text, ("reason",))
        for reason in SHED_REASONS:
            self._shed.labels(reason)
        for failure in FAILURES:
            self._handshake_failures.labels(failure)
        self._stage = cache(self._stage_seconds.labels)
        self._declare_gauges(dataplane, budget, tls)
        registry.register(_LostLines())
        registry.register(_ServedModels(dataplane.engine))
        registry.register(self._streams)

    def count(self, record: RequestRecord) -> None:
        """Count one finished request."""
        operation = record.operation or "none"
        code = HUNG_UP if record.problem == HUNG_UP else str(record.status or "none")
        self._requests.labels(operation, code).inc()
        self._request_seconds.labels(operation).observe(record.duration_ms / 1000)
        if record.shed:
            self._shed.labels(record.shed).inc()
        if record.problem in DECODE_PROBLEMS:
            self._rejected.labels(record.frame_format, record.problem).inc()
        if record.model:
            self._count_frame(record.model, record)
        self._streams.count(record)

    def count_reload(self, reload: Reload) -> None:
        """Count one reload of a model, also a rejected one."""
        self._reloads.labels(reload.model, reload.change).inc()

    def count_handshake_failure(self, reason: str) -> None:
        """Count one failed TLS handshake; `reason` is one of `FAILURES`."""
        self._handshake_failures.labels(reason).inc()

    def as_text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)

    def frames_answered(self, operations: Collection[str]) -> int:
        """Return how many requests of these operations were answered with results, or with none found."""
        answered = (
            sample.value
            for sample in _samples(self._requests, "_total")
            if sample.labels["operation"] in operations and sample.labels["code"] in {"200", "204"}
        )
        return int(sum(answered))

    def request_durations(self, operations: Collection[str]) -> list[dict[str, float]]:
        """Return a cumulative histogram of the requests of these operations, refusals included.

        One record per bucket, by rising bound: `upToMs`, absent in the last one, which has no bound, and `count`.
        """
        counts = dict.fromkeys((*REQUEST_BUCKETS_S, math.inf), 0)
        for sample in _samples(self._request_seconds, "_bucket"):
            if sample.labels["operation"] in operations:
                counts[float(sample.labels["le"])] += int(sample.value)
        return [
            {"count": count} if bound_s == math.inf else {"upToMs": bound_s * 1000, "count": count}
            for bound_s, count in counts.items()
        ]

    def loads(self) -> list[dict[str, Any]]:
        """Return the contract's schema `ModelLoad` for each model that has answered a frame, sorted by name."""
        frames: Counts[str] = Counts()
        busy_s: defaultdict[str, float] = defaultdict(float)
        for sample in _samples(self._frames, "_total"):
            frames[sample.labels["model"]] += int(sample.value)
        for sample in _samples(self._stage_seconds, "_sum"):
            if sample.labels["stage"] not in OFF_LANES:
                busy_s[sample.labels["model"]] += sample.value
        loads = ((name, frames[name], round(busy_s[name], 3)) for name in sorted(frames))
        return [{"name": name, "framesAnswered": answered, "busyS": busy} for name, answered, busy in loads]

    def _count_frame(self, model: str, record: RequestRecord) -> None:
        for stage, took_ms in record.stages_ms.items():
            self._stage(model, stage).observe(took_ms / 1000)
        if record.outcome:
            self._frames.labels(model, record.outcome).inc()
        self._detections.labels(model).inc(record.detections or 0)
        self._dropped.labels(model).inc(record.dropped or 0)

    def _declare_gauges(self, dataplane: DataPlane, budget: BytesBudget, tls: Tls | None) -> None:
        engine, streams = dataplane.engine, dataplane.streams
        for name, text, read in (
            (
                "framehook_queue_depth",
                "Frames that wait for a lane.",
                lambda: sum(lanes.waiting for lanes in engine.lanes),
            ),
            (
                "framehook_frames_in_flight",
                "Frames that lanes are working on.",
                lambda: sum(lanes.running for lanes in engine.lanes),
            ),
            (
                "framehook_bytes_in_flight",
                "Bytes of all bodies in memory, and of answers not taken yet.",
                lambda: budget.in_flight,
            ),
            (
                "framehook_lanes",
                "Frames that can be processed at the same time.",
                lambda: sum(lanes.count for lanes in engine.lanes),
            ),
            ("framehook_viewers", "Viewers of live streams.", lambda: streams.viewers),
            (
                "framehook_ready",
                "1 if the service accepts frames: every model is loaded and it is not shutting down.",
                lambda: engine.is_ready,
            ),
            (
                "framehook_tls_certificate_expiry_timestamp_seconds",
                "When the certificate expires, in seconds since 1970; NaN without TLS.",
                lambda: tls.served.certificate.expires_at.timestamp() if tls else math.nan,
            ),
        ):
            Gauge(name, text, registry=self._registry).set_function(read)
        build = Gauge("framehook_build_info", "1; the versions.", ("version", "onnxruntime"), registry=self._registry)
        build.labels(version("framehook"), _version_of_onnxruntime()).set(1)


def _samples(metric: Counter | Histogram, ending: str) -> Iterator[Sample]:
    """Yield the samples of a metric whose names have this ending."""
    return (sample for family in metric.collect() for sample in family.samples if sample.name.endswith(ending))


def _version_of_onnxruntime() -> str:
    """Return the version of the onnxruntime that is installed, without importing it: only lanes need it.

    Its builds for accelerators are packages of other names.
    """
    found = find_spec("onnxruntime")
    text = Path(found.origin).read_text(encoding="utf-8") if found and found.origin else ""
    written = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    return written[1] if written else "unknown"
