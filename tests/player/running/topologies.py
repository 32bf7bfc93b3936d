"""Topologies for tests of running pipelines."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AVA = "#Microsoft.VideoAnalyzer."
VIDEO = [{"property": "mediaType", "operator": "is", "value": "video"}]


def node(kind: str, name: str, *inputs: str, **keys: Any) -> dict[str, Any]:
    """Return a node that takes all that these others give."""
    return {"@type": AVA + kind, "name": name, "inputs": [{"nodeName": each} for each in inputs], **keys}


def extension(url: str, source: str = "camera", **keys: Any) -> dict[str, Any]:
    """Return the node of an extension that gets exact pictures."""
    image = {"format": {"@type": AVA + "ImageFormatBmp"}}
    endpoint = {"@type": AVA + "UnsecuredEndpoint", "url": url}
    return node("HttpExtension", "detector", source, **{"endpoint": endpoint, "image": image, **keys})


def hub_sink(*inputs: str) -> dict[str, Any]:
    return node("IotHubMessageSink", "events", *inputs, hubOutputName="found")


def gate(trigger: str, **keys: Any) -> dict[str, Any]:
    times = {
        "activationEvaluationWindow": "PT0.2S",
        "activationSignalOffset": "-PT0.5S",
        "minimumActivationTime": "PT1S",
        "maximumActivationTime": "PT10S",
    }
    return node("SignalGateProcessor", "gate", trigger, "camera", **{**times, **keys})


def file_sink(folder: Path, source: str = "gate") -> dict[str, Any]:
    return node(
        "FileSink",
        "files",
        source,
        baseDirectoryPath=str(folder),
        fileNamePattern="clip-${System.Runtime.DateTime}",
        maximumSizeMiB="512",
    )


def write_topology(path: Path, source: str, *nodes: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Path:
    """Write a topology with one camera, `camera`, and these processors and sinks."""
    sinks = [each for each in nodes if each["@type"].endswith("Sink")]
    camera = {
        "@type": AVA + "RtspSource",
        "name": "camera",
        "endpoint": {"@type": AVA + "UnsecuredEndpoint", "url": source},
    }
    document = {
        "@apiVersion": "1.1",
        "name": "tested",
        "properties": {
            "sources": [camera, *([more] if more else [])],
            "processors": [each for each in nodes if each not in sinks],
            "sinks": sinks,
        },
    }
    path.write_text(json.dumps(document))
    return path
