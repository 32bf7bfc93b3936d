"""Requests that provoke the response examples of openapi.yaml: one builder per name of an example."""

import json
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx
import pytest
from PIL import ImageChops

from handlers.deepstack.dialect import is_dialect
from handlers.server.access.back_off import FREE_FAILURES
from handlers.server.wire import http_server
from lab.graphs import ENDLESS, board, work_for, write_identity_model
from lab.pictures import PHOTOS, blank, encode, lying, street, street_as
from lab.processes import kill_workers
from tests.support.client import CONTRACT, check_answer
from tests.support.credentials import AUTHORIZED, CAMERA_TOKEN, PROBE_TOKEN, basic, bearer
from tests.support.live import posting
from tests.support.models.chains import street_with_plate
from tests.support.models.pages import TIMETABLE, page
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, TRIES, wait_for

ARRIVAL_S = 0.2
"""Time for a frame to reach its lane; a fifth of the time of a slow frame there."""

FRAME = encode(board(7), "PNG")
LIVE_STREAM, SET_STREAM, CROSSED_STREAM = "yard-1", "yard-2", "yard-3"
SETTINGS = {
    name: example["value"]
    for name, example in CONTRACT["components"]["requestBodies"]["StreamSettings"]["content"]["application/json"][
        "examples"
    ].items()
}
RAW = {"Content-Type": "image/x-raw"}

Builder = Callable[[LiveServer, str], httpx.Response]


def post(server: LiveServer, path: str, content: bytes = FRAME, **options: Any) -> httpx.Response:
    """Post a frame, in a form where the path takes one."""
    if is_dialect(path) and "headers" not in options:
        return server.client.post(path, files={"image": content}, **options)
    return server.client.post(path, content=content, **options)


def post_form(*fields: tuple[str, Any]) -> Callable[[LiveServer, str], httpx.Response]:
    """Return a builder that posts a form of these fields; texts are fields, bytes are files."""
    parts = [(name, (None, value) if isinstance(value, str) else value) for name, value in fields]
    return lambda server, path: server.client.post(path, files=parts)


def labelled(content_type: str) -> Callable[[LiveServer, str], httpx.Response]:
    return lambda server, path: post(server, path, headers={"Content-Type": content_type})


def request(server: LiveServer, path: str) -> httpx.Response:
    """Request a path with its own method: a reload with the token, a description, or a frame."""
    if path.endswith("/reload"):
        return server.client.post(path, headers=AUTHORIZED)
    return get(server, path) if path.startswith("/models") else post(server, path)


def of_model(server: LiveServer, path: str, model: str, photo: str) -> httpx.Response:
    """Post a photo to a model, named in the path unless the path has its own model."""
    return post(server, path.replace(server.model, model), (PHOTOS / photo).read_bytes())


def get(server: LiveServer, path: str) -> httpx.Response:
    return server.client.get(path)


def until(words: str, builder: Builder) -> Builder:
    """Return a builder that tries again, a few times, as long as these words are not in the answer.

    If the machine stands still for a moment, a frame that should be in the way of another has ended before.
    """

    def build(server: LiveServer, path: str) -> httpx.Response:
        for _ in range(TRIES):
            answer = builder(server, path)
            if words in answer.text:
                break
        return answer

    return build


def wait_for_frames(server: LiveServer, count: int, last: threading.Thread) -> None:
    """Return once this many frames wait or run, or the last of them, which a thread has sent, is answered."""

    def has_arrived() -> bool:
        status = server.client.get("/status").json()
        return bool(status["queueDepth"] + status["framesRunning"] == count) or not last.is_alive()

    wait_for(has_arrived)


def overloaded(server: LiveServer, path: str) -> httpx.Response:
    """Fill the only lane and the only place in the queue, then send another frame."""
    slow = encode(board(work=work_for(1.0)), "PNG")
    fillers = [threading.Thread(target=_send, args=(server, body)) for body in (slow, FRAME)]
    for number, filler in enumerate(fillers, 1):
        filler.start()
        wait_for_frames(server, number, filler)
    answer = post(server, path)
    for filler in fillers:
        filler.join()
    return answer


def wait_for_the_end(_: LiveServer, path: str) -> httpx.Response:
    """Send a frame that waits behind one that never ends, to a service that is then told to stop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_server, "SEND_S", PATIENCE_S)  # the machine may stand still while it answers
        return _answer_at_the_end(path)


def _answer_at_the_end(path: str) -> httpx.Response:
    times = {"drain_delay_s": 0, "shutdown_timeout_s": 0.5, "queue_timeout_s": 20, "run_timeout_s": 60}
    with TemporaryDirectory() as folder, serving(write_identity_model(Path(folder)), lanes=1, **times) as server:

        def stop() -> None:
            wait_for_frames(server, 2, filler)
            server.terminate()

        filler = threading.Thread(target=post, args=(server, "/inference", encode(board(work=ENDLESS), "PNG")))
        filler.start()
        wait_for_frames(server, 1, filler)
        stopper = threading.Thread(target=stop)
        stopper.start()
        answer = post(server, path)
        for thread in (filler, stopper):
            thread.join()
    return answer


def waited_too_long(server: LiveServer, path: str) -> httpx.Response:
    """Fill the only lane with a frame that never ends, then send one that has to wait."""
    endless = partial(post, server, path, encode(board(work=ENDLESS), "PNG"))
    filler = threading.Thread(target=endless)
    filler.start()
    wait_for_frames(server, 1, filler)
    answer = post(server, path)
    filler.join()
    return answer


def lane_lost(server: LiveServer, path: str) -> httpx.Response:
    """Post a frame that never ends, and kill the process that works on it."""
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(post(server, path, encode(board(work=ENDLESS), "PNG"))))
    caller.start()
    wait_for(lambda: bool(server.client.get("/status").json()["framesRunning"] == 1) or not caller.is_alive())
    time.sleep(ARRIVAL_S)
    kill_workers()
    caller.join()
    return answers[0]


def receiving_too_much(server: LiveServer, path: str) -> httpx.Response:
    """Send nearly all of a large frame, then another."""
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
        connection.sendall(bytes(99_999))
        time.sleep(ARRIVAL_S)
        return post(server, path, FRAME + b"\0" * 60_000)


def body_timeout(server: LiveServer, path: str) -> httpx.Response:
    """Send half a frame and wait."""
    method, path = path.method if isinstance(path, Target) else "POST", path.replace("{stream}", SET_STREAM)
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as connection:
        authorization = f"Authorization: {AUTHORIZED['Authorization']}"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Length: {len(FRAME)}\r\n\r\n"
        connection.sendall(head.encode() + FRAME[:20])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.decode().partition("\r\n\r\n")
    status_line, *lines = head.split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    response = httpx.Response(int(status_line.split()[1]), headers=headers, content=body.encode())
    check_answer(method, path, response)
    return response


class Target(str):
    """The path of an operation, and its method."""

    __slots__ = ("method",)

    method: str

    @classmethod
    def of(cls, method: str, path: str) -> Self:
        target = cls(path)
        target.method = method.upper()
        return target


def with_credential(server: LiveServer, path: str, headers: dict[str, str]) -> httpx.Response:
    """Request a path with its own method and this credential alone."""
    assert isinstance(path, Target)
    return server.client.request(path.method, path, headers=headers)


def may_not(server: LiveServer, path: str) -> httpx.Response:
    """Request health and metrics with the credential of a camera, everything else with that of a probe."""
    token = CAMERA_TOKEN if path.startswith(("/health", "/status", "/metrics", "/v1/status/ping")) else PROBE_TOKEN
    return with_credential(server, path, bearer(token))


def live_stream(server: LiveServer, name: str = LIVE_STREAM) -> None:
    """Make a stream live."""
    assert post(server, "/inference", street_as("JPEG"), params={"stream": name}).status_code == 200


def stream_list(server: LiveServer, path: str) -> httpx.Response:
    """Make a stream live, and request the list of live streams."""
    live_stream(server)
    return get(server, path)


def stream_page(server: LiveServer, path: str) -> httpx.Response:
    """Make a stream live, and request its page."""
    live_stream(server)
    return get(server, path.replace("{stream}", LIVE_STREAM))


def put(server: LiveServer, path: str, content: bytes, **headers: str) -> httpx.Response:
    """Put the settings of a stream."""
    return server.client.put(path.replace("{stream}", SET_STREAM), content=content, headers=AUTHORIZED | headers)


def stream_settings(server: LiveServer, path: str, name: str = "yard") -> httpx.Response:
    """Put the settings of a stream, and request them, or remove them."""
    assert isinstance(path, Target)
    path_of_stream = path.replace("{stream}", SET_STREAM)
    written = put(server, path, json.dumps(SETTINGS[name]).encode())
    return written if path.method == "PUT" else server.client.request(path.method, path_of_stream, headers=AUTHORIZED)


def crossing(server: LiveServer, path: str) -> httpx.Response:
    """Post two frames of a street on which a person crosses a line; return the second answer."""
    stream = f"/streams/{CROSSED_STREAM}"
    server.client.put(f"{stream}/settings", json=SETTINGS["gate"], headers=AUTHORIZED)
    server.client.delete(stream, headers=AUTHORIZED)
    for moved_px in (40, 80):
        frame = encode(ImageChops.offset(street(), moved_px, 0), "JPEG", quality=95)
        answer = post(server, path, frame, params={"stream": CROSSED_STREAM})
    return answer


def crossed_stream(server: LiveServer, path: str) -> httpx.Response:
    """Request what is remembered of that street, or forget it."""
    assert isinstance(path, Target)
    crossing(server, "/inference")
    return server.client.request(path.method, path.replace("{stream}", CROSSED_STREAM), headers=AUTHORIZED)


def status_after_a_frame(server: LiveServer, path: str) -> httpx.Response:
    post(server, "/inference")
    return get(server, path)


def refused_frames(server: LiveServer, path: str) -> httpx.Response:
    """Return the status after three empty frames of one stream."""
    for _ in range(3):
        post(server, "/inference", b"", params={"stream": LIVE_STREAM})
    return get(server, path)


def unknown_stream_model(server: LiveServer, path: str) -> httpx.Response:
    """Post a frame of a stream whose settings name a model that is not served."""
    settings = {"model": "gone"}
    assert server.client.put("/streams/gone/settings", json=settings, headers=AUTHORIZED).status_code == 200
    answer = post(server, path, params={"stream": "gone"})
    server.client.delete("/streams/gone/settings", headers=AUTHORIZED)
    return answer


def moving_picture(server: LiveServer, path: str) -> httpx.Response:
    """Watch a stream until it has shown one picture, while its camera keeps posting."""
    with posting(server, LIVE_STREAM):
        return server.client.get(path.replace("{stream}", LIVE_STREAM), params={"frames": 1})


def too_many_viewers(server: LiveServer, path: str) -> httpx.Response:
    """Watch a stream once more than its two allowed viewers."""
    path = path.replace("{stream}", LIVE_STREAM)
    post(server, "/inference", params={"stream": LIVE_STREAM})
    with (
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as other,
        other.stream("GET", path),
        other.stream("GET", path),
    ):
        return get(server, path)


def too_many_failures(server: LiveServer, path: str) -> httpx.Response:
    """Guess passwords until they are no longer checked; where checks are slow, the first waits are over by then."""
    for number in range(3 * FREE_FAILURES):
        answer = with_credential(server, path, basic("guesser", f"guess {number}"))
        if "Too many" in answer.text:
            break
    return answer


def wrong_credential(server: LiveServer, path: str) -> httpx.Response:
    """Send a wrong password of a user whose failures are few: users share counters at random, the guesser's too."""
    for number in range(3):
        answer = with_credential(server, path, basic(f"{path} {number}", "wrong password"))
        if "Too many" not in answer.text:
            break
    return answer


ON_DEFAULT_MODEL: dict[str, Builder] = {
    "street": lambda server, path: post(server, path, street_as("JPEG"), params={"maxDetections": 2}),
    "turned": lambda server, path: post(server, path, lying(street(), 6), params={"maxDetections": 2, "exif": "apply"}),
    "cup": lambda server, path: post(
        server, path.replace(server.model, "efficientnet-lite0"), (PHOTOS / "coffee.jpg").read_bytes()
    ),
    "annotatedJpeg": lambda server, path: post(server, path, street_as("JPEG")),
    "annotatedPng": lambda server, path: post(server, path, street_as("JPEG"), headers={"Accept": "image/png"}),
    "streamList": stream_list,
    "streamPage": stream_page,
    "movingPicture": moving_picture,
    "yard": stream_settings,
    "gate": partial(stream_settings, name="gate"),
    "crossing": crossing,
    "streamState": crossed_stream,
    "streamForgotten": crossed_stream,
    "settingsRemoved": stream_settings,
    "noStreamSettings": lambda server, path: server.client.request(
        "DELETE", path.replace("{stream}", "nope"), headers=AUTHORIZED
    ),
    "unknownKey": lambda server, path: put(server, path, b'{"treshold": 1}'),
    "notJson": lambda server, path: put(server, path, b"motion: {}"),
    "settingsTooLarge": lambda server, path: put(server, path, b" " * 65537),
    "encodedSettings": lambda server, path: put(server, path, b"{}", **{"Content-Encoding": "gzip"}),
    "unknownStream": lambda server, path: server.client.request(
        getattr(path, "method", "GET"), path.replace("{stream}", "%07"), headers=AUTHORIZED
    ),
    "badDraw": lambda server, path: server.client.get(path, params={"draw": "motion"}),
    "badFrames": lambda server, path: server.client.get(path, params={"frames": 0}),
    "consolePage": get,
    "consoleScript": lambda server, path: get(server, path.replace("{file}", "app.js")),
    "consoleStyle": lambda server, path: get(server, path.replace("{file}", "console.css")),
    "samplePhoto": lambda server, path: get(server, path.replace("{file}", "street.jpg")),
    "logo": lambda server, path: get(server, path.replace("{file}", "logo.svg")),
    "unknownFile": lambda server, path: get(server, path.replace("{file}", "nope.js")),
    "nothingFound": lambda server, path: post(server, path, blank()),
    "unknownModel": lambda server, path: request(server, path.replace(server.model, "nope")),
    "unknownStreamModel": unknown_stream_model,
    "unknownPath": lambda server, path: request(server, path + "/nope"),
    "predictions": lambda server, path: post(server, path, street_as("JPEG"), params={"maxDetections": 2}),
    "noPredictions": lambda server, path: post(server, path, blank()),
    "faces": lambda server, path: of_model(server, path, "blazeface-back", "astronaut.jpg"),
    "scene": lambda server, path: of_model(server, path, "efficientnet-lite0", "coffee.jpg"),
    "customModels": post,
    "pong": get,
    "analysisModules": get,
    "updateState": get,
    "unchanged": request,
    "queryTooLong": lambda server, path: server.client.get(path, params={"object": "x" * 5000}),
    "headTooLarge": lambda server, path: server.client.get(path, headers={"Cookie": "x" * 9000}),
    "wrongMethod": lambda server, path: server.client.patch(path),
    "modelList": get,
    "model": get,
    "live": get,
    "ready": get,
    "metrics": get,
    "status": status_after_a_frame,
    "refusedFrames": refused_frames,
    "contractYaml": get,
    "contractJson": get,
}
"""Sent to the service with the built-in models."""

ON_SMALL_SERVICE: dict[str, Builder] = {
    "undecodable": lambda server, path: post(server, path, b"\0" * 100),
    "truncated": lambda server, path: post(server, path, street_as("JPEG")[:5000]),
    "otherCoding": lambda server, path: post(server, path, street_as("JPEG")[:5000].replace(b"\xff\xc0", b"\xff\xc9")),
    "empty": lambda server, path: post(server, path, b""),
    "emptyPicture": lambda server, path: post(server, path, b""),
    "noPicture": post_form(("picture", "none")),
    "noFileName": lambda server, path: server.client.post(path, files={"image": (None, FRAME, "image/jpeg")}),
    "badForm": post_form(("image", FRAME), ("image", FRAME)),
    "badMinConfidence": post_form(("image", FRAME), ("min_confidence", "0,4")),
    "badMaxDetections": lambda server, path: post(server, path, params={"maxDetections": 0}),
    "badConfidence": lambda server, path: post(server, path, params={"confidence": 1.5}),
    "unknownLabel": lambda server, path: post(server, path, params={"object": "unicorn"}),
    "rawLengthMismatch": lambda server, path: post(
        server, path, b"\0" * 9000, params={"width": 64, "height": 48, "pixelFormat": "bgr24"}, headers=RAW
    ),
    "rawWithoutSize": lambda server, path: post(server, path, params={"pixelFormat": "yuv420p"}, headers=RAW),
    "badWidth": lambda server, path: post(server, path, params={"width": 0}, headers=RAW),
    "malformedContentType": labelled("bad-content-type"),
    "tooManyViewers": too_many_viewers,
    "bodyTimeout": body_timeout,
    "bodyTooLarge": lambda server, path: post(server, path, b"\0" * 100_001),
    "tooManyPixels": lambda server, path: post(server, path, blank((1000, 1000))),
    "unsupportedMediaType": lambda server, path: server.client.post(path, json={"image": "AAAA"}),
    "form": lambda server, path: server.client.post(path, files={"image": FRAME}),
    "otherFormat": lambda server, path: post(server, path, b"\0\0\0\x18ftypheic\0\0\0\0mif1"),
    "contentEncoding": lambda server, path: post(server, path, headers={"Content-Encoding": "gzip"}),
    "inferenceFailed": lambda server, path: post(server, path, encode(board(failure=True), "PNG")),
    "overloaded": until("as many frames as it can", overloaded),
    "receivingTooMuch": until("being received", receiving_too_much),
}
"""Sent to the identity model behind small limits: one lane, one place in the queue, 100 000 bytes a
body, 150 000 bytes in flight, 500 000 pixels, 1 s, two viewers."""

ON_IMPATIENT_SERVICE: dict[str, Builder] = {
    "nobodyMay": lambda server, path: with_credential(server, path, {}),
    "waitedTooLong": until("waited", waited_too_long),
    "inferenceTimeout": until("stopped", lambda server, path: post(server, path, encode(board(work=ENDLESS), "PNG"))),
}
"""Sent to the identity model with one lane, where a frame may wait 0.5 s and run 1 s; there are no credentials."""

ON_ISOLATED_SERVICE: dict[str, Builder] = {
    "laneLost": until("process", lane_lost),
}
"""Sent to the identity model whose lane is a process."""

ON_READING_SERVICE: dict[str, Builder] = {
    "text": lambda server, path: post(server, path, encode(page(TIMETABLE[0]), "PNG")),
}
"""Sent to a model that reads text."""

ON_CHAINED_SERVICE: dict[str, Builder] = {
    "chainedClass": lambda server, path: of_model(server, path, "things", "coffee.jpg"),
    "chainedText": lambda server, path: post(
        server, path.replace(server.model, "plates"), encode(street_with_plate(), "PNG")
    ),
    "plates": lambda server, path: server.client.post(path, files={"upload": encode(street_with_plate(), "PNG")}),
}
"""Sent to models that give their objects to other models."""

ON_POSING_SERVICE: dict[str, Builder] = {"keypoints": post}
"""Sent to a model that finds a person and two of its key points."""

ON_ENCODING_SERVICE: dict[str, Builder] = {"embedding": post}
"""Sent to a model that gives a vector."""

ON_STARTING_SERVICE: dict[str, Builder] = {
    "notReady": get,
    "notReadyForFrames": post,
}
"""Sent to a service whose model never loads."""

ON_GUARDED_SERVICE: dict[str, Builder] = {
    "noCredential": lambda server, path: with_credential(server, path, {}),
    "wrongCredential": wrong_credential,
    "wrongKey": post_form(("image", FRAME), ("api_key", "not a token")),
    "mayNot": may_not,
    "unknownHost": lambda server, path: with_credential(
        server, path, {"Host": "evil.example", "Origin": "http://evil.example"}
    ),
    "foreignOrigin": lambda server, path: with_credential(server, path, {"Origin": "https://evil.example"}),
    "tooManyFailures": too_many_failures,
}
"""Sent to a service where everything needs a credential."""

ON_ABANDONED_SERVICE: dict[str, Builder] = {
    "noFolder": lambda server, path: server.client.request(
        path.method if isinstance(path, Target) else "PUT", path, headers=AUTHORIZED, content=b"{}"
    ),
    "folderGone": request,
    "brokenFolder": get,
}
"""Sent to a service whose model's folder was taken away, and to which an incomplete one came."""

ON_DRAINING_SERVICE: dict[str, Builder] = {
    "draining": get,
    "drainingForFrames": wait_for_the_end,
}
"""Sent to a service that is shutting down, and whose port is still open. It answers frames: they go to another one."""


def _send(server: LiveServer, body: bytes) -> None:
    with server.new_client() as client:
        assert client.post("/inference", content=body).status_code == 200
