"""Raw requests, good and malicious: each gets the answer that the table names, and no second one."""

import pytest

from lab.graphs import number_in
from lab.wire import statuses, talk
from tests.support.raw_requests import FRAME, RAW_REQUESTS, RawRequest
from tests.support.server import LiveServer

ID = b"x-ms-client-request-id: camera-7\r\n"
USUAL = b"X-Request-ID: camera-7\r\n"
REFUSED_HEADS = {
    "path": (b"GET /" + b"y" * 2048 + b" HTTP/1.1\r\nHost: x\r\n" + ID + b"\r\n", 414),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + ID + b"X: y\r\n" * 120 + b"\r\n", 431),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n" + ID + b"\r\n", 400),
    "coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n" + ID + b"\r\n", 400),
    "absolute form": (b"GET http://x:99999/ HTTP/1.1\r\nHost: x\r\n" + ID + b"\r\n", 400),
}


@pytest.mark.parametrize("header", [ID, USUAL], ids=["protocol's", "usual"])
@pytest.mark.parametrize(("sent", "status"), REFUSED_HEADS.values(), ids=REFUSED_HEADS)
def test_a_refusal_in_plain_text_has_the_callers_id(
    identity: LiveServer, sent: bytes, status: int, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    received = talk(identity.port, sent.replace(ID, header))
    assert statuses(received) == (status,)
    assert b"\r\n" + header in received
    lines = [record.facts for record in caplog.records if record.message == "request"]  # type: ignore[attr-defined]
    assert [line["status"] for line in lines if line["requestId"] == "camera-7"] == [status]


def test_no_refusal_has_the_id_of_the_request_before_it(identity: LiveServer) -> None:
    received = talk(identity.port, b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + ID + b"\r\nrubbish\r\n\r\n")
    assert received.count(ID) == 1


@pytest.mark.parametrize("request_", RAW_REQUESTS, ids=lambda request: request.name)
def test_a_raw_request_gets_its_answer(identity: LiveServer, request_: RawRequest) -> None:
    received = talk(identity.port, request_.sent)
    assert statuses(received) == request_.direct
    assert b"\r\nX: y" not in received
    if request_.direct[0] != 200:
        assert b"connection: close" in received.lower()
    answer = identity.client.post("/inference", content=FRAME)
    [inference] = answer.json()["inferences"]
    assert number_in(inference["entity"]["box"]) == 7
