"""Query parameters against the contract, with refusals in our own words."""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from connexion.lifecycle import ConnexionRequest
from connexion.validators.parameter import ParameterValidator

from handlers.errors import InvalidParameterError
from handlers.numbers import NUMBERS

NOUNS = {"number": "a number", "integer": "a whole number"}
MAX_CACHED_BYTES = 1024
"""Of a query: longer ones are not what cameras repeat, and would take too much memory."""


class ContractParameterValidator(ParameterValidator):  # type: ignore[misc]  # connexion is untyped
    """connexion's validator, but its messages, which quote the input and the schema, stay inside."""

    def validate_query_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Raise InvalidParameterError when a query parameter is not as the contract says."""
        query = request.scope["query_string"]
        parse = _cached if len(query) <= MAX_CACHED_BYTES else _parse
        written = parse(query).get(param["name"], [])
        fault = _fault(written, param["schema"])
        if not fault and param["schema"]["type"] == "array" and super().validate_query_parameter(param, request):
            fault = "has an empty entry"
        _refuse("query parameter", param, fault)

    def validate_header_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Raise InvalidParameterError when a header is not as the contract says."""
        _refuse("header", param, _fault(request.headers.getlist(param["name"]), param["schema"]))


def _parse(query_string: bytes) -> dict[str, list[str]]:
    """Return the values of each parameter."""
    return parse_qs(query_string.decode("latin-1"), keep_blank_values=True)


_cached = lru_cache(maxsize=1024)(_parse)
"""The same, which is asked for every parameter of a request; and cameras repeat themselves."""


def _fault(written: list[str], schema: dict[str, Any]) -> str | None:
    """Return what is wrong with the values of one parameter, or None; of lists only their length is known here."""
    if schema["type"] == "array":
        return "has too many entries" if sum(1 + one.count(",") for one in written) > schema["maxItems"] else None
    if not written or schema.keys() <= {"type", "description"}:
        return None
    if len(written) > 1:
        return "is given more than once"
    if schema["type"] in NUMBERS:
        return _fault_of_number(written[0], schema)
    fits = written[0].lower() in schema["enum"] if "enum" in schema else re.fullmatch(schema["pattern"], written[0])
    return None if fits else "is wrong"


def _fault_of_number(written: str, schema: dict[str, Any]) -> str | None:
    if not NUMBERS[schema["type"]].fullmatch(written):
        return f"is not {NOUNS[schema['type']]}"
    return None if schema["minimum"] <= float(written) <= schema["maximum"] else "is out of range"


def _refuse(place: str, param: dict[str, Any], fault: str | None) -> None:
    if fault:
        raise InvalidParameterError(f"The {place} '{param['name']}' {fault}: expected {_expectation(param)}.")


def _expectation(param: dict[str, Any]) -> str:
    schema = param["schema"]
    if "maximum" in schema:
        return f"{NOUNS[schema['type']]} from {schema['minimum']} to {schema['maximum']}"
    if "maxItems" in schema:
        return f"{schema['minItems']} to {schema['maxItems']} labels, separated by commas"
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    return _as_clause(schema["description"]) if "pattern" in schema else NOUNS[schema["type"]]


def _as_clause(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")
