"""A model's folder → the contract's record of the model."""

from collections.abc import Mapping
from typing import Any

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
        "inputSize": {"width": width, "height": height},
        "licence": config.licence,
        "source": config.source,
    }
