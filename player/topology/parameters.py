"""The parameters of a topology: what they may be, what they are, and where `${name}` stands for them."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from player.errors import MissingValueError, TopologyError
from player.topology.document import Place, Placed, fault, shown
from player.topology.naming import VARIABLES
from player.topology.sections.keys import Keyed, folded, near

ParameterType: TypeAlias = Literal["string", "secretString", "int", "double", "bool"]
MAX_VALUE_LENGTH = 1 << 16
MAX_FILLED_LENGTH = 4 << 20
"""Characters of all strings of a topology that hold parameters: a short text can use a long value often."""
SYSTEM = "system."

_REFERENCE = re.compile(r"\$\{(?:([^${}]{1,128})\})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def _text(value: Any) -> Any:
    """Return a default as text: files have numbers and booleans there, too."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
    return value


def _is_free(name: str) -> str:
    if name.lower().startswith(SYSTEM):
        raise ValueError("names that begin with System. are taken")
    return name


class Parameter(Keyed):
    """A parameter, as a topology declares it. `default`: None: it needs a value."""

    name: Annotated[str, Field(pattern=r"^[^${}\s]{1,128}$"), AfterValidator(_is_free)]
    type: Annotated[ParameterType, folded(ParameterType)] = "string"
    description: str = ""
    default: Annotated[str | None, BeforeValidator(_text), Field(max_length=MAX_VALUE_LENGTH, repr=False)] = None

    @property
    def is_secret(self) -> bool:
        """Return whether its value must not be shown."""
        return self.type == "secretString"

    def accepts(self, value: str) -> bool:
        """Return whether a value is of its type."""
        match self.type:
            case "int":
                return _NUMBER.fullmatch(value.strip()) is not None
            case "double":
                return _is_finite(value)
            case "bool":
                return value.strip().lower() in {"true", "false"}
            case _:
                return True


def _is_finite(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


class Use(NamedTuple):
    """A place where a parameter stands. `key`: whose value it is part of."""

    parameter: str
    key: str
    place: Place


def declared(sections: Iterable[Any], place: Place, notes: list[str]) -> tuple[Parameter, ...]:
    """Return the parameters that a topology declares; raises TopologyError. `place`: of what they are in."""
    parameters: dict[str, Parameter] = {}
    for section in sections:
        if not isinstance(section, Placed):
            raise fault(place, "parameters: expected a list of objects.")
        parameter = Parameter.checked(section, "parameters", notes)
        if parameter.name.lower() in parameters:
            raise fault(section.place, f"the parameter {shown(parameter.name)} is declared twice.")
        if parameter.default is not None and not parameter.accepts(parameter.default):
            raise fault(section.place, f"the default of the parameter {shown(parameter.name)} is no {parameter.type}.")
        parameters[parameter.name.lower()] = parameter
    return tuple(parameters.values())


def chosen(parameters: Iterable[Parameter], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of parameters, by name in small letters: those given, else the defaults.

    Raises TopologyError for a value that is not of its parameter's type, or that no parameter is declared for.
    """
    by_name = {parameter.name.lower(): parameter for parameter in parameters}
    texts = {name: parameter.default for name, parameter in by_name.items() if parameter.default is not None}
    for name, value in values.items():
        parameter = by_name.get(name.lower())
        if parameter is None:
            names = [parameter.name for parameter in by_name.values()]
            raise TopologyError(f"it declares no parameter {shown(name)}.{near(name, names) or _listed(names)}")
        if len(value) > MAX_VALUE_LENGTH:
            raise TopologyError(f"{parameter.name}: expected a value of at most {MAX_VALUE_LENGTH} characters.")
        if not parameter.accepts(value):
            raise TopologyError(f"--set {parameter.name}=...: expected {_expected(parameter.type)}.")
        texts[parameter.name.lower()] = value
    return texts


def _listed(names: list[str]) -> str:
    return f" It declares {', '.join(map(shown, names))}." if names else " It declares none."


def _expected(kind: ParameterType) -> str:
    return {"int": "a whole number", "double": "a number", "bool": "true or false"}.get(kind, "a string")


def uses(section: Any, key: str = "", place: Place | None = None) -> Iterable[Use]:
    """Yield where parameters and variables stand, in order; raises TopologyError for a `${` that does not end."""
    if isinstance(section, Placed):
        for own, value in section.items():
            yield from uses(value, own, section.places[own])
    elif isinstance(section, list):
        for value in section:
            yield from uses(value, key, place)
    elif isinstance(section, str):
        for match in _REFERENCE.finditer(section):
            if match[1] is None:
                raise fault(place or Place(1, 1), "expected a name and } after ${.")
            yield Use(match[1], key, place or Place(1, 1))


def require(found: Iterable[Use], parameters: Iterable[Parameter], texts: Mapping[str, str]) -> None:
    """Raise TopologyError for a use of what is not declared, and MissingValueError for one that has no value."""
    names = {parameter.name.lower(): parameter.name for parameter in parameters}
    missing: dict[str, None] = {}
    for use in found:
        folded_name = use.parameter.lower()
        if folded_name in texts:
            continue
        if folded_name not in names:
            kind = "there is no system variable" if folded_name.startswith(SYSTEM) else "it declares no parameter"
            question = near(use.parameter, [*names.values(), *VARIABLES])
            raise fault(use.place, f"{kind} {shown(use.parameter)}.{question}")
        missing[names[folded_name]] = None
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        settings = " ".join(f"--set {name}=VALUE" for name in missing)
        raise MissingValueError(f"{' and '.join(missing)} {verb} no value; give {settings}.")


@dataclass(slots=True)
class Filling:
    """Puts values in the places of `${name}`. `texts`: name in small letters → value; it must hold all that are used.

    Values are not searched again: a `${` in one stays.
    """

    texts: Mapping[str, str] = field(repr=False)
    _length: int = 0

    def fill(self, section: Any) -> Any:
        """Return a section with values filled in; a filled string's key has its parameters as origins."""
        if isinstance(section, list):
            return [self.fill(value) for value in section]
        if isinstance(section, str):
            return self._filled(section)
        if not isinstance(section, Placed):
            return section
        filled = Placed(section.place)
        filled.places = section.places
        for key, value in section.items():
            filled[key] = self.fill(value)
            if isinstance(value, str) and "${" in value:
                filled.origins[key] = tuple(match[1] or "" for match in _REFERENCE.finditer(value))
        return filled

    def _filled(self, text: str) -> str:
        parts, end = [], 0
        for match in _REFERENCE.finditer(text):
            value = self.texts[(match[1] or "").lower()]
            parts += [text[end : match.start()], value]
            end = match.end()
            self._length += end - match.start() + len(value)
            if self._length > MAX_FILLED_LENGTH:
                raise TopologyError(f"its values make it longer than {MAX_FILLED_LENGTH} characters.")
        return "".join([*parts, text[end:]])
