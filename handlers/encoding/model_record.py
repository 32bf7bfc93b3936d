"""A model's folder → the contract's record of the model."""

from collections.abc import Mapping
from typing import Any

from models.repository.config import ThenConfig
from models.repository.folder import ModelFolder


def model_record(folder: ModelFolder, aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return the contract's schema `Model` for one model. `aliases`: of all models, alias → name."""
    config = folder.config
    width, height = config.input.size_wh
    own = [alias for alias, name in aliases.items() if name == folder.name]
    return {
        "name": folder.name,
        **({"aliases": own} if own else {}),
        "version": folder.version,
        "family": config.family.name,
        "inferenceTypes": list(config.inference_types),
        "labels": list(folder.reported),
        **({"then": [_link(link) for link in config.then]} if config.then else {}),
        "inputSize": {"width": width, "height": height},
        "confidence": config.output.confidence_threshold,
        "maxDetections": config.output.max_detections,
        "licence": config.licence,
        "source": config.source,
    }


def _link(link: ThenConfig) -> dict[str, Any]:
    return {"model": link.model, **({"labels": list(link.labels)} if link.labels else {})}
