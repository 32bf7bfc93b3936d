"""Posts a photo with the generated package and reads the typed results: python client.py URL PHOTO."""

import sys
from pathlib import Path

from framehook_client import Client
from framehook_client.api.inference import infer
from framehook_client.api.models import list_models
from framehook_client.models import EntityInference, InferenceMetadata, Problem
from framehook_client.types import File
from httpx import Timeout

url, photo = sys.argv[1:]
client = Client(base_url=url, raise_on_unexpected_status=True, timeout=Timeout(60))
with Path(photo).open("rb") as body:
    answer = infer.sync(client=client, body=File(payload=body), confidence=0.8)
assert isinstance(answer, InferenceMetadata)
for inference in answer.inferences:
    assert isinstance(inference, EntityInference)
    print(inference.entity.tag.value, f"{inference.entity.tag.confidence:.1f}")
models = list_models.sync(client=client)
assert models
assert "person" in next(model.labels for model in models.models if model.family == "ssd")
with Path(__file__).open("rb") as body:
    refusal = infer.sync(client=client, body=File(payload=body))
assert isinstance(refusal, Problem)
assert refusal.type_ == "urn:framehook:undecodable-frame"
