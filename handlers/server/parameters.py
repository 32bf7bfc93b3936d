"""Query parameters against the contract, with refusals in our own words."""

import re
from typing import Any
from urllib.parse import parse_qs

from connexion.lifecycle import ConnexionRequest
from connexion.validators.parameter import ParameterValidator

from handlers.errors import InvalidParameterError

NUMBERS = {
    "integer": re.compile(r"[+-]?[0-9]+"),
    "number": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
"""How numbers are written. Python would also read nan, inf, 1_000, blanks around, and the digits of other scripts."""

NOUNS = {"number": "a number", "integer": "a whole number", "array": "one or more labels, separated by commas"}


class ContractParameterValidator(ParameterValidator):  # type: ignore[misc]  # connexion is untyped
    """connexion's validator, but its messages, which quote the input and the schema, stay inside."""

    def validate_query_parameter(self, param: dict[str, Any], request: ConnexionRequest) -> None:
        """Raise InvalidParameterError when a query parameter is not as the contract says."""
        query = request.scope["query_string"].decode("latin-1")
        written = parse_qs(query, keep_blank_values=True).get(param["name"], [])
        fault = _fault_as_written(written, param["schema"]["type"])
        if not fault and super().validate_query_parameter(param, request):
            fault = "has an empty entry" if param["schema"]["type"] == "array" else "is out of range"
        if fault:
            raise InvalidParameterError(
                f"The query parameter '{param['name']}' {fault}: expected {_expectation(param['schema'])}."
            )


def _fault_as_written(written: list[str], kind: str) -> str | None:
    if kind in NUMBERS:
        if len(written) > 1:
            return "is given more than once"
        if written and not NUMBERS[kind].fullmatch(written[0]):
            return f"is not {NOUNS[kind]}"
    return None


def _expectation(schema: dict[str, Any]) -> str:
    if "maximum" in schema:
        return f"{NOUNS[schema['type']]} from {schema['minimum']} to {schema['maximum']}"
    return NOUNS[schema["type"]]
