"""What operations return against the contract, in production: connexion's check, with compiled validators.

Checked are JSON bodies, media types and required headers; not problem documents, which all come from one renderer.
"""

from typing import Any

from connexion.datastructures import MediaTypeDict
from connexion.exceptions import NonConformingResponseBody
from connexion.validators import JSONResponseBodyValidator

from handlers.errors import ConfigurationError


def compiled_validators() -> MediaTypeDict:
    """Return the validators of one application, by media type.

    Raises ConfigurationError when their package is not installed.
    """
    try:
        from jsonschema_rs import Draft4Validator  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError(
            "The setting validate_responses is true, which needs: pip install 'framehook[validation]'."
        ) from error
    compiled: dict[int, Draft4Validator] = {}

    class CompiledValidator(JSONResponseBodyValidator):  # type: ignore[misc]  # connexion is untyped
        """Compiles each schema of the contract once; connexion makes one of these for every answer."""

        def _validate(self, body: Any) -> None:
            if not self._schema:  # an answer without content
                return
            key = id(self._schema)  # the contract is kept as long as the application
            if key not in compiled:
                compiled[key] = Draft4Validator(_alone(self._schema))
            if not compiled[key].is_valid(body):
                raise NonConformingResponseBody

    return MediaTypeDict({"*/*json": CompiledValidator})


def _alone(schema: Any) -> Any:
    """Return a schema without the contract's components, which connexion hangs into it, and they into themselves.

    Its references are resolved already.
    """
    if isinstance(schema, dict):
        return {name: _alone(value) for name, value in schema.items() if name != "components"}
    return [_alone(value) for value in schema] if isinstance(schema, list) else schema
