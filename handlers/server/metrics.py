"""Every metric of the service, declared once; docs/metrics.md explains them.

Labels take their values from fixed lists, or from the models served, so that no caller can make new ones.
"""

import math
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from handlers.context import RequestRecord
from handlers.errors import RawFrameError, TooManyPixelsError, UndecodableFrameError
from handlers.server.middleware.admission import BytesBudget
from handlers.server.middleware.logs import LossyHandler
from handlers.server.middleware.problems import HUNG_UP, PROBLEMS
from handlers.server.wire.handshakes import FAILURES
from handlers.server.wire.tls import Tls
from handlers.streams import Streams
from models.errors import SHED_REASONS
from models.runtime.engine import Engine
from models.runtime.reload import Reload

DECODE_PROBLEMS = {PROBLEMS[error].slug for error in (UndecodableFrameError, RawFrameError, TooManyPixelsError)}

REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS_S = (0.0001, 0.00025, 0.0005, *REQUEST_BUCKETS_S)


class _ServedModels(Collector):
    """What is served now: models come and go."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Give one sample a model."""
        family = GaugeMetricFamily(
            "framehook_model_info", "1 for every model served.", labels=("model", "family", "version")
        )
        for model in self._engine.served.models:
            family.add_metric((model.name, model.folder.config.family.name, model.folder.version), 1)
        yield family


class _LostLines(Collector):
    """The one figure that is of the process: its log's."""

    def collect(self) -> Iterator[Metric]:
        """Give the counter."""
        text = "Lines of the log that could not be written."
        yield CounterMetricFamily("framehook_log_lines_lost", text, LossyHandler.lost_lines)


class Metrics:
    """The figures of one service. Counted on the event loop; the gauges are read when somebody asks."""

    def __init__(self, engine: Engine, budget: BytesBudget, streams: Streams, tls: Tls | None) -> None:
        """Declare them all, in a registry of their own. `tls`: None for plain HTTP."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter(
            "framehook_requests", "Requests, by operation and status.", ("operation", "code"), registry=registry
        )
        self._request_seconds = Histogram(
            "framehook_request_duration_seconds",
            "From when a request's header had been read to the end of its answer.",
            ("operation",),
            buckets=REQUEST_BUCKETS_S,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "framehook_stage_duration_seconds",
            "What the stages of a frame took.",
            ("model", "stage"),
            buckets=STAGE_BUCKETS_S,
            registry=registry,
        )
        self._shed = Counter("framehook_shed", "Frames refused for now, by reason.", ("reason",), registry=registry)
        self._rejected = Counter(
            "framehook_decode_rejected",
            "Frames that could not be decoded, by format and reason.",
            ("format", "reason"),
            registry=registry,
        )
        self._detections = Counter("framehook_detections", "Results sent.", ("model",), registry=registry)
        self._dropped = Counter(
            "framehook_candidates_dropped",
            "Candidates left out because the model gave them a value that is no number.",
            ("model",),
            registry=registry,
        )
        self._reloads = Counter(
            "framehook_model_reloads", "Changes of what is served, by result.", ("model", "result"), registry=registry
        )
        self._handshake_failures = Counter(
            "framehook_tls_handshake_failures", "TLS handshakes that failed, by reason.", ("reason",), registry=registry
        )
        for reason in SHED_REASONS:
            self._shed.labels(reason)
        for failure in FAILURES:
            self._handshake_failures.labels(failure)
        self._stage = cache(self._stage_seconds.labels)
        self._declare_gauges(engine, budget, streams, tls)
        registry.register(_LostLines())
        registry.register(_ServedModels(engine))

    def count(self, record: RequestRecord) -> None:
        """Count one request that is over."""
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

    def count_reload(self, reload: Reload) -> None:
        """Count one change of what is served, or one that was rejected."""
        self._reloads.labels(reload.model, reload.change).inc()

    def count_handshake_failure(self, reason: str) -> None:
        """Count one TLS handshake that failed; the reasons are those of `FAILURES`."""
        self._handshake_failures.labels(reason).inc()

    def as_text(self) -> bytes:
        """Return them all in Prometheus's text format."""
        return generate_latest(self._registry)

    def _count_frame(self, model: str, record: RequestRecord) -> None:
        for stage, took_ms in record.stages_ms.items():
            self._stage(model, stage).observe(took_ms / 1000)
        self._detections.labels(model).inc(record.detections or 0)
        self._dropped.labels(model).inc(record.dropped or 0)

    def _declare_gauges(self, engine: Engine, budget: BytesBudget, streams: Streams, tls: Tls | None) -> None:
        for name, text, read in (
            (
                "framehook_queue_depth",
                "Frames that wait for a lane.",
                lambda: sum(lanes.waiting for lanes in engine.lanes),
            ),
            (
                "framehook_frames_in_flight",
                "Frames that are being worked on.",
                lambda: sum(lanes.running for lanes in engine.lanes),
            ),
            ("framehook_bytes_in_flight", "Bytes of all bodies in the house.", lambda: budget.in_flight),
            (
                "framehook_lanes",
                "Frames that can be worked on at once.",
                lambda: sum(lanes.count for lanes in engine.lanes),
            ),
            ("framehook_viewers", "Who watches live streams.", lambda: streams.viewers),
            (
                "framehook_ready",
                "1 when frames are taken: every model is loaded, and the service is not about to end.",
                lambda: engine.is_ready,
            ),
            (
                "framehook_tls_certificate_expiry_timestamp_seconds",
                "When the certificate expires, in seconds since 1970; not a number without TLS.",
                lambda: tls.served.certificate.expires_at.timestamp() if tls else math.nan,
            ),
        ):
            Gauge(name, text, registry=self._registry).set_function(read)
        build = Gauge("framehook_build_info", "1; the versions.", ("version", "onnxruntime"), registry=self._registry)
        build.labels(version("framehook"), version("onnxruntime")).set(1)
