"""Query parameters against the contract, with refusals in our own words."""

import math
from typing import Any

from connexion.validators.parameter import ParameterValidator

from handlers.errors import InvalidParameterError


class ContractParameterValidator(ParameterValidator):  # type: ignore[misc]  # connexion is untyped
    """connexion's validator, but its messages, which quote the input and the schema, stay inside."""

    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: dict[str, Any], param_name: str | None = None
    ) -> None:
        """Raise InvalidParameterError when a value is not as the contract says, or not finite."""
        fault = ParameterValidator.validate_parameter(parameter_type, value, param, param_name)
        if fault or (isinstance(value, float) and not math.isfinite(value)):
            schema = param["schema"]
            raise InvalidParameterError(
                f"The {parameter_type} parameter '{param['name']}' {_kind_of_fault(value, schema)}: "
                f"expected {_expectation(schema)}."
            )


def _kind_of_fault(value: Any, schema: dict[str, Any]) -> str:
    if schema["type"] == "array":
        return "has an empty entry"
    if isinstance(value, str):
        return f"is not {_NOUNS[schema['type']]}"
    return "is out of range"


def _expectation(schema: dict[str, Any]) -> str:
    noun = _NOUNS[schema["type"]]
    if "maximum" in schema:
        return f"{noun} from {schema['minimum']} to {schema['maximum']}"
    return noun


_NOUNS = {
    "number": "a number",
    "integer": "a whole number",
    "array": "one or more texts, separated by commas",
    "string": "a text",
}
