"""Requests that hold a long, odd text in one place: reading them must take time proportional to their length."""

from collections.abc import Callable, Iterator

POST = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
GET = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
BODY = b"abcde"
QUERY_BYTES, FIELD_BYTES = 3900, 8000
SIZES = (QUERY_BYTES, FIELD_BYTES, 60_000)
"""Almost the most that a query, one header field and a whole head may have."""
UNITS = {
    "letters": b"a",
    "capitals": b"A",
    "camel case": b"aB",
    "digits": b"1",
    "percent signs": b"%",
    "escapes": b"%41",
    "half escapes": b"%4",
    "escaped escapes": b"%2541",
    "bad UTF-8": b"%ff",
    "plus signs": b"+",
    "blanks": b" ",
    "tabs and blanks": b"\t ",
    "commas": b",",
    "lists": b"a,",
    "semicolons": b";",
    "parameters": b";a=b",
    "equals signs": b"=",
    "quotes": b'"',
    "quoted texts": b'"a",',
    "backslashes": b"\\",
    "open brackets": b"[",
    "nested brackets": b"[a]",
    "open parentheses": b"(",
    "slashes": b"/",
    "media types": b"a/b,",
    "media types with quality": b"image/*;q=0.1,",
    "dots": b".",
    "dots and slashes": b"../",
    "colons": b":",
    "underscores": b"_",
    "hyphens": b"-",
    "high bytes": b"\xe9",
    "base64": b"QUFB",
    "Digest fields": b'a="b", ',
    "braces": b"{",
    "dollars": b"${a}",
}
"""What is repeated."""
HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Authorization: Basic ",
    "Authorization: Bearer ",
    "Authorization: Digest ",
    'Authorization: Digest username="',
    "Connection",
    "Content-Encoding",
    "Content-Type",
    "Content-Type: image/x-raw; ",
    "Content-Type: multipart/form-data; boundary=",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "Transfer-Encoding",
    "User-Agent",
    "X-API-Key",
    "X-Forwarded-For",
    "traceparent",
    "x-frame-height",
    "x-frame-pixel-format",
    "x-frame-stride",
    "x-frame-width",
    "x-ms-client-request-id",
    "x-unknown",
)
POSTED_TO = ("/inference", "/annotate", "/v1/vision/detection")
QUERIES = (b"", b"stream=", b"confidence=", b"object=", b"maxDetections=", b"pixelFormat=", b"stride=", b"width=")


def _escaped(text: bytes) -> bytes:
    """Return a text without the bytes that a target cannot hold."""
    return bytes(byte for byte in text if 0x21 <= byte < 0x7F and byte != ord("#"))


def _header(path: str, name: str, text: bytes) -> bytes:
    start = name if ":" in name else f"{name}: "
    return POST % path.encode() + start.encode() + text + b"\r\n\r\n" + BODY


def _target(head: bytes, target: bytes) -> bytes:
    return head % _escaped(target) + b"\r\n" + (BODY if head is POST else b"")


def _placed() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """Yield the name of each place, and what makes a request with a text there."""
    for path in POSTED_TO:
        for name in HEADERS:
            yield f"{name} to {path}", lambda text, path=path, name=name: _header(path, name, text)  # type: ignore[misc]
        for start in QUERIES:
            yield (
                f"query {start.decode()} to {path}",
                lambda text, path=path, start=start: _target(POST, path.encode() + b"?" + start + text),  # type: ignore[misc]
            )
    for path in ("/health/live", "/", "/ui/", "/mjpeg/x"):
        yield f"query of {path}", lambda text, path=path: _target(GET, path.encode() + b"?" + text)  # type: ignore[misc]
    for path in ("/", "/inference/", "/ui/", "/models/", "/mjpeg/", "/v1/vision/custom/"):
        yield f"path {path}", lambda text, path=path: _target(GET, path.encode() + text)  # type: ignore[misc]
    yield "absolute form", lambda text: _target(GET, b"http://" + text)
    yield "name of a header", lambda text: GET % b"/health/live" + _escaped(text).replace(b":", b"") + b": y\r\n\r\n"
    yield "many fields of a query", lambda text: _target(POST, b"/inference?" + b"&".join([text[:8]] * 499))
    yield (
        "many headers",
        lambda text: GET % b"/models" + b"".join(b"X: " + text[:600] + b"\r\n" for _ in range(90)) + b"\r\n",
    )


PLACES = dict(_placed())
"""Name of the place → what makes a request with a text in it."""


def text_of(unit: bytes, size_bytes: int) -> bytes:
    """Return a text of that length, which repeats the unit and ends with something else."""
    return (unit * (size_bytes // len(unit) + 1))[: size_bytes - 1] + b"!"
