"""Validation of query parameters and headers against the contract, with refusals in our own words."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from connexion.lifecycle import ConnexionRequest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.validators.parameter import ParameterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.errors import InvalidParameterError
from handlers.parsing.numbers import read_number, read_whole_number
from handlers.parsing.queries import MAX_CACHED_BYTES, known_fields

READERS: dict[str, Callable[[str], float | None]] = {"integer": read_whole_number, "number": read_number}
NOUNS = {"number": "a number", "integer": "a whole number"}


class KnownParametersMiddleware:
    """Drops the query parameters that the contract does not name, before connexion reads them.

    connexion turns each name into the one of a Python argument, in time that grows with the square of its length.
    `names`: operationId → the names of its query parameters.
    """

    def __init__(self, next_app: ASGIApp, names: Mapping[str, Collection[str]]) -> None:
        self._next_app = next_app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and scope["query_string"]:
            names = self._names[scope["extensions"][ROUTING_CONTEXT]["operation_id"]]
            scope["query_string"] = known_fields(scope["query_string"], names)
        await self._next_app(scope, receive, send)


class ContractParameterValidator(ParameterValidator):  # type: ignore[misc]  # connexion is untyped
    """connexion's validator, without its messages, which quote the input and the schema."""

    def validate_query_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Raise InvalidParameterError when a query parameter breaks the contract."""
        query = request.scope["query_string"]
        parse = _cached if len(query) <= MAX_CACHED_BYTES else _latest
        written = parse(query).get(param["name"], [])
        fault = _fault(written, param["schema"])
        if not fault and param["schema"]["type"] == "array" and super().validate_query_parameter(param, request):
            fault = "has an empty entry"
        _refuse("query parameter", param, fault)

    def validate_path_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Accept every name in a path: its operation looks it up, and raises if there is nothing of that name."""

    def validate_header_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Raise InvalidParameterError when a header breaks the contract. One that may be anything is not looked for."""
        if not _is_free(param["schema"]):
            _refuse("header", param, _fault(request.headers.getlist(param["name"]), param["schema"]))


def _parse(query_string: bytes) -> dict[str, list[str]]:
    """Return the values of each parameter."""
    return parse_qs(query_string.decode("latin-1"), keep_blank_values=True)


_cached = lru_cache(maxsize=1024)(_parse)
"""The same, cached: it is called for every parameter of a request, and cameras repeat their queries."""
_latest = lru_cache(maxsize=1)(_parse)
"""The same for long queries: only the latest one is kept, for the parameters of one request."""


def _fault(written: list[str], schema: dict[str, Any]) -> str | None:
    """Return what is wrong with the values of one parameter, or None; of a list only the length is checked."""
    if schema["type"] == "array":
        return "has too many entries" if sum(1 + text.count(",") for text in written) > schema["maxItems"] else None
    if not written or _is_free(schema):
        return None
    if len(written) > 1:
        return "is given more than once"
    if schema["type"] in READERS:
        return _fault_of_number(written[0], schema)
    fits = written[0].lower() in schema["enum"] if "enum" in schema else re.fullmatch(schema["pattern"], written[0])
    return None if fits else "is wrong"


def _is_free(schema: dict[str, Any]) -> bool:
    """Return whether any text fits."""
    return schema.keys() <= {"type", "description"}


def _fault_of_number(written: str, schema: dict[str, Any]) -> str | None:
    number = READERS[schema["type"]](written)
    if number is None:
        return f"is not {NOUNS[schema['type']]}"
    return None if schema["minimum"] <= number <= schema["maximum"] else "is out of range"


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
