"""The files that people bring, by what wrote them.

Every row encodes the same objects from the exporter's documented encoding; docs/families.md has the same list.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnx import TensorProto, helper

from models.boxes import Floats
from models.families import (
    FAMILIES,
    FAMILY_CONFIGS,
    Family,
    InputConfig,
    OutputConfig,
    Outputs,
    Signature,
    Spec,
    Tensor,
)
from tests.support.models.encoders import LABELS, Seen
from tests.support.models.planted import save_graph, value_info

SIDE_PX = 320
CAR, PERSON, DOG = (
    Seen((40, 56, 120, 104), 0, 0.9),
    Seen((200, 30, 240, 190), 1, 0.8),
    Seen((20, 210, 84, 290), 2, 0.7),
)
OBJECTS = (CAR, PERSON, DOG)
ROWS = 70
NOTHING = -20.0
FACE = (PERSON,)
PICTURE = Tensor("float32", (1, 3, SIDE_PX, SIDE_PX))
PIXELS = Tensor("uint8", (1, SIDE_PX, SIDE_PX, 3))


@dataclass(frozen=True)
class Layout:
    """What an exporter writes.

    `section`, `given`, `output`: keys of model.yaml's sections family, input and output. `encode`: the file's outputs
    for the objects. `inputs`: those beside the picture.
    """

    section: Mapping[str, Any]
    encode: Callable[[], Outputs]
    objects: Sequence[Seen] = OBJECTS
    labels: tuple[str, ...] = LABELS
    picture: Tensor = PICTURE
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def family(self, outputs: Mapping[str, Tensor] | None = None) -> Family:
        """Return the family, built for a file of this layout. `outputs`: as the file describes them."""
        config = FAMILY_CONFIGS[self.section["name"]]
        input_defaults, output_defaults = config.defaults_for(self.section)
        if outputs is None:
            outputs = {name: Tensor(value.dtype.name, value.shape) for name, value in self.encode().items()}
        spec = Spec(
            config.model_validate(self.section),
            InputConfig.model_validate({**input_defaults, "size_wh": (SIDE_PX, SIDE_PX), **self.given}),
            OutputConfig.model_validate({**output_defaults, **self.output}),
            self.labels,
            Signature({"images": self.picture, **self.inputs}, outputs),
        )
        return FAMILIES[self.section["name"]](spec)


def centred(seen: Seen) -> list[float]:
    left, top, right, bottom = seen.box_xyxy
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def one_hot(seen: Seen, value: float | None = None, others: float = 0, labels: int = 3) -> list[float]:
    found = seen.confidence if value is None else value
    return [found if class_id == seen.class_id else others for class_id in range(labels)]


def rows(values: Callable[[Seen], Sequence[float]], unused: float = 0, objects: Sequence[Seen] = OBJECTS) -> Floats:
    """Return [ROWS, values]: a row for each object, and unused ones."""
    table = np.full((ROWS, len(values(objects[0]))), unused, np.float32)
    table[: len(objects)] = [values(seen) for seen in objects]
    return table


def shares(values: Sequence[float]) -> list[float]:
    return [value / SIDE_PX for value in values]


def logit(confidence: float) -> float:
    return math.log(confidence / (1 - confidence))


# Ultralytics


def mask_factors(_: Seen) -> list[float]:
    return [1.0, *[0.0] * 31]


def prototypes() -> Floats:
    """Masks of one prototype: positive in the left half of the canvas."""
    protos = np.zeros((1, 32, SIDE_PX // 4, SIDE_PX // 4), np.float32)
    protos[0, 0] = -1
    protos[0, 0, :, : SIDE_PX // 8] = 1
    return protos


def keypoints(seen: Seen) -> list[float]:
    """A nose at the top of the box, and 16 more points in its middle."""
    x, y, _, height = centred(seen)
    return [x, y - height / 2, 0.5, *[x, y, 0.25] * 16]


def ultralytics(more: Callable[[Seen], list[float]] = lambda _: []) -> Floats:
    return rows(lambda seen: [*centred(seen), *one_hot(seen), *more(seen)]).T[None].copy()


def after_nms(more: Callable[[Seen], list[float]] = lambda _: []) -> Floats:
    return rows(lambda seen: [*seen.box_xyxy, seen.confidence, seen.class_id, *more(seen)])[None]


def turned(seen: Seen) -> list[float]:
    """Return centre, the sides exchanged, and a quarter of a turn, which shows the same box."""
    x, y, width, height = centred(seen)
    return [x, y, height, width]


# grids


def cell_of(seen: Seen, stride: int) -> tuple[int, int]:
    x, y, _, _ = centred(seen)
    return int(x // stride), int(y // stride)


def region_layer(anchors_px: Sequence[tuple[float, float]]) -> Floats:
    """YOLOv2: sigmoid of the centre in its cell, exp of the size by the anchor, softmax of the classes."""
    cells = SIDE_PX // 32
    values = np.full((len(anchors_px), 8, cells, cells), NOTHING, np.float32)
    for number, seen in enumerate(OBJECTS):
        x, y, width, height = centred(seen)
        column, row = cell_of(seen, 32)
        anchor_width, anchor_height = anchors_px[number]
        odds = seen.confidence / 0.95  # objectness .95
        values[number, :, row, column] = [
            logit(x / 32 - column), logit(y / 32 - row), math.log(width / anchor_width),
            math.log(height / anchor_height), logit(0.95), *one_hot(seen, math.log(odds), math.log((1 - odds) / 2)),
        ]  # fmt: skip
    return values.reshape(1, -1, cells, cells)


def yolov4_lva() -> Outputs:
    """Three grids [1, n, n, 3, 5 + classes], one object on each; confidences after the sigmoid."""
    anchors = {8: (19, 36), 16: (76, 55), 32: (192, 243)}
    scale = {8: 1.2, 16: 1.1, 32: 1.05}
    outputs = {}
    for seen, stride in zip(OBJECTS, anchors, strict=True):
        cells = SIDE_PX // stride
        grid = np.zeros((1, cells, cells, 3, 8), np.float32)
        x, y, width, height = centred(seen)
        column, row = cell_of(seen, stride)
        xy = [(value + (scale[stride] - 1) / 2) / scale[stride] for value in (x / stride - column, y / stride - row)]
        grid[0, row, column, 1] = [
            *map(logit, xy), math.log(width / anchors[stride][0]), math.log(height / anchors[stride][1]),
            0.95, *one_hot(seen, seen.confidence / 0.95),
        ]  # fmt: skip
        outputs[f"Identity_{stride}:0"] = grid
    return outputs


def distance_bins(cells: float, bins: int = 8) -> list[float]:
    """Return logits whose expectation after a softmax is this number of cells."""
    low = min(int(cells), bins - 2)
    share = min(max(cells - low, 1e-6), 1 - 1e-6)
    logits = [-40.0] * bins
    logits[low : low + 2] = math.log(1 - share), math.log(share)
    return logits


def general_focal(centre: float) -> list[tuple[Floats, Floats]]:
    """NanoDet's and PicoDet's grids: classes and distances; each object lies on the grid of 16 pixels."""
    grids = []
    for stride in (8, 16, 32, 64):
        cells = SIDE_PX // stride
        classes, distances = np.zeros((1, cells**2, 3), np.float32), np.zeros((1, cells**2, 32), np.float32)
        for seen in OBJECTS if stride == 16 else ():
            column, row = cell_of(seen, stride)
            x, y = (column + centre) * stride, (row + centre) * stride
            left, top, right, bottom = seen.box_xyxy
            classes[0, row * cells + column] = one_hot(seen)
            edges = (x - left, y - top, right - x, bottom - y)
            distances[0, row * cells + column] = np.concatenate([distance_bins(edge / stride) for edge in edges])
        grids.append((classes, distances))
    return grids


def nanodet() -> Outputs:
    return {"output": np.concatenate([np.concatenate(grid, axis=2) for grid in general_focal(0)], axis=1)}


def picodet() -> Outputs:
    grids = general_focal(0.5)
    return {f"cls_{n}": grid[0] for n, grid in enumerate(grids)} | {f"box_{n}": grid[1] for n, grid in enumerate(grids)}


def yunet() -> Outputs:
    outputs: Outputs = {}
    for stride in (8, 16, 32):
        cells = (SIDE_PX // stride) ** 2
        outputs |= {f"{kind}_{stride}": np.zeros((1, cells, 1), np.float32) for kind in ("cls", "obj")}
        outputs |= {
            f"bbox_{stride}": np.zeros((1, cells, 4), np.float32),
            f"kps_{stride}": np.zeros((1, cells, 10), np.float32),
        }
    x, y, width, height = centred(PERSON)
    column, row = cell_of(PERSON, 16)
    cell = row * (SIDE_PX // 16) + column
    outputs["cls_16"][0, cell] = outputs["obj_16"][0, cell] = PERSON.confidence
    outputs["bbox_16"][0, cell] = [x / 16 - column, y / 16 - row, math.log(width / 16), math.log(height / 16)]
    outputs["kps_16"][0, cell] = [x / 16 - column, y / 16 - row] * 5
    return outputs


def centernet() -> Outputs:
    side = SIDE_PX // 4
    heat, sizes, offsets = (np.zeros((1, channels, side, side), np.float32) for channels in (3, 2, 2))
    for seen in OBJECTS:
        x, y, width, height = centred(seen)
        column, row = cell_of(seen, 4)
        heat[0, seen.class_id, row - 1 : row + 2, column - 1 : column + 2] = seen.confidence - 0.1  # its slopes
        heat[0, seen.class_id, row, column] = seen.confidence
        sizes[0, :, row, column] = width / 4, height / 4
        offsets[0, :, row, column] = x / 4 - column, y / 4 - row
    return {"hm": heat, "wh": sizes, "reg": offsets}


def centerface() -> Outputs:
    side = SIDE_PX // 4
    heat, sizes, offsets = (np.zeros((1, channels, side, side), np.float32) for channels in (1, 2, 2))
    x, y, width, height = centred(PERSON)
    column, row = cell_of(PERSON, 4)
    heat[0, 0, row, column] = PERSON.confidence
    sizes[0, :, row, column] = math.log(height / 4), math.log(width / 4)
    offsets[0, :, row, column] = y / 4 - row - 0.5, x / 4 - column - 0.5
    return {"537": heat, "538": sizes, "539": offsets, "540": np.zeros((1, 10, side, side), np.float32)}


# tables


def one(value: float) -> Floats:
    return np.array([value], np.float32)


def column(values: Callable[[Seen], float]) -> Floats:
    return rows(lambda seen: [values(seen)])[:, 0]


def tensorflow() -> Outputs:
    boxes = rows(lambda seen: [shares(seen.box_xyxy)[edge] for edge in (1, 0, 3, 2)])[None]
    classes = column(lambda seen: seen.class_id + 1)[None]
    scores = column(lambda seen: seen.confidence)[None]
    more = {"raw_detection_boxes": np.zeros((1, 1917, 4), np.float32)}
    return {
        "detection_boxes": boxes,
        "detection_classes": classes,
        "detection_scores": scores,
        "num_detections": one(3),
        **more,
    }


def paddle() -> Outputs:
    table = rows(lambda seen: [seen.class_id, seen.confidence, *seen.box_xyxy])
    return {"multiclass_nms3_0.tmp_0": table, "multiclass_nms3_0.tmp_2": np.array([3], np.int32).astype(np.int64)}


def efficient_nms() -> Outputs:
    return {
        "num_dets": np.array([[3]], np.int64),
        "det_boxes": rows(lambda seen: seen.box_xyxy)[None],
        "det_scores": column(lambda seen: seen.confidence)[None],
        "det_classes": column(lambda seen: seen.class_id)[None].astype(np.int64),
    }


def yolo_nas_batch() -> Outputs:
    count, boxes, scores, classes = efficient_nms().values()
    return {"num_predictions": count, "pred_boxes": boxes, "pred_scores": scores, "pred_classes": classes}


def torchvision() -> Outputs:
    return {
        "1234": rows(lambda seen: seen.box_xyxy),
        "1267": column(lambda seen: seen.class_id + 1).astype(np.int64),
        "1268": column(lambda seen: seen.confidence),
    }


def ultraface() -> Outputs:
    scores = rows(lambda seen: [1 - seen.confidence, seen.confidence], objects=FACE)
    scores[1:] = 1, 0
    return {"scores": scores[None], "boxes": rows(lambda seen: shares(seen.box_xyxy), objects=FACE)[None]}


def openvino() -> Outputs:
    table = rows(lambda seen: [0, seen.class_id + 1, seen.confidence, *shares(seen.box_xyxy)])
    table[len(OBJECTS) :, 0] = -1  # the end of the list
    table[len(OBJECTS) :, 2] = 0.99
    return {"detection_out": table[None, None]}


def post(preset: str, **more: Any) -> dict[str, Any]:
    return {"name": "postprocessed", "preset": preset, **more}


VOC_PX = [(32 * width, 32 * height) for width, height in ((1.08, 1.19), (3.42, 4.41), (6.63, 11.38))] + [(1, 1)] * 2
AZURE_PX = [(32 * width, 32 * height) for width, height in ((0.573, 0.677), (1.87, 2.06), (3.34, 5.47))] + [(1, 1)] * 2
COUNTS = {"scale_factor": Tensor("float32", (1, 2)), "im_shape": Tensor("float32", (1, 2))}
WITH_BACKGROUND = ("__background__", *LABELS)

LAYOUTS: dict[str, Layout] = {
    "Ultralytics detect": Layout({"name": "yolov8"}, lambda: {"output0": ultralytics()}),
    "Ultralytics detect, transposed": Layout(
        {"name": "yolov8"}, lambda: {"output0": ultralytics().transpose(0, 2, 1).copy()}
    ),
    "Ultralytics segment": Layout(
        {"name": "yolov8", "task": "segment"}, lambda: {"output0": ultralytics(mask_factors), "output1": prototypes()}
    ),
    "Ultralytics segment, NMS": Layout(
        {"name": "end_to_end", "task": "segment"}, lambda: {"output0": after_nms(mask_factors), "output1": prototypes()}
    ),
    "Ultralytics pose": Layout({"name": "yolov8", "task": "pose"}, lambda: {"output0": ultralytics(keypoints)}),
    "Ultralytics pose, NMS": Layout({"name": "end_to_end", "task": "pose"}, lambda: {"output0": after_nms(keypoints)}),
    "Ultralytics obb": Layout(
        {"name": "yolov8", "task": "obb"},
        lambda: {"output0": rows(lambda seen: [*turned(seen), *one_hot(seen), math.pi / 2]).T[None].copy()},
    ),
    "Ultralytics obb, NMS": Layout(
        {"name": "end_to_end", "task": "obb"},
        lambda: {"output0": rows(lambda seen: [*turned(seen), seen.confidence, seen.class_id, math.pi / 2])[None]},
    ),
    "Ultralytics detect, NMS": Layout({"name": "end_to_end"}, lambda: {"output0": after_nms()}),
    "Ultralytics RT-DETR": Layout(
        post("rtdetr"), lambda: {"output0": rows(lambda seen: [*shares(centred(seen)), *one_hot(seen)])[None]}
    ),
    "YOLOv5": Layout(
        {"name": "yolov5"}, lambda: {"output0": rows(lambda seen: [*centred(seen), 1, *one_hot(seen)])[None]}
    ),
    "YOLOv5 with the raw maps": Layout(
        {"name": "yolov5"},
        lambda: {
            "output": rows(lambda seen: [*centred(seen), 1, *one_hot(seen)])[None],
            "345": np.zeros((1, 3, 40, 40, 8), np.float32),
        },
    ),
    "YOLOv5 segment": Layout(
        {"name": "yolov5", "task": "segment"},
        lambda: {
            "output0": rows(lambda seen: [*centred(seen), 1, *one_hot(seen), *mask_factors(seen)])[None],
            "output1": prototypes(),
        },
    ),
    "YOLOv7 end to end": Layout(
        post("yolov7"),
        lambda: {"output": rows(lambda seen: [0, *seen.box_xyxy, seen.class_id, seen.confidence])[:3]},
    ),
    "YOLOv7 for TensorRT": Layout(post("efficient_nms"), efficient_nms),
    "YOLOv4 (PyTorch)": Layout(
        post("yolov4"),
        lambda: {"boxes": rows(lambda seen: shares(seen.box_xyxy))[None, :, None], "confs": rows(one_hot)[None]},
    ),
    "YOLOv4 (ONNX model zoo, Live Video Analytics)": Layout(
        {"name": "darknet", "preset": "yolov4"}, yolov4_lva, picture=Tensor("float32", (1, SIDE_PX, SIDE_PX, 3))
    ),
    "Tiny YOLOv2": Layout({"name": "darknet", "preset": "tiny_yolov2"}, lambda: {"grid": region_layer(VOC_PX)}),
    "Azure Custom Vision, General (compact)": Layout(
        {"name": "darknet", "preset": "custom_vision"}, lambda: {"model_outputs0": region_layer(AZURE_PX)}
    ),
    "Azure Custom Vision, General (compact) [S1]": Layout(
        post("custom_vision"),
        lambda: {
            "detected_boxes": rows(lambda seen: shares(seen.box_xyxy))[None],
            "detected_classes": column(lambda seen: seen.class_id)[None].astype(np.int64),
            "detected_scores": column(lambda seen: seen.confidence)[None],
        },
    ),
    "TensorFlow Object Detection": Layout(
        post("tensorflow"), tensorflow, picture=PIXELS
    ),
    "torchvision": Layout(post("torchvision"), torchvision, labels=WITH_BACKGROUND),
    "MMDetection (MMDeploy)": Layout(
        post("mmdeploy"),
        lambda: {
            "dets": rows(lambda seen: [*seen.box_xyxy, seen.confidence])[None],
            "labels": column(lambda seen: seen.class_id)[None].astype(np.int64),
        },
    ),
    "YOLO-NAS": Layout(
        post("yolo_nas"), lambda: {"a": rows(lambda seen: seen.box_xyxy)[None], "b": rows(one_hot)[None]}
    ),
    "YOLO-NAS, flat": Layout(
        post("yolo_nas_flat"),
        lambda: {"flat": rows(lambda seen: [0, *seen.box_xyxy, seen.confidence, seen.class_id])[:3]},
    ),
    "YOLO-NAS, batch": Layout(post("yolo_nas_batch"), yolo_nas_batch),
    "PP-YOLOE": Layout(post("ppyoloe"), paddle, inputs=COUNTS),
    "PicoDet with post-processing": Layout(post("picodet"), paddle, inputs={"scale_factor": COUNTS["scale_factor"]}),
    "PicoDet": Layout({"name": "nanodet", "preset": "picodet"}, picodet),
    "NanoDet-Plus": Layout({"name": "nanodet"}, nanodet),
    "EfficientDet (AutoML)": Layout(
        post("efficientdet"),
        lambda: {
            "detections": rows(
                lambda seen: [0, *(seen.box_xyxy[edge] for edge in (1, 0, 3, 2)), seen.confidence, seen.class_id + 1]
            )[None]
        },
        picture=PIXELS,
    ),
    "EfficientDet (PyTorch)": Layout(
        post("effdet"), lambda: {"out": rows(lambda seen: [*seen.box_xyxy, seen.confidence, seen.class_id + 1])[None]}
    ),
    "Open Model Zoo": Layout(post("openvino"), openvino),
    "UltraFace": Layout(post("ultraface"), ultraface, FACE, ("background", "face")),
    "YuNet": Layout({"name": "yunet"}, yunet, FACE, ("face",), output={"confidence_threshold": 0.5}),
    "CenterNet": Layout({"name": "centernet"}, centernet),
    "CenterFace": Layout({"name": "centernet", "preset": "centerface"}, centerface, FACE, ("face",)),
    "SSD with a background class": Layout(
        {"name": "ssd"},
        lambda: {
            "scores": rows(lambda seen: [1 - seen.confidence, *one_hot(seen)])[None],
            "boxes": rows(lambda seen: shares(seen.box_xyxy))[None],
        },
        labels=("BACKGROUND", *LABELS),
    ),
    "scores as logits for a softmax": Layout(
        {
            "name": "postprocessed",
            "outputs": {"boxes": ["left", "top", "width", "height"], "scores": ["scores"]},
            "activation": "softmax",
        },
        lambda: {
            "boxes": rows(lambda seen: [*seen.box_xyxy[:2], *centred(seen)[2:]])[None],
            "scores": rows(
                lambda seen: one_hot(seen, math.log(seen.confidence), math.log((1 - seen.confidence) / 2)), NOTHING
            )[None],
        },
    ),
    "scores as logits for a sigmoid": Layout(
        {
            "name": "postprocessed",
            "outputs": {0: ["left", "top", "right", "bottom", "objectness", "scores"]},
            "activation": "sigmoid",
        },
        lambda: {
            "out": rows(lambda seen: [*seen.box_xyxy, 1, *one_hot(seen, logit(seen.confidence), NOTHING)])[None]
        },
    ),
    "an encoder": Layout(
        {"name": "embedding"}, lambda: {"embedding": np.array([[3, 0, 4, 0]], np.float32)}, (), ()
    ),
    "DETR with a pixel mask": Layout(
        {"name": "detr", "activation": "softmax"},
        lambda: {
            "logits": rows(
                lambda seen: [*one_hot(seen, math.log(seen.confidence), NOTHING), math.log(1 - seen.confidence)],
                NOTHING,
            )[None],
            "pred_boxes": rows(lambda seen: shares(centred(seen)))[None],
        },
        inputs={"pixel_mask": Tensor("int64", ("N", "height", "width"))},
    ),
}  # fmt: skip


def write_layout(folder: Path, layout: Layout, change: Callable[[Outputs], Outputs] = lambda outputs: outputs) -> Path:
    """Write the folder of a model that always answers as its layout says; return it.

    `change`: of the outputs that the file has.
    """
    outputs = change(layout.encode())
    nodes, constants = [], {"nothing": np.zeros((), np.float32)}
    pictures = ["images", *layout.inputs]
    for number, name in enumerate(pictures):
        nodes += [
            helper.make_node("Cast", [name], [f"float {number}"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", [f"float {number}"], [f"mean {number}"], keepdims=0),
        ]
    nodes.append(helper.make_node("Sum", [f"mean {number}" for number in range(len(pictures))], ["mean"]))
    nodes.append(helper.make_node("Mul", ["mean", "nothing"], ["zero"]))
    for name, values in outputs.items():
        constants[f"{name}/planted"] = values
        element = helper.np_dtype_to_tensor_dtype(values.dtype)
        nodes.append(helper.make_node("Cast", ["zero"], [f"{name}/zero"], to=element))
        nodes.append(helper.make_node("Add", [f"{name}/planted", f"{name}/zero"], [name]))
    inputs = {"images": layout.picture, **layout.inputs}
    save_graph(
        folder,
        nodes,
        constants,
        [value_info(name, np.dtype(tensor.dtype), tensor.shape) for name, tensor in inputs.items()],
        [value_info(name, values.dtype, values.shape) for name, values in outputs.items()],
    )
    (folder / "labels.txt").write_text("\n".join(layout.labels))
    document = {
        "weights": {"file": "model.onnx"},
        **({"labels": "labels.txt"} if layout.labels else {}),
        "family": dict(layout.section),
        "input": {"size_wh": [SIDE_PX, SIDE_PX], **layout.given},
        "output": dict(layout.output),
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder
