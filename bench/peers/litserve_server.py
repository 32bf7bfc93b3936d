"""LitServe as its documentation recommends: a LitAPI, pictures as base64 in JSON, one worker a device.

python -m bench.peers.litserve_server PORT
"""

import base64
import sys
from typing import Any

import litserve

from bench.peers.pipeline import infer, load, load_labels


class DetectorAPI(litserve.LitAPI):
    """One frame: base64 → picture → entities."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # the CPU
        """Load the model in the worker."""
        self.session = load()
        self.labels = load_labels()

    def decode_request(self, request: dict[str, str]) -> bytes:
        """Return the picture's bytes."""
        return base64.b64decode(request["image_bytes"])

    def predict(self, body: bytes) -> dict[str, Any]:
        """Infer."""
        return infer(self.session, self.labels, body)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return the document unchanged."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(DetectorAPI(api_path="/score"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
