"""Hooks for schemathesis: how to make pictures, and which labels and models the service has.

Loaded by schemathesis.toml, for the command line and the tests alike.
"""

import functools
import io
import os
import threading
import time
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import schemathesis
import yaml
from hypothesis import strategies as st
from PIL import Image
from schemathesis.core.media_types import YAML_MEDIA_TYPES
from schemathesis.generation.meta import TestPhase

from handlers.decoding.raw import layout_bytes, padded, tight
from handlers.server.settings import Settings
from handlers.server.wire.http_head import MAX_QUERY_FIELDS
from models.frame import PIXEL_FORMAT_NAMES
from tests.support.client import CONTRACT
from tests.support.live import parts_in

CREDENTIAL = {"Authorization": f"Bearer {os.environ['FRAMEHOOK_TOKEN']}"} if "FRAMEHOOK_TOKEN" in os.environ else {}
"""Headers of the hooks' own requests."""

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "RGBA", "L"),
    "BMP": ("RGB", "L", "P", "1"),
}
MAX_SIDE_PX = 96
FUZZED_STREAM = "fuzzed"
SET_STREAM = "fuzzed/settings"
"""Whose settings are changed; no frames of it are posted."""
CAMERA_INTERVAL_S = 0.1
ODD_CASES_1_IN = 4
MAX_LABELS = CONTRACT["components"]["parameters"]["object"]["schema"]["maxItems"]
LONG_NAME = "Gate._-" * 18 + "x2"
"""128 characters: the longest name of a stream, and of a request."""
DEFAULT_MODEL = Settings.model_fields["default_model"].default
"""The default model, which `/inference` and `/score` use unless the server is configured otherwise."""


def picture(name: str, mode: str, size_wh: tuple[int, int], seed: int) -> bytes:
    """Return one random picture, encoded."""
    width, height = size_wh
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).convert("L" if mode == "I;16" else mode).convert(mode).save(encoded, name)
    return encoded.getvalue()


def pictures(*names: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for pictures of these formats, in every mode each can hold."""
    sides = st.integers(1, MAX_SIDE_PX)
    kinds = [(name, mode) for name in names for mode in MODES[name]]
    return st.builds(
        lambda kind, size_wh, seed: picture(kind[0], kind[1], size_wh, seed),
        st.sampled_from(kinds),
        st.tuples(sides, sides),
        st.integers(0, 2**32),
    )


DESCRIPTIONS: dict[bytes, dict[str, int | str]] = {}
"""Raw frame → the query that describes it."""


def raw_frame(seed: int) -> bytes:
    """Return a raw frame of random pixels, and record the query that describes it."""
    random = np.random.default_rng(seed)
    pixel_format = PIXEL_FORMAT_NAMES[random.integers(len(PIXEL_FORMAT_NAMES))]
    width, height = (int(side) for side in random.integers(1, MAX_SIDE_PX, 2))
    layout = (tight, padded)[random.integers(2)](pixel_format, (width, height))
    body = random.bytes(layout_bytes(layout))
    DESCRIPTIONS[body] = {"width": width, "height": height, "pixelFormat": pixel_format}
    if layout.padded_height == height and random.integers(2):
        DESCRIPTIONS[body]["stride"] = ",".join(map(str, layout.strides_bytes))
    return body


STRATEGIES = {
    "application/octet-stream": pictures("JPEG", "PNG", "WEBP", "BMP"),
    "image/jpeg": pictures("JPEG"),
    "image/png": pictures("PNG"),
    "image/webp": pictures("WEBP"),
    "image/bmp": pictures("BMP"),
    "image/x-raw": st.builds(raw_frame, st.integers(0, 2**32)),
    "image/jpg": pictures("JPEG"),
}
"""One per media type of the contract: schemathesis silently skips a type that has none."""

for media_type, strategy in STRATEGIES.items():
    schemathesis.openapi.media_type(media_type, strategy)


@schemathesis.deserializer("image/jpeg", "image/png")
def open_picture(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:  # noqa: ARG001
    """Return a picture as text, as the schema declares it, after checking that it is a picture."""
    Image.open(io.BytesIO(response.content)).load()
    return response.content.decode("latin-1")


@schemathesis.deserializer(*YAML_MEDIA_TYPES)
def open_contract(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:  # noqa: ARG001
    """Return the contract as text, as the schema declares it, after checking that it is YAML."""
    assert yaml.safe_load(response.content)["openapi"] == "3.0.3"
    return response.text


@schemathesis.deserializer("multipart/x-mixed-replace")
def open_parts(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:  # noqa: ARG001
    """Return the parts as text, as the schema declares them, after checking that they are pictures."""
    assert len(parts_in(response.content)) == 1
    return response.content.decode("latin-1")


@functools.cache
def go_live(base_url: str) -> str:
    """Start a camera that posts until the process ends; return its stream."""
    frame = picture("JPEG", "RGB", (64, 48), 1)

    def post() -> None:
        with httpx.Client(base_url=base_url, headers=CREDENTIAL, timeout=60) as client, suppress(httpx.TransportError):
            while client.post("/inference", params={"stream": FUZZED_STREAM}, content=frame):
                begun.set()
                time.sleep(CAMERA_INTERVAL_S)

    begun = threading.Event()
    threading.Thread(target=post, daemon=True).start()
    begun.wait()
    return FUZZED_STREAM


def name_stream(case: schemathesis.Case[Any], base_url: str) -> None:
    """Let a case name a live stream, or one that has settings; new ones set limits that leave an
    area, and lines and zones with names of their own and with a length.

    In a sequence of calls, settings that have been removed stay removed.
    """
    if not case.path.endswith("/settings"):
        case.path_parameters["stream"] = go_live(base_url)
        case.query = {**case.query, "frames": 1} if case.path.startswith("/mjpeg") else case.query
        return
    case.path_parameters["stream"] = SET_STREAM
    is_in_sequence = case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL
    if case.method != "PUT" and not is_in_sequence:
        path = f"{base_url}/streams/{quote(SET_STREAM, safe='')}/settings"
        httpx.put(path, headers=CREDENTIAL, json={"motion": {}}, timeout=60).raise_for_status()
    elif isinstance(case.body, dict):
        settings: dict[str, Any] = case.body
        settings |= {"max_area": 1} if "max_area" in settings else {}
        if "thresholds" in settings:
            thresholds = settings["thresholds"].items()
            settings["thresholds"] = {label: share for label, share in thresholds if label.isprintable()}
        for key in {"lines", "zones"} & settings.keys():
            named = {each["name"]: each for each in settings[key]}
            settings[key] = [each for each in named.values() if key == "zones" or each["line"][0] != each["line"][1]]


@functools.cache
def served_models(base_url: str) -> dict[str, list[str]]:
    """Return the labels of each model of the server under test."""
    models = httpx.get(f"{base_url}/models", headers=CREDENTIAL, timeout=60).raise_for_status().json()["models"]
    return {model["name"]: model["labels"] for model in models}


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:  # noqa: ARG001
    """Leave out forms whose key is not text: in a form it becomes text, which is valid.

    Also leave out queries with so many fields that they never reach the contract; a list becomes one field per entry.
    """
    fields = sum(len(value) if isinstance(value, list) else 1 for value in (case.query or {}).values())
    return fields <= MAX_QUERY_FIELDS and not (
        isinstance(case.body, dict) and not isinstance(case.body.get("api_key", ""), str)
    )


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  # the hook's name and arguments are schemathesis's
    """Make valid cases name existing labels, models and streams, and describe raw frames correctly.

    A schema cannot express this. A watched stream ends after its first picture. Invalid cases watch a stream that does
    not exist, or they would wait for pictures.
    """
    if not case.meta or not case.meta.generation.mode.is_positive:
        if "stream" in case.path_parameters:
            case.path_parameters["stream"] = "\a" if case.method == "PUT" else "nobodys"
        return
    base_url = str(kwargs.get("base_url") or case.operation.base_url).rstrip("/")
    if "stream" in case.path_parameters:
        name_stream(case, base_url)
        return
    models = served_models(base_url)
    model = DEFAULT_MODEL if DEFAULT_MODEL in models else next(iter(models))
    if "model" in case.path_parameters:
        model = case.path_parameters["model"] = any_of(list(models), case.path_parameters["model"])
    if case.media_type == "image/x-raw" and isinstance(case.body, bytes):
        case.query = {name: value for name, value in case.query.items() if name != "stride"} | DESCRIPTIONS[case.body]
        case.headers.pop("x-frame-stride", None)
    if case.query.get("object"):
        case.query["object"] = [any_of(models[model], wanted) for wanted in case.query["object"]]
    drawn = zlib.crc32(repr((case.path, case.query, case.headers)).encode())
    if case.method == "POST" and drawn % ODD_CASES_1_IN == 0:
        make_odd(case, models[model])


def make_odd(case: schemathesis.Case[Any], labels: list[str]) -> None:
    """Let a valid case use what the contract allows to the full: hundreds of labels, long names, large values."""
    label = min(labels, key=len)
    odd = {"object": [label] * MAX_LABELS, "stream": LONG_NAME, "maxDetections": 1000, "confidence": 1e-300}
    odd |= {} if case.media_type == "image/x-raw" else {"width": 65535, "height": 65535, "stride": "1,2,3"}
    taken = {parameter.name for parameter in case.operation.query}
    case.query = {**case.query, **{name: value for name, value in odd.items() if name in taken}}
    case.headers["x-ms-client-request-id"] = LONG_NAME if len(case.query) % 2 else "x" * 8000


def any_of(names: list[str], drawn: object) -> str:
    """Return one of these names in place of the drawn one."""
    return names[len(str(drawn)) % len(names)]
