"""Requests as bytes, and the answers they must get: direct, and through nginx as Debian ships it."""

from dataclasses import dataclass

from lab.graphs import board
from lab.pictures import encode

FRAME = encode(board(7), "PNG")
LENGTH = b"Content-Length: %d\r\n" % len(FRAME)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(FRAME), FRAME)
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
CLOSE = b"Connection: close\r\n"
EXPECT = b"Expect: 100-continue\r\n"
NEXT = LIVE + CLOSE + b"\r\n"
"""Follows bytes that may count as a whole request; a second answer then shows where the first request ended."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """`direct`, `proxied`: the statuses of the answers; None: as direct."""

    name: str
    sent: bytes
    direct: tuple[int, ...]
    proxied: tuple[int, ...] | None = None


def chunked(body: bytes, more: bytes = b"") -> bytes:
    return POST + b"Transfer-Encoding: chunked\r\n" + more + b"\r\n" + body


GOOD = [
    RawRequest("length", POST + LENGTH + CLOSE + b"\r\n" + FRAME, (200,)),
    RawRequest("chunked", chunked(CHUNKED, CLOSE), (200,)),
    RawRequest("pipelined", POST + LENGTH + b"\r\n" + FRAME + NEXT, (200, 200)),
    RawRequest("absolute form", POST.replace(b" /", b" http://other/") + LENGTH + CLOSE + b"\r\n" + FRAME, (200,)),
    RawRequest("absolute form without a path", b"GET http://x HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n", (200,)),
    RawRequest("the same with a query", b"GET http://x?a=b HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n", (200,)),
    RawRequest("get with a body", LIVE + b"Content-Length: 3\r\n\r\nabc" + NEXT, (200, 200)),
    RawRequest("empty lines first", b"\r\n\r\n" + NEXT, (200,)),
    RawRequest("1.0 without a host", b"GET /health/live HTTP/1.0\r\n\r\n", (200,)),
    RawRequest("1.0 expects 100", POST.replace(b"/1.1", b"/1.0") + EXPECT + LENGTH + b"\r\n" + FRAME, (200,)),
    RawRequest("1.1 expects 100", POST + EXPECT + LENGTH + CLOSE + b"\r\n" + FRAME, (100, 200)),
    RawRequest("absolute form with TLS", NEXT.replace(b" /", b" https://x/"), (200,)),
    RawRequest("chunk extension", chunked(b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(FRAME), FRAME), CLOSE), (200,)),
    RawRequest("no chunk but a trailer", chunked(b"0\r\nX-Sum: 1\r\n\r\n", CLOSE), (400,)),
    RawRequest("trailer", chunked(CHUNKED[:-2] + b"X-Sum: 1\r\n\r\n", CLOSE), (200,)),
    RawRequest("a name like a length", POST + b"Content_Length: 0\r\n" + LENGTH + CLOSE + b"\r\n" + FRAME, (200,)),
    RawRequest("an id like two headers", LIVE + b"x-ms-client-request-id: a%0d%0aX: y\r\n" + CLOSE + b"\r\n", (200,)),
]
SMUGGLING = [
    RawRequest("length and chunked", POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, (400,)),
    RawRequest("chunked and length", chunked(b"0\r\n\r\n" + NEXT, LENGTH), (400,)),
    RawRequest("two lengths", POST + LENGTH + LENGTH + b"\r\n" + FRAME + NEXT, (400,)),
    RawRequest("two other lengths", POST + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + FRAME + NEXT, (400,)),
    RawRequest("list of lengths", POST + b"Content-Length: 9, 9\r\n\r\n" + b"x" * 9 + NEXT, (400,)),
    RawRequest("length with a sign", POST + b"Content-Length: +9\r\n\r\n" + b"x" * 9 + NEXT, (400,)),
    RawRequest("negative length", POST + b"Content-Length: -1\r\n\r\n" + NEXT, (400,)),
    RawRequest("hexadecimal length", POST + b"Content-Length: 0x9\r\n\r\n" + b"x" * 9 + NEXT, (400,)),
    RawRequest("empty length", POST + b"Content-Length: \r\n\r\n" + NEXT, (400,)),
    RawRequest("length beyond 64 bits", POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + NEXT, (400,)),
    RawRequest("chunked twice", chunked(CHUNKED + NEXT, b"Transfer-Encoding: chunked\r\n"), (400,)),
    RawRequest("another coding first", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED, (400,), (501,)),
    RawRequest("another coding last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKED, (400,), (501,)),
    RawRequest("a coding like chunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED, (400,), (501,)),
    RawRequest("vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED + NEXT, (400,), (501,)),
    RawRequest("chunked in 1.0", chunked(CHUNKED).replace(b"/1.1", b"/1.0"), (400,)),
    RawRequest("blank before the colon", POST + LENGTH.replace(b":", b" :") + b"\r\n" + FRAME + NEXT, (400,)),
    RawRequest("folded line", POST + b"X-A: a\r\n b\r\n" + LENGTH + b"\r\n" + FRAME + NEXT, (400,)),
    RawRequest("folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED + NEXT, (400,)),
    RawRequest("bare line feeds", (POST + LENGTH).replace(b"\r", b"") + b"\n" + FRAME + NEXT, (400,), (200, 200)),
    RawRequest("one bare line feed", POST + b"X: y\n" + LENGTH + b"\r\n" + FRAME + NEXT, (400,), (200, 200)),
    RawRequest("bare carriage return", POST + b"X: y\r" + LENGTH + b"\r\n" + FRAME + NEXT, (400,)),
    RawRequest("zero byte", LIVE + b"X: a\0b\r\n\r\n", (400,)),
    RawRequest("negative chunk", chunked(b"-1\r\nx\r\n0\r\n\r\n" + NEXT), (400,)),
    RawRequest("chunk of 0x1", chunked(b"0x1\r\nx\r\n0\r\n\r\n" + NEXT), (400,)),
    RawRequest("chunk beyond 64 bits", chunked(b"1" + b"0" * 20 + b"\r\nx\r\n0\r\n\r\n" + NEXT), (400,)),
    RawRequest("chunk longer than declared", chunked(b"1\r\nxx\r\n0\r\n\r\n" + NEXT), (400,)),
    RawRequest("chunk that is none behind an offer", chunked(b"zz\r\nabcde\r\n0\r\n\r\n" + NEXT, OFFER), (400,)),
    RawRequest("bare line feeds in chunks", chunked(CHUNKED.replace(b"\r\n0\r\n", b"\n0\n")), (400,), (200,)),
    RawRequest("length in a trailer", chunked(CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n", CLOSE), (400,), (200,)),
]
MALFORMED = [
    RawRequest("no host", b"GET /health/live HTTP/1.1\r\n" + CLOSE + b"\r\n", (400,)),
    RawRequest("two hosts", LIVE + b"Host: x\r\n" + CLOSE + b"\r\n", (400,)),
    RawRequest("host with a blank", LIVE.replace(b": x", b": a b") + CLOSE + b"\r\n", (400,)),
    RawRequest("host with a path", LIVE.replace(b": x", b": a/b") + CLOSE + b"\r\n", (400,)),
    RawRequest("no version", b"GET /health/live\r\n\r\n", (400,), ()),
    RawRequest("options of everything", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n", (404,), (400,)),
    RawRequest("no path", NEXT.replace(b" /health/live", b" x"), (400,)),
    RawRequest("another protocol", b"DESCRIBE rtsp://x/gate RTSP/1.0\r\nCSeq: 1\r\n\r\n", (404,), (400,)),
    RawRequest("version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    RawRequest("unknown method", NEXT.replace(b"GET", b"FROB"), (400,)),
    RawRequest("method in lower case", NEXT.replace(b"GET", b"get"), (400,)),
    RawRequest("blank in the target", NEXT.replace(b"/live", b"/li ve"), (400,)),
    RawRequest("port beyond 16 bits", NEXT.replace(b" /", b" http://x:99999/"), (400,), (200,)),
    RawRequest("port that is none", NEXT.replace(b" /", b" http://x:y/"), (400,)),
    RawRequest("connect", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", (400,)),
    RawRequest("header without a name", LIVE + b": y\r\n\r\n", (400,)),
    RawRequest("hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), (400,)),
    RawRequest("150 headers", LIVE + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + CLOSE + b"\r\n", (431,)),
    RawRequest("header of 70 KB", LIVE + b"X: " + b"y" * 70_000 + b"\r\n\r\n", (431,), (400,)),
    RawRequest("header without an end", LIVE + b"X: " + b"y" * 300_000, (431,), (400,)),
    RawRequest(
        "500 query fields", NEXT.replace(b"/live", b"/live?" + b"&".join(b"%x" % n for n in range(500))), (200,)
    ),
    RawRequest(
        "501 query fields", NEXT.replace(b"/live", b"/live?" + b"&".join(b"%x" % n for n in range(501))), (414,)
    ),
    RawRequest("header of 8 KB", LIVE + b"X: " + b"y" * 8191 + b"\r\n" + CLOSE + b"\r\n", (200,), (400,)),
    RawRequest("header of more", LIVE + b"X: " + b"y" * 8192 + b"\r\n" + CLOSE + b"\r\n", (431,), (400,)),
    RawRequest("path of 2 KB", NEXT.replace(b"/health/live", b"/" + b"y" * 2047), (404,)),
    RawRequest("path of more", NEXT.replace(b"/health/live", b"/" + b"y" * 2048), (414,)),
    RawRequest("query of 4 KB", NEXT.replace(b"/live", b"/live?" + b"A" * 4096), (200,)),
    RawRequest("query of more", NEXT.replace(b"/live", b"/live?" + b"A" * 4097), (414,)),
    RawRequest("target of 70 KB", b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (431,), (414,)),
]
RAW_REQUESTS = [*GOOD, *SMUGGLING, *MALFORMED]
