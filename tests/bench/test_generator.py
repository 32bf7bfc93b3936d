"""The load generator counts correctly against a server that misbehaves on purpose in every way."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.harness.connection import Reply
from bench.harness.generator import Clients, Shot, Target, closed_loop, open_loop, run, schedule
from bench.harness.outcomes import Run, Verdict
from lab.wire import refusing

FRAMES = 60
PATIENT = Clients(patience_s=60)
IMPATIENT_S = 5
"""Longer than a machine stands still while the right answers come."""
Answer = Callable[[int], bytes | None]
"""Frame number → the bytes to send back; None hangs up."""


def answer_with(text: object, status: str = "200 OK", headers: str = "") -> bytes:
    body = str(text).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def refusal(headers: str) -> bytes:
    return answer_with("busy", "503 Service Unavailable", headers)


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """Run a server that answers frame n with `answer(n)`; yield its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"Content-Length: (\d+)", head)
                number = int(await reader.readexactly(int(length[1]) if length else 0))
                reply = answer(number)
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


def request(number: int, _: int) -> Sequence[bytes]:
    body = b"%d" % number
    return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body), body


def check(number: int, reply: Reply) -> Verdict:
    if reply.status == 503:
        return Verdict.REFUSED
    if reply.status != 200:
        return Verdict.OTHER
    return Verdict.RIGHT if reply.body == b"%d" % number else Verdict.MIXED_UP


def shoot(answer: Answer, clients: Clients = PATIENT, frames: int = FRAMES) -> Run:
    async def scenario() -> Run:
        async with server(answer) as port:
            shots = [Shot(number / 500) for number in range(frames)]
            return await open_loop(Target("127.0.0.1", port, request, check), shots, clients)

    return run(scenario())


def every_third(fault: Callable[[int], bytes | None]) -> Answer:
    return lambda number: fault(number) if number % 3 == 0 else answer_with(number)


def test_right_answers_are_counted() -> None:
    result = shoot(answer_with)
    assert result.counts() == dict.fromkeys(result.counts(), 0) | {"right": FRAMES}
    assert 0.5 * FRAMES <= result.goodput_per_s() * result.seconds <= FRAMES  # some come when all are sent
    assert all(0 < outcome.wait_s <= outcome.latency_s < PATIENT.patience_s for outcome in result.outcomes)


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        pytest.param(lambda _: None, "lost", id="hangs up"),
        pytest.param(lambda number: answer_with(number)[:-1], "late", id="never ends its answer"),
        pytest.param(lambda number: answer_with(number + 1), "mixed up", id="another frame's answer"),
        pytest.param(lambda _: refusal("Retry-After: 1\r\n"), "refused", id="busy"),
        pytest.param(lambda _: answer_with("", "500 Internal Server Error"), "other", id="another status"),
        pytest.param(lambda _: b"rubbish\r\n\r\n", "other", id="no HTTP"),
        pytest.param(lambda _: b"HTTP/1.1 200 OK\r\n\r\n1", "other", id="no length"),
    ],
)
def test_a_fault_is_counted_as_what_it_is(fault: Callable[[int], bytes | None], verdict: str) -> None:
    clients = Clients(patience_s=IMPATIENT_S) if verdict == "late" else PATIENT
    counts = shoot(every_third(fault), clients).counts()
    assert {name: count for name, count in counts.items() if count} == {"right": FRAMES * 2 // 3, verdict: FRAMES // 3}


def test_doubled_answers_are_counted() -> None:
    counts = shoot(every_third(lambda number: answer_with(number) * 2)).counts()
    assert counts["doubled"] == FRAMES // 3
    assert counts["right"] == FRAMES


@pytest.mark.parametrize(
    ("headers", "right"),
    [("Retry-After: 1\r\n", True), ("", False), ("Retry-After: 0\r\n", False), ("Retry-After: 1.5\r\n", False)],
)
def test_a_refusal_needs_a_retry_after(headers: str, right: bool) -> None:  # noqa: FBT001
    record = shoot(lambda _: refusal(headers)).record()
    assert record["counts"]["refused"] == FRAMES
    assert record["refused_with_retry_after"] == (FRAMES if right else 0)


def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    counts = shoot(lambda number: answer_with(number, headers="Connection: close\r\n")).counts()
    assert counts["right"] == FRAMES


def test_frames_beyond_the_connections_are_not_sent() -> None:
    counts = shoot(lambda _: b"", Clients(max_connections=5, patience_s=IMPATIENT_S)).counts()
    assert (counts["late"], counts["not sent"]) == (5, FRAMES - 5)


def test_latency_counts_from_when_a_frame_is_due() -> None:
    """Frames that are due together and wait for each other's dispatch count their whole delay."""

    async def scenario() -> Run:
        async with server(answer_with) as port:
            shots = [Shot(0.0), Shot(0.0), Shot(0.05)]
            started = asyncio.get_running_loop().time
            blocked_until = started() + 0.3
            asyncio.get_running_loop().call_later(0.02, lambda: _block(started, blocked_until))
            return await open_loop(Target("127.0.0.1", port, request, check), shots, PATIENT)

    last = max(run(scenario()).outcomes, key=lambda outcome: outcome.number)
    assert last.latency_s - last.wait_s > 0.2


def _block(now: Callable[[], float], until: float) -> None:
    while now() < until:
        pass


def test_clients_hang_up_and_the_others_get_their_answers() -> None:
    clients = Clients(abandon_share=0.5, abandon_within_s=0.001, patience_s=PATIENT.patience_s)
    counts = shoot(answer_with, clients, frames=300).counts()
    assert counts["abandoned"] > 20
    assert counts["right"] > 100
    assert counts["abandoned"] + counts["right"] == 300


def test_a_closed_loop_keeps_every_client_busy() -> None:
    async def scenario() -> Run:
        async with server(answer_with) as port:
            return await closed_loop(Target("127.0.0.1", port, request, check), 4, 2)

    result = run(scenario())
    assert len(result.having(Verdict.RIGHT)) == len(result.outcomes) > 20
    assert sorted(outcome.number for outcome in result.outcomes) == list(range(len(result.outcomes)))


def test_a_server_that_is_not_there_loses_everything() -> None:
    async def scenario() -> Run:
        with refusing() as port:
            target = Target("127.0.0.1", port, request, check)
            return await open_loop(target, schedule(100, 0.1), PATIENT)

    assert run(scenario()).counts()["lost"] == 10


def test_arrivals_keep_their_rate() -> None:
    assert [shot.due_s for shot in schedule(4, 1)] == [0, 0.25, 0.5, 0.75]
    assert len(schedule(1000, 10, seed=1)) == pytest.approx(10_000, rel=0.05)
    assert schedule(10, 1, seed=1, stream=3)[0].stream == 3


@pytest.mark.parametrize("host", ["192.0.2.1", "::2", "10.0.0.1"])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Target(host, 80, request, check)
