"""Asks with the libraries under Home Assistant's and Viseron's components: python libraries.py HOST PORT PHOTO FACE."""

import json
import sys
from pathlib import Path

import codeprojectai.core as codeproject
import deepstack.core as deepstack

host, port, photo, face = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_bytes(), Path(sys.argv[4]).read_bytes()
there = {"ip": host, "port": port, "min_confidence": 0.6}
print(
    json.dumps(
        {
            "deepstack": deepstack.DeepstackObject(**there).detect(photo),
            "deepstack, by model": deepstack.DeepstackObject(**there, custom_model="ssdlite-mobilenet-v2").detect(
                photo
            ),
            "codeproject": codeproject.CodeProjectAIObject(**there).detect(photo),
            "codeproject, by Viseron's default": codeproject.CodeProjectAIObject(
                **there, custom_model="ipcam-general"
            ).detect(photo),
            "faces": deepstack.DeepstackFace(**there).detect(face),
            "scene": deepstack.DeepstackScene(**there).recognize(photo),
        }
    )
)
