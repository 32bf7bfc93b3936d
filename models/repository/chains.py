"""Chains: the models that a model gives its objects to, named under `then` in its model.yaml, in folders beside it."""

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from models.errors import ModelConfigError
from models.repository.config import NAME_PATTERN, ModelConfig
from models.repository.files import CONFIG_FILE_NAME, leads_outside
from models.repository.plain_yaml import read_plain_yaml


def chained_folders(folder: Path) -> tuple[Path, ...]:
    """Return the folders that a folder's model.yaml names under `then`, sorted; none where it cannot be read.

    Reads names only, and nothing through a link that leads out of the repository: `read_folder` says what is wrong.
    """
    config_path = folder / CONFIG_FILE_NAME
    if leads_outside(config_path, Path(os.path.realpath(folder.parent))):
        return ()
    try:
        document = read_plain_yaml(config_path)
    except ModelConfigError:
        return ()
    links = document.get("then") if isinstance(document, dict) else None
    named = [link.get("model") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    names = {name for name in named if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name)}
    return tuple(folder.parent / name for name in sorted(names - {folder.name}))


def refuse_wrong_links(config_path: Path, config: ModelConfig, labels: Collection[str]) -> None:
    """Raise ModelConfigError for links that no chained model can make right; `labels`: that the model reports."""
    place = f"{config_path}: then"
    if config.then and ("entity" not in config.inference_types or "text" in config.family.inference_types):
        raise ModelConfigError(f"{place}: only a model that finds objects can give them on, not {config.family.name}.")
    names = [link.model for link in config.then]
    for number, link in enumerate(config.then):
        unknown = next((label for label in link.labels or () if label not in labels), None)
        if unknown is not None:
            raise ModelConfigError(f"{place}.{number}.labels: {unknown} is no label of this model.")
        if link.model == config_path.parent.name:
            raise ModelConfigError(f"{place}.{number}.model: expected another model than this one.")
        if link.model in names[:number]:
            raise ModelConfigError(f"{place}.{number}.model: {link.model} stands there already.")


def refuse_longer_chains(config_path: Path, config: ModelConfig, chained: Sequence[ModelConfig]) -> None:
    """Raise ModelConfigError when a chained model gives its objects on, too. `chained`: in the order of `then`."""
    for number, (link, other) in enumerate(zip(config.then, chained, strict=True)):
        if other.then:
            raise ModelConfigError(
                f"{config_path}: then.{number}.model: {link.model} has a section then of its own; "
                "a chain has two models."
            )
