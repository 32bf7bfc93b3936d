"""A topology becomes a flowchart."""

from pathlib import Path

from player.topology.drawing import mermaid
from tests.player.topology.documents import camera, fed, gate, hub, load, motion, node, topology, video

GOLDEN = """\
flowchart LR
    n0(["camera<br>RtspSource"])
    n1(["messages<br>IotHubMessageSource"])
    n2["motion<br>MotionDetectionProcessor"]
    n3["gate #34;A#34; #60;b#62; #35;1; #124;#91;x#93;#124;<br>SignalGateProcessor"]
    n4[/"video<br>VideoSink"/]
    n5[/"hub<br>IotHubMessageSink"/]
    n0 -->|"video"| n2
    n1 -.->|"trigger"| n3
    n0 -->|"video, not application"| n3
    n3 --> n4
    n2 --> n5
"""


def test_a_drawing_has_boxes_arrows_and_selectors(tmp_path: Path) -> None:
    name = 'gate "A" <b> #1; |[x]|'
    video_only = {"property": "mediaType", "operator": "is", "value": "video"}
    others = {"property": "mediaType", "operator": "isNot", "value": "application"}
    opened = gate(name, "messages", "camera")
    opened["inputs"][1]["outputSelectors"] = [video_only, others]
    seen = motion() | {"inputs": [{"nodeName": "camera", "outputSelectors": [video_only]}]}
    source = node("IotHubMessageSource", "messages", hubInputName="record")
    document = topology(camera(), source, seen, opened, video() | {"inputs": fed(name)}, hub("motion"))
    assert mermaid(load(tmp_path, document).topology) == GOLDEN
