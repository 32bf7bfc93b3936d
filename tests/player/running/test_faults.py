from typing import Any

import pytest

from player.errors import ExtensionRefusedError, SourceError, SourceRefusedError, UnsupportedMediaError
from player.events.event import Place
from player.running.faults import extension_fault, source_fault
from player.running.images import image_settings
from player.topology.sections.images import Image

PLACE = Place("yard", "ava", "sources", "camera")
CAMERA = "rtsp://camera.example/stream"


@pytest.mark.parametrize(
    ("error", "kind", "body"),
    [
        (
            SourceRefusedError("It refuses.", 401),
            "ProtocolError",
            {
                "code": "401",
                "target": CAMERA,
                "protocol": "rtsp",
                "details": [{"code": "401", "message": "It refuses."}],
            },
        ),
        (UnsupportedMediaError("It sends no video."), "MediaFormatError", {"code": "unsupportedVideoFormat"}),
        (SourceError("It is away."), "NetworkError", {"errorCode": "unreachable"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_of_a_source_is_an_event(error: SourceError, kind: str, body: dict[str, Any]) -> None:
    event = source_fault(PLACE, error, CAMERA)
    assert event.kind == kind
    assert {name: event.body[name] for name in body} == body


@pytest.mark.parametrize("rest", ["?code=secret", "#secret"])
def test_a_fault_of_an_extension_does_not_tell_a_key_in_its_address(rest: str) -> None:
    event = extension_fault(PLACE, ExtensionRefusedError("It refuses.", 404, ""), f"https://server.example/score{rest}")
    assert event.body["target"] == "https://server.example/score"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"@type": "ImageFormatBmp"}, "bmp"),
        ({"@type": "ImageFormatJpeg", "quality": "70"}, "jpeg"),
        ({"@type": "ImageFormatPng"}, "png"),
        ({"@type": "ImageFormatRaw", "pixelFormat": "RGB24"}, "raw"),
    ],
)
def test_each_format_of_a_topology_is_sent(form: dict[str, str], name: str) -> None:
    scale = {"mode": "Pad", "width": "416", "height": "416"}
    settings = image_settings(Image.model_validate({"scale": scale, "format": form}))
    assert settings.format.name == name
    assert (settings.scale.mode, settings.scale.width) == ("pad", 416)
    assert settings.format.quality == (70 if name == "jpeg" else 90)
