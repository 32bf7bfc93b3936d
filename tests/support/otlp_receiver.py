"""A collector of traces: an OTLP receiver over HTTP, on a real socket, which keeps the spans that it is sent."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.waiting import wait_for

PATH = "/v1/traces"


@dataclass
class Collector:
    """What has arrived. `status`: of its answers. `heads`: the headers of the requests."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    heads: list[Mapping[str, str]] = field(default_factory=list)

    def take(self, sent: ExportTraceServiceRequest) -> None:
        """Keep what was sent."""
        for group in sent.resource_spans:
            self.resources.append(values(group.resource.attributes))
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def wait_for_requests(self, count: int) -> list[Span]:
        """Return the spans of requests, in the order of their arrival, once there are so many."""
        wait_for(lambda: len(self.requests) >= count)
        return self.requests

    @property
    def requests(self) -> list[Span]:
        """The spans of whole requests, which arrive after their steps."""
        return [span for span in list(self.spans) if span.kind == Span.SPAN_KIND_SERVER]

    def steps_of(self, request: Span) -> list[Span]:
        """Return the spans within a request, by their start."""
        inside = [span for span in list(self.spans) if span.parent_span_id == request.span_id]
        return sorted(inside, key=lambda span: span.start_time_unix_nano)

    def tree(self, request: Span) -> str:
        """Return a request and its steps as indented lines: the name, its start and its length in milliseconds."""
        first = request.start_time_unix_nano
        return "\n".join(
            f"{'  ' * (span is not request) + span.name:<24}{(span.start_time_unix_nano - first) / 1e6:8.2f}"
            f"{(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6:8.2f}"
            for span in (request, *self.steps_of(request))
        )


def values(attributes: Any) -> dict[str, Any]:
    """Return attributes as plain data."""
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> Any:
    kind = attribute.value.WhichOneof("value")
    return getattr(attribute.value, kind) if kind else None


class _Request(BaseHTTPRequestHandler):
    """One batch of spans."""

    collector: Collector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == PATH
        assert self.headers["Content-Type"] == "application/x-protobuf"
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.collector.heads.append(dict(self.headers))
        if self.collector.status == 200:
            self.collector.take(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(self.collector.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector until the block ends."""
    collector = Collector()
    handler = type("Request", (_Request,), {"collector": collector})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
