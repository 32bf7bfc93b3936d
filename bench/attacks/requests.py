"""Requests that cost much more than they weigh, or that take the places of others."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

import numpy as np
from PIL import Image

from bench.attacks.victim import FRAME, Finding, Victim
from bench.harness.servers import OK
from lab.graphs import board, work_for
from lab.pictures import encode
from lab.wire import connect

LONGEST_MS = 100.0
"""Of a probe; on a busy machine ten times what the event loop may be held."""
TEXT_LENGTH = 60_000
FLOOD_S = 5.0
CONNECTIONS, PIPELINED = 32, 8
CAMERA_EVERY_S, CAMERAS, FEWEST, WORK_S = 0.5, 3, 0.8, 0.05
READERS, READING_S, LITTLE_BYTES, READ_EVERY_S = 6, 20.0, 4096, 0.05
VIEWERS, VIEWING_S = 16, 25.0


def long_query_name(victim: Victim) -> Finding:
    """Send capitals as the name of a query parameter."""
    return _cheap(victim, lambda: victim.ask("GET", f"/health/live?{'A' * TEXT_LENGTH}"))


def long_query_value(victim: Victim) -> Finding:
    """Send percent signs as a value."""
    return _cheap(victim, lambda: victim.ask("GET", f"/health/live?x={'%' * TEXT_LENGTH}"))


def long_accept(victim: Victim) -> Finding:
    """Send an Accept header of 60 KB for an annotated picture."""
    headers = {"Accept": "a/b;q=0.1," * (TEXT_LENGTH // 10), "Content-Type": "image/png"}
    return _cheap(victim, lambda: victim.ask("POST", "/annotate", FRAME, headers))


def _cheap(victim: Victim, attack: Callable[[], object]) -> Finding:
    with victim.probed() as probe:
        for _ in range(5):
            attack()
    return Finding(f"longest probe {probe.longest_ms:.0f} ms", probe.longest_ms <= LONGEST_MS)


def metrics_flood(victim: Victim) -> Finding:
    """Pipeline requests for the metrics, over 32 connections."""
    request = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * PIPELINED
    over = threading.Event()

    def flood() -> None:
        with connect(victim.port) as connection:
            while not over.is_set():
                try:
                    connection.sendall(request)
                    connection.recv(1 << 20)
                except OSError:
                    return

    with victim.probed() as probe, _at_once(flood, CONNECTIONS, over):
        time.sleep(FLOOD_S)
    return Finding(f"median probe {probe.median_ms:.0f} ms", probe.median_ms <= LONGEST_MS)


def many_streams(victim: Victim) -> Finding:
    """Post each frame under a new stream name, from 32 connections, beside three cameras."""
    over, names, served = threading.Event(), count(), [0, 0]
    frame = encode(board(7, work=work_for(WORK_S)), "PNG")

    def rush() -> None:
        while not over.is_set():
            victim.post(frame, f"/inference?stream=new-{next(names)}")

    def camera() -> None:
        name = f"camera-{threading.get_ident()}"
        while not over.wait(CAMERA_EVERY_S):
            served[victim.post(frame, f"/inference?stream={name}").status == OK] += 1

    with _at_once(rush, CONNECTIONS, over), _at_once(camera, CAMERAS, over):
        time.sleep(FLOOD_S)
    return Finding(f"{served[1]} of {sum(served)} frames of the cameras served", served[1] >= FEWEST * sum(served))


def trickling_readers(victim: Victim) -> Finding:
    """Read large annotated pictures at 80 KB/s."""
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), np.uint8)
    body = encode(Image.fromarray(noise), "PNG")
    head = "POST /annotate HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: image/png\r\nContent-Type: image/png\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    readers = []
    for _ in range(READERS):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE_BYTES)
        reader.connect(("127.0.0.1", victim.port))
        reader.sendall(request)
        reader.settimeout(READING_S)
        readers.append(reader)
    until, left = time.monotonic() + READING_S, list(readers)
    while left and time.monotonic() < until:
        left = [reader for reader in left if _reads(reader)]
        time.sleep(READ_EVERY_S)
    for reader in readers:
        reader.close()
    return Finding(f"{len(left)} of {READERS} still hold their answers after {READING_S:.0f} s", not left)


def _reads(reader: socket.socket) -> bool:
    try:
        return bool(reader.recv(LITTLE_BYTES))
    except OSError:
        return False


def heads_of_a_stream(victim: Victim) -> Finding:
    """Send HEAD of a live stream, as often as there are places for viewers."""
    victim.post(target="/inference?stream=gate")
    request = b"HEAD /mjpeg/gate HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as open_ones:
        for _ in range(VIEWERS):
            open_ones.enter_context(connect(victim.port, request))
        until, status = time.monotonic() + VIEWING_S, b""
        while b" 200 " not in status and time.monotonic() < until:
            victim.post(target="/inference?stream=gate")
            with connect(victim.port, request.replace(b"HEAD", b"GET")) as viewer:
                status = viewer.recv(LITTLE_BYTES).partition(b"\r\n")[0]
            time.sleep(1)
    return Finding(f"a viewer then got {status.decode()[9:]}", b" 200 " in status)


@contextmanager
def _at_once(act: Callable[[], None], times: int, over: threading.Event) -> Iterator[None]:
    """Run something on several threads until the block ends, which sets `over`."""
    threads = [threading.Thread(target=act) for _ in range(times)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
