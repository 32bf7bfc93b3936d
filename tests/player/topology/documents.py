"""Builds topologies of both dialects, as text in files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from player.topology.nodes import Topology
from player.topology.reading import Loaded, read_topology

AVA, LVA = "#Microsoft.VideoAnalyzer.", "#Microsoft.Media.MediaGraph"
DIALECTS = {"ava": AVA, "lva": LVA}
URL = "rtsp://garden.example/stream"


def fed(*names: str) -> list[dict[str, Any]]:
    """Return inputs from these nodes."""
    return [{"nodeName": name} for name in names]


def node(kind: str, name: str, *inputs: str, prefix: str = AVA, **keys: Any) -> dict[str, Any]:
    return {"@type": prefix + kind, "name": name, **({"inputs": fed(*inputs)} if inputs else {}), **keys}


def endpoint(url: str = URL, prefix: str = AVA, kind: str = "UnsecuredEndpoint", **keys: Any) -> dict[str, Any]:
    return {"@type": prefix + kind, "url": url, **keys}


def login(username: str, password: Any, prefix: str = AVA) -> dict[str, Any]:
    return {"@type": f"{prefix}UsernamePasswordCredentials", "username": username, "password": password}


def camera(url: str = URL, name: str = "camera", prefix: str = AVA, **keys: Any) -> dict[str, Any]:
    return node("RtspSource", name, prefix=prefix, endpoint=endpoint(url, prefix, **keys))


def motion(name: str = "motion", *inputs: str, **keys: Any) -> dict[str, Any]:
    return node("MotionDetectionProcessor", name, *(inputs or ("camera",)), **keys)


def detector(name: str = "detector", *inputs: str, prefix: str = AVA, **keys: Any) -> dict[str, Any]:
    keys.setdefault("endpoint", endpoint("http://127.0.0.1:8080/inference", prefix))
    return node("HttpExtension", name, *(inputs or ("camera",)), prefix=prefix, **keys)


def gate(name: str = "gate", *inputs: str, **keys: Any) -> dict[str, Any]:
    return node("SignalGateProcessor", name, *(inputs or ("motion", "camera")), **keys)


def hub(*inputs: str, name: str = "hub", **keys: Any) -> dict[str, Any]:
    return node("IotHubMessageSink", name, *(inputs or ("detector",)), **{"hubOutputName": "found", **keys})


def files(*inputs: str, name: str = "files", **keys: Any) -> dict[str, Any]:
    defaults = {"baseDirectoryPath": "/clips", "fileNamePattern": "a-${System.DateTime}", "maximumSizeMiB": "10"}
    return node("FileSink", name, *(inputs or ("gate",)), **{**defaults, **keys})


def video(*inputs: str, name: str = "video", **keys: Any) -> dict[str, Any]:
    return node("VideoSink", name, *(inputs or ("gate",)), **{"videoName": "garden", **keys})


def parameter(name: str, kind: str = "string", **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **keys}


def topology(*nodes: dict[str, Any], parameters: Any = (), name: str = "garden", **keys: Any) -> dict[str, Any]:
    """Return a topology of these nodes; what they are follows from the ends of their types."""
    groups: dict[str, list[Any]] = {"sources": [], "processors": [], "sinks": []}
    for each in nodes:
        kind = str(each.get("@type", ""))
        groups["sources" if kind.endswith("Source") else "sinks" if kind.endswith("Sink") else "processors"].append(
            each
        )
    return {"@apiVersion": "1.1", "name": name, "properties": {"parameters": list(parameters), **groups, **keys}}


def detecting(*others: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Return a topology that asks an extension, and these nodes."""
    return topology(camera(), detector(), hub(), *others, **keys)


def written(folder: Path, document: Any) -> Path:
    """Return a file with a topology, one key a line."""
    path = folder / "topology.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1), encoding="utf-8")
    return path


def load(folder: Path, document: Any, values: Mapping[str, str] | None = None, source: str | None = None) -> Loaded:
    return read_topology(written(folder, document), values or {}, source=source, pipeline="door")


def read(folder: Path, document: Any, values: Mapping[str, str] | None = None, source: str | None = None) -> Topology:
    """Return a topology in which nothing is odd."""
    loaded = load(folder, document, values, source)
    assert loaded.warnings == ()
    return loaded.topology
