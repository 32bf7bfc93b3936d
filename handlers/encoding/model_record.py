"""A model's folder → the contract's record of the model."""

from typing import Any

from models.repository.folder import ModelFolder


def model_record(folder: ModelFolder) -> dict[str, Any]:
    """Return the contract's schema `Model` for one model."""
    config = folder.config
    width, height = config.input.size_wh
    return {
        "name": folder.name,
        "version": folder.version,
        "family": config.family.name,
        "inferenceTypes": list(config.inference_types),
        "labels": list(folder.labels),
        "inputSize": {"width": width, "height": height},
        "licence": config.licence,
        "source": config.source,
    }
