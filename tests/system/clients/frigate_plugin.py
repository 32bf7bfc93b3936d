"""Asks with Frigate's plugin, as Frigate makes it from its configuration: python frigate_plugin.py URL PHOTO LABELS."""

import json
import sys

import numpy as np
from frigate.detectors import ModelConfig
from frigate.detectors.plugins.deepstack import DeepStack, DeepstackDetectorConfig
from PIL import Image

url, photo, labels = sys.argv[1:]
model = ModelConfig(width=320, height=320, labelmap_path=labels)
config = DeepstackDetectorConfig(type="deepstack", api_url=f"{url}/v1/vision/detection", api_timeout=30, model=model)
with Image.open(photo) as picture:
    frame = np.asarray(picture.convert("RGB").resize((320, 320)))
rows = DeepStack(config).detect_raw(frame[np.newaxis])
print(json.dumps([[model.merged_labelmap[int(row[0])], *row[1:].tolist()] for row in rows if row[1]]))
