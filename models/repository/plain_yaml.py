"""YAML as people write it: short, flat, without aliases. The time to read it is bounded."""

from pathlib import Path
from typing import Any

import yaml

from models.errors import ModelConfigError
from models.repository.files import read_text

MAX_BYTES = 64 << 10
MAX_EVENTS = 4000
"""Values, and beginnings and ends of sections. The most expensive text takes less than 0.3 s (tested)."""
MAX_DEPTH = 20
MAX_WORD_LENGTH = 1000
"""PyYAML reads 1:1:1:... as one number, in a time that grows with the square of its length."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_plain_yaml(path: Path) -> Any:
    """Return what the file says; raises ModelConfigError."""
    text = read_text(path, MAX_BYTES)
    try:
        if excess := _excess(text):
            raise ModelConfigError(f"{path}: expected {excess}.")
        return yaml.load(text, Loader=_LOADER)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # impossible dates included
        raise ModelConfigError(f"{path} is not YAML.") from error


def _excess(text: str) -> str | None:
    """Return what was expected where the text would be expensive to load; None where it would not.

    Loading is recursive: libyaml's loader ends the process when a text is nested deeply enough. Events are not.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return f"no more than {MAX_DEPTH} sections inside each other"
        if number > MAX_EVENTS:
            return f"no more than {MAX_EVENTS} values"
        if isinstance(event, yaml.AliasEvent):  # a small text could say as much as a large one
            return "no aliases (*name)"
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _is_endless(event.value):
            return f"no word of more than {MAX_WORD_LENGTH} characters"
    return None


def _is_endless(value: str) -> bool:
    return len(value) > MAX_WORD_LENGTH and not any(map(str.isspace, value))
