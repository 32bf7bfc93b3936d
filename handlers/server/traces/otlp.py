"""Sends traces by OTLP over HTTP, on a thread of its own. The only module that uses OpenTelemetry.

Which collector, which sampler, how large a queue: the variables OTEL_… of its SDK say.
"""

import logging
import threading
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from handlers.context import RequestRecord
from handlers.parsing.request_names import TraceParent
from handlers.server.traces.budget import Budget
from handlers.server.traces.complaints import log_complaints
from handlers.server.traces.sessions import BriefSession
from handlers.server.traces.spans import Clock, Operations, attributes_of, is_failure, name_of, steps, whole

NAME = "framehook"
CLOSE_S = 1.0
"""How long the end of the service waits for the collector."""
SAMPLED, NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags()
FAILED = Status(StatusCode.ERROR)

logger = logging.getLogger(NAME)


class Traces:
    """Makes the spans of finished requests, and queues them; the queue is bounded, and nothing waits for the collector.

    `per_s`: most traces in a second. Raises ValueError when a variable OTEL_… is wrong.
    """

    def __init__(self, per_s: int, operations: Operations) -> None:
        log_complaints(logger)
        self._budget, self._operations = Budget(per_s), operations
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._sampler, self._ids, self._resource = provider.sampler, provider.id_generator, provider.resource
        self._scope = InstrumentationScope(NAME, version(NAME))
        self._exporter = OTLPSpanExporter(session=BriefSession())
        self._sender = BatchSpanProcessor(self._exporter)

    def add(self, record: RequestRecord, method: str | None, path: str | None) -> None:
        """Queue the trace of a finished request, if it is sampled; the record then has the trace's id."""
        if method is None or path is None or record.operation in self._operations.untraced:
            return
        route = self._operations.routes.get(record.operation or "")
        name = name_of(method, route)
        parent = _context_of(record.parent) if record.parent else None
        context = self._sampled(name, parent)
        if context is None:
            return
        record.trace_id = f"{context.trace_id:032x}"
        clock = Clock.read()
        request = whole(record, clock)
        if record.operation in self._operations.frames:
            for step in steps(record, request, clock):
                child = self._new_context(context.trace_id, context.trace_state)
                self._send(step.name, child, context, start_time=step.start_ns, end_time=step.end_ns)
        self._send(
            name,
            context,
            parent,
            kind=SpanKind.SERVER,
            attributes=attributes_of(record, method, path, route),
            status=FAILED if is_failure(record) else Status(),
            start_time=request.start_ns,
            end_time=request.end_ns,
        )

    def close(self) -> None:
        """Send what is queued; what the collector does not take within a second is lost."""
        closing = threading.Thread(target=self._sender.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # ends its pauses between attempts
            logger.warning("trouble with traces", extra={"facts": {"reason": "the collector does not answer"}})

    def _sampled(self, name: str, parent: SpanContext | None) -> SpanContext | None:
        """Return the identity of a new span, if it is to be sent."""
        around = set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
        trace_id = parent.trace_id if parent else self._ids.generate_trace_id()
        result = self._sampler.should_sample(around, trace_id, name, SpanKind.SERVER)
        if result.decision is not Decision.RECORD_AND_SAMPLE or not self._budget.take():
            return None
        return self._new_context(trace_id, result.trace_state)

    def _new_context(self, trace_id: int, state: TraceState | None) -> SpanContext:
        return SpanContext(
            trace_id, self._ids.generate_span_id(), is_remote=False, trace_flags=SAMPLED, trace_state=state
        )

    def _send(self, name: str, context: SpanContext, parent: SpanContext | None, **facts: Any) -> None:
        """Queue a span: a plain record, which takes a fifth of the time of one that is opened and closed."""
        span = ReadableSpan(name, context, parent, self._resource, instrumentation_scope=self._scope, **facts)
        self._sender.on_end(span)


def _context_of(parent: TraceParent) -> SpanContext:
    """Return a caller's span as OpenTelemetry has it."""
    return SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=SAMPLED if parent.is_sampled else NOT_SAMPLED,
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )


def _resource() -> Resource:
    """Return what the traces are of: this service, unless the environment says more."""
    named = OTELResourceDetector().detect().attributes
    own = {SERVICE_NAME: NAME, SERVICE_VERSION: version(NAME)}
    return Resource.create({key: value for key, value in own.items() if key not in named})
