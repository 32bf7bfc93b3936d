"""A tiny detector that answers queries, in the layout of the deploy exports of RT-DETR and D-FINE."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from lab.graphs import write_config
from tests.support.models.planted import save_graph

CANVAS_WH = (64, 32)
LABELS = ("car", "person")


def write_deploy_model(
    repository: Path, labels: NDArray[np.int64], shares_xyxy: NDArray[np.float32], scores: NDArray[np.float32]
) -> Path:
    """Write a model that always answers these queries, with boxes scaled to the sizes it is fed."""
    nodes = [
        helper.make_node("Identity", ["planted_labels"], ["labels"]),
        helper.make_node("Identity", ["planted_scores"], ["scores"]),
        helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["sizes", "sizes"], ["edges"], axis=1),
        helper.make_node("Unsqueeze", ["edges", "one"], ["scale"]),
        helper.make_node("Mul", ["planted_shares", "scale"], ["boxes"]),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "planted_labels": labels[None],
        "planted_shares": shares_xyxy[None],
        "planted_scores": scores[None],
        "one": np.array([1]),
    }
    tensor, queries = helper.make_tensor_value_info, len(labels)
    inputs = [
        tensor("images", TensorProto.FLOAT, ["N", 3, CANVAS_WH[1], CANVAS_WH[0]]),
        tensor("orig_target_sizes", TensorProto.INT64, ["N", 2]),
    ]
    outputs = [
        tensor("labels", TensorProto.INT64, ["N", queries]),
        tensor("boxes", TensorProto.FLOAT, ["N", queries, 4]),
        tensor("scores", TensorProto.FLOAT, ["N", queries]),
    ]
    folder = repository / "deploy"
    save_graph(folder, nodes, constants, inputs, outputs)
    write_config(folder, LABELS, "detr", CANVAS_WH, "letterbox")
    return folder
