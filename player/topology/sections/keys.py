"""What the sections of a topology have in common: keys and words in any letter case, faults that name their place."""

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails

from player.errors import TopologyError
from player.topology.document import Place, Placed, fault, shown

MAX_LISTED = 60
"""Characters of a key for which a similar one is looked for: the search takes long for long ones."""

VISIBLE = r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]"
"""A character that neither controls a terminal nor turns the direction of text."""

MAX_NOTES = 50
"""Of one topology."""

SENTENCES = {
    "missing": "it is missing",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}",
    "string_too_short": "it is empty",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "it is empty, too long, or has characters that are not possible here",
    "string_type": "expected text",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "expected a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "expected a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "expected true or false"),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), "expected a duration such as PT30S"),
    "tuple_type": "expected a list",
    **dict.fromkeys(("model_type", "dict_type"), "expected a section with keys"),
}
"""pydantic's names of faults → ours."""


class Keyed(BaseModel):
    """A section of a topology. Its keys are its fields in camel case, and are known in any letter case.

    Keys that nobody knows have no effect; if the context is a list, a sentence about each is added to it. A key with
    `null` counts as absent. Numbers and booleans may be strings.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )

    unused_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys, in small letters, that are in order and have no effect here."""

    @classmethod
    def known(cls) -> dict[str, str]:
        """Return the keys, in small letters → names of fields; a section with other names for keys adds them."""
        return {name.replace("_", ""): name for name in cls.model_fields}

    @classmethod
    def adjusted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values by name of field before they are checked; a section that rewrites some does it here."""
        return values

    @model_validator(mode="before")
    @classmethod
    def _fold_keys(cls, section: Any, info: ValidationInfo) -> Any:
        if not isinstance(section, dict):
            return section
        known = cls.known()
        values = {}
        for key, value in section.items():
            small = key.lower().replace("_", "").removeprefix("@")
            name = known.get(small)
            if name is not None and value is not None:
                values[name] = value
            elif name is None and small not in {"type", *cls.unused_keys} and info.context is not None:
                _note_unknown(info.context, section, key, known.values())
        return cls.adjusted(values)

    @classmethod
    def checked(cls, section: Any, label: str, notes: list[str]) -> Self:
        """Return a section whose values are right. `label`: what messages call it. Raises TopologyError.

        Sentences about keys that are not known are added to `notes`.
        """
        try:
            return cls.model_validate(section, context=notes)
        except ValidationError as error:
            raise _translated(error.errors(include_url=False, include_input=False)[0], section, label) from None


def _note_unknown(notes: list[str], section: dict[str, Any], key: str, names: Iterable[str]) -> None:
    """Add a sentence about a key that is not known."""
    if len(notes) < MAX_NOTES:
        place = f"{section.places[key]}: " if isinstance(section, Placed) else ""
        question = near(key, map(camel, names))
        notes.append(f"{place}the key {shown(key)} is not known, and has no effect.{question}")


def folded(literal: Any) -> BeforeValidator:
    """Return what brings a word into the letter case that a Literal gives it; others are left as they are."""
    words = {word.lower(): word for word in get_args(literal)}
    return BeforeValidator(lambda word: words.get(word.lower(), word) if isinstance(word, str) else word)


def tail(type_name: str) -> str:
    """Return what a type is called in both dialects, in small letters.

    `#Microsoft.VideoAnalyzer.HttpExtension` and `#Microsoft.Media.MediaGraphHttpExtension` are both `httpextension`.
    """
    return type_name.rpartition(".")[2].lstrip("#").lower().removeprefix("mediagraph")


def near(word: str, words: Iterable[str]) -> str:
    """Return a question that names a similar word; nothing if there is none."""
    by_folded = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), by_folded, 1) if len(word) <= MAX_LISTED else []
    return f" Did you mean {by_folded[found[0]]}?" if found else ""


def camel(name: str) -> str:
    """Return the name of a field as a key: `node_name` → `nodeName`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _translated(error: ErrorDetails, section: Any, label: str) -> TopologyError:
    """Return a fault of pydantic as a sentence with its place; it never holds the value, which may be secret."""
    keys, place, origins = _followed(section, error["loc"])
    name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] in SENTENCES:
        bounds = {
            name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in error.get("ctx", {}).items()
        }
        reason = SENTENCES[error["type"]].format_map(bounds)
    if origins:
        reason += f" (it is made of {' and '.join(f'${{{origin}}}' for origin in origins)})"
    text = ": ".join(part for part in (label, name, reason) if part)
    return fault(place, f"{text}.") if place else TopologyError(f"{text}.")


def _followed(section: Any, loc: tuple[int | str, ...]) -> tuple[list[int | str], Place | None, tuple[str, ...]]:
    """Return a fault's keys as the file writes them, the place of the last one that is there, and its origins.

    Parts of `loc` that are no keys, such as the names that tell kinds of a section apart, are left out.
    """
    keys: list[int | str] = []
    here, place = section, getattr(section, "place", None)
    origins: tuple[str, ...] = ()
    for number, part in enumerate(loc):
        if isinstance(part, int) and isinstance(here, list) and part < len(here):
            keys.append(part)
            here = here[part]
            place = getattr(here, "place", place)
        elif isinstance(here, Placed) and (key := here.written(camel(str(part))) or here.written(f"@{part}")):
            keys.append(key)
            place, origins = here.places[key], here.origins.get(key, ())
            here = here[key]
        elif number == len(loc) - 1 and isinstance(here, dict):
            keys.append(camel(str(part)))
    return keys, place, origins
