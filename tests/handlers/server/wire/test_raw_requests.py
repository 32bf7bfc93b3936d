"""Raw requests, good and malicious: each gets the answer that the table names, and no second one."""

import pytest

from lab.graphs import number_in
from lab.wire import statuses, talk
from tests.support.raw_requests import FRAME, RAW_REQUESTS, RawRequest
from tests.support.server import LiveServer


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
