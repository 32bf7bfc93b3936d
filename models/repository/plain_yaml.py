"""YAML as people write it: short, flat, without aliases. The time to read it is bounded. Faults are placed by line."""

import re
from collections.abc import Iterator, Mapping
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

QUOTED = re.compile(r"'[^']{2,}'|\"[^\"]{2,}\"")
"""What a message of PyYAML quotes from the text, which may be secret; marks of punctuation may stay."""

HEADER = "# What each key means: docs/adding-a-model.md\n"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlTextError(ValueError):
    """A text is not the YAML that was expected. The message begins with the line, if known, and quotes no value."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}." if line else f"{reason}.")


def written_yaml(document: Mapping[str, Any]) -> str:
    """Return the text of a model.yaml, with a comment that names the documentation."""
    return HEADER + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=200)


def read_plain_yaml(path: Path) -> Any:
    """Return what the file says; raises ModelConfigError."""
    text = read_text(path, MAX_BYTES)
    try:
        _refuse_expensive(text)
        return parse_yaml(text, _LOADER)
    except YamlTextError as error:
        raise ModelConfigError(f"{path}: {error}") from error


def parse_yaml(text: str, loader_type: Any = yaml.SafeLoader) -> Any:
    """Return what a text says; raises YamlTextError, for a key that a section has twice as well."""
    try:
        loader = loader_type(text)
        node = loader.get_single_node()
        for line in _repeated_keys(node):
            raise YamlTextError("expected each key once in its section", line)
        return None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _placed(error, text) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlTextError("this is not YAML") from error
    except ValueError as error:  # impossible dates; our own error is one, too
        raise error if isinstance(error, YamlTextError) else YamlTextError("this is not YAML") from error


def _placed(error: yaml.MarkedYAMLError, text: str) -> YamlTextError:
    """Return an error of the library as ours."""
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark else None
    problem = QUOTED.sub("...", error.problem or "it cannot be read")
    lines = dict(enumerate(text.split("\n"), start=1))
    if number and lines.get(number, "").lstrip(" ").startswith("\t"):
        problem = "expected blanks at the beginning of the line, not a tab"
    return YamlTextError(f"this is not YAML: {problem}", number)


def _repeated_keys(node: yaml.Node | None) -> Iterator[int]:
    """Yield the lines of keys that their section has already; a loader would take the last one."""
    sections = [node]
    while sections:
        section = sections.pop()
        if isinstance(section, yaml.SequenceNode):
            sections += section.value
        elif isinstance(section, yaml.MappingNode):
            seen = set()
            for key, value in section.value:
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:
                        yield _line_of(key)
                    seen.add((key.tag, key.value))
                sections.append(value)


def _line_of(place: yaml.Node | yaml.Event) -> int:
    return place.start_mark.line + 1 if place.start_mark else 1


def _refuse_expensive(text: str) -> None:
    """Raise YamlTextError for a text that would be expensive to load, or is not YAML.

    Loading is recursive: libyaml's loader ends the process when a text is nested deeply enough. Events are not.
    """
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if excess := _excess(event, number, depth):
                raise YamlTextError(f"expected {excess}", _line_of(event))
    except yaml.MarkedYAMLError as error:
        raise _placed(error, text) from error
    except yaml.YAMLError as error:
        raise YamlTextError("this is not YAML") from error


def _excess(event: yaml.Event, number: int, depth: int) -> str | None:
    """Return what was expected where the text becomes too expensive; None where it does not."""
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
