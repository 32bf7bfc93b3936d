"""What known exporters write: presets of the family `postprocessed`.

Sources:

- tensorflow, efficientdet: tensorflow/models, research/object_detection/exporter_lib_v2.py; google/automl, efficientdet
- torchvision: docs of torchvision.models.detection; mmdeploy: its docs, "supported codebases", MMDetection
- yolo_nas, yolo_nas_flat, yolo_nas_batch: super-gradients, "Export of detection models"; Frigate's documentation (BGR)
- yolov7, efficient_nms: WongKinYiu/yolov7, export.py with --end2end, with --max-wh and for TensorRT
- ppyoloe, picodet: PaddleDetection, deploy/EXPORT_MODEL.md; effdet: rwightman/efficientdet-pytorch
- custom_vision: Azure-Samples/customvision-export-samples, onnx
- openvino: Open Model Zoo, "Converted model, Output" of its SSD detectors
- ultraface: Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB; yolov4: Tianxiaomo/pytorch-YOLOv4
- rtdetr: docs.ultralytics.com, RT-DETR
"""

from collections.abc import Mapping

from models.families.config import IMAGENET, Defaults
from models.families.family import Preset

LTRB = ["left", "top", "right", "bottom"]
YOLO_INPUT: Defaults = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
YOLO_NAS_INPUT: Defaults = {**YOLO_INPUT, "colour_order": "bgr"}
PADDLE = {
    "outputs": {0: ["class", "score", *LTRB], 1: ["count"]},
    "sizes": {"scale_factor": "ones", "im_shape": "canvas_hw"},
}

PRESETS: Mapping[str, Preset] = {
    "tensorflow": Preset(
        {
            "outputs": {
                "detection_boxes": ["top", "left", "bottom", "right"],
                "detection_classes": ["class"],
                "detection_scores": ["score"],
                "num_detections": ["count"],
            },
            "unit": "shares",
            "first_class": 1,
        }
    ),
    "torchvision": Preset({"outputs": {0: LTRB, 1: ["class"], 2: ["score"]}}, {"scale": 1 / 255}),
    "mmdeploy": Preset(
        {"outputs": {"dets": [*LTRB, "score"], "labels": ["class"]}},
        {
            "resize": "letterbox_top_left",
            "padding": 114,
            "mean": (123.675, 116.28, 103.53),
            "std": (58.395, 57.12, 57.375),
        },
    ),
    "yolo_nas": Preset({"outputs": {0: LTRB, 1: ["scores"]}}, YOLO_NAS_INPUT, {"iou_threshold": 0.5}),
    "yolo_nas_flat": Preset({"outputs": {0: ["batch", *LTRB, "score", "class"]}}, YOLO_NAS_INPUT),
    "yolo_nas_batch": Preset({"outputs": {0: ["count"], 1: LTRB, 2: ["score"], 3: ["class"]}}, YOLO_NAS_INPUT),
    "yolov7": Preset({"outputs": {0: ["batch", *LTRB, "class", "score"]}}, YOLO_INPUT),
    "efficient_nms": Preset(
        {
            "outputs": {
                "num_dets": ["count"],
                "det_boxes": LTRB,
                "det_scores": ["score"],
                "det_classes": ["class"],
            }
        },
        YOLO_INPUT,
    ),
    "ppyoloe": Preset(PADDLE, {"scale": 1 / 255}),
    "picodet": Preset(PADDLE, IMAGENET),
    "efficientdet": Preset(
        {"outputs": {0: ["ignored", "top", "left", "bottom", "right", "score", "class"]}, "first_class": 1},
        {"resize": "letterbox_top_left", "padding": 0},
    ),
    "effdet": Preset(
        {"outputs": {0: [*LTRB, "score", "class"]}, "first_class": 1},
        {**IMAGENET, "resize": "letterbox_top_left", "padding": 124},
    ),
    "custom_vision": Preset(
        {
            "outputs": {"detected_boxes": LTRB, "detected_classes": ["class"], "detected_scores": ["score"]},
            "unit": "shares",
        }
    ),
    "openvino": Preset(
        {"outputs": {0: ["batch", "class", "score", *LTRB]}, "unit": "shares", "first_class": 1},
        {"colour_order": "bgr"},
    ),
    "ultraface": Preset(
        {"outputs": {"boxes": LTRB, "scores": ["scores"]}, "unit": "shares"},
        {"mean": (127,), "std": (128,)},
        {"iou_threshold": 0.3, "confidence_threshold": 0.7},
    ),
    "yolov4": Preset(
        {"outputs": {"boxes": LTRB, "confs": ["scores"]}, "unit": "shares"},
        {"scale": 1 / 255},
        {"iou_threshold": 0.6},
    ),
    "rtdetr": Preset(
        {"outputs": {0: ["centre_x", "centre_y", "width", "height", "scores"]}, "unit": "shares"},
        {"scale": 1 / 255},
    ),
}
