"""Requests and answers as values."""

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent.

    `headers`: besides Host, credentials and what frames the body, which the sender adds. A name in `without` is not
    added. `chunk_bytes`: send the body in chunks of this size, without Content-Length. `waits`: send the body only
    after the server has said 100 Continue or a second has passed. `head`: send these bytes instead of a head of ours.
    """

    body: bytes = b""
    headers: Headers = ()
    method: str = "POST"
    target: str | None = None
    chunk_bytes: int | None = None
    waits: bool = False
    without: frozenset[str] = frozenset()
    head: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. `headers`: names in lower case."""

    status: int
    headers: Headers
    body: bytes
    duration_s: float
    """From the first byte sent to the last byte received."""
    was_continued: bool = False
    """Whether 100 Continue came first."""
    http_version: str = "1.1"
    is_reusable: bool = False
    """Whether the connection may carry another request."""

    def header(self, name: str) -> str | None:
        """Return the value of a header, several joined with commas; None if it is missing."""
        values = [value for known, value in self.headers if known == name]
        return ", ".join(values) if values else None

    @property
    def media_type(self) -> str:
        """Return the media type without parameters, in lower case; "" if there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def has_parameters(self) -> bool:
        """Return whether the media type has parameters."""
        return bool((self.header("content-type") or "").partition(";")[2].strip("; \t"))

    @property
    def is_good(self) -> bool:
        """Return whether a frame was answered: 200 or 204."""
        return self.status in {200, 204}

    @property
    def summary(self) -> str:
        """Return the status, the media type and the length in a few words."""
        kind = f" {self.media_type}" if self.media_type else ""
        return f"{self.status}{kind}, {len(self.body)} bytes"
