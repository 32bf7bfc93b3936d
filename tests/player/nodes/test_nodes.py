"""What a pipeline builds fits what it is made of."""

import pytest

from player.flow import Node
from player.nodes.extension import Asked, ExtensionNode
from player.nodes.frame_rate import FrameRateFilter
from player.nodes.http_client import HttpExtension, ServerSettings
from player.nodes.line_crossing import LineCrossing
from player.nodes.motion import MotionDetection
from player.nodes.signal_gate import GateTimes, SignalGate
from player.nodes.tracker import ObjectTracking
from tests.player.nodes.pictures import frame

CLIENT = HttpExtension(ServerSettings("http://127.0.0.1:1/?key=secret"))
ASKED: Asked = CLIENT
NODES: list[Node] = [
    ExtensionNode("extension", ASKED),
    FrameRateFilter(),
    LineCrossing("lines", "tracker", []),
    MotionDetection("motion"),
    ObjectTracking("tracker", "extension"),
    SignalGate(GateTimes(1, 0, 30, 30), lambda: 0),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_each_node_takes_a_frame_without_a_picture(node: Node) -> None:
    assert len(list(node.take(frame(0, picture=None), 0))) <= 1


def test_settings_do_not_say_what_is_secret() -> None:
    assert "secret" not in repr(ServerSettings("http://user:secret@127.0.0.1:1/?key=secret"))
