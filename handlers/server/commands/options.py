"""Settings as options of the command line."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from handlers.parsing.numbers import read_number
from handlers.server.settings import Settings
from handlers.server.settings_sources import CONFIG_NAME, ENVIRONMENT_PREFIX

SECRETS = {"credentials"}
"""Settings that are no options: every user of a machine can read the command lines of its processes."""
ALL_SETTINGS = tuple(name for name in Settings.model_fields if name not in SECRETS)

TITLES = {
    "host": "address",
    "credentials_file": "access",
    "tls_certificate": "HTTPS",
    "model_repository": "models",
    "lanes": "work on frames",
    "max_body_bytes": "frames",
    "receive_timeout_s": "connections, start and end",
    "log_level": "log and traces",
}
"""First setting of a group → its title in the help text of a command that lists all."""

UNITS = {"_bytes_per_s": "BYTES", "_bytes": "BYTES", "_s": "SECONDS"}
"""Suffix of a setting's name → its value in the help text; the first one that fits counts."""


def above_zero(what: str, most: float) -> Callable[[str], float]:
    """Return what reads an option's value: a number above 0, at most `most`. `what`: the number, for the error."""

    def read(text: str) -> float:
        number = read_number(text)
        if number is not None and 0 < number <= most:
            return number
        raise argparse.ArgumentTypeError(f"expected {what} above 0, at most {most}")

    return read


def settings_options(names: Sequence[str], unlisted: Iterable[str] = ()) -> argparse.ArgumentParser:
    """Return a parent parser with `--config` and one option for each of these settings.

    A command lists the settings that decide what it prints; from the environment and the file, all count. `unlisted`:
    settings that are options as well, but not in the help text. An option that is not given leaves no attribute
    behind, so that the environment, the file and the default count.
    """
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    more = " All other options of `framehook serve` may be given, too." if unlisted else ""
    origins = f"Also from the environment ({ENVIRONMENT_PREFIX}NAME) and the file of --{CONFIG_NAME}, in this order."
    group = parser.add_argument_group("settings", origins + more)
    group.add_argument(f"--{CONFIG_NAME}", metavar="FILE", help="YAML file with settings.")
    for name in names:
        if len(names) == len(ALL_SETTINGS) and name in TITLES:
            group = parser.add_argument_group(TITLES[name])
        _add_option(group, name, Settings.model_fields[name], is_listed=True)
    for name in unlisted:
        _add_option(group, name, Settings.model_fields[name], is_listed=False)
    return parser


def _add_option(group: "argparse._ArgumentGroup", name: str, field: FieldInfo, *, is_listed: bool) -> None:
    alone: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation is bool else {}
    text = f"{field.description}{_default(field)}" if is_listed else argparse.SUPPRESS
    group.add_argument(f"--{name.replace('_', '-')}", metavar=_value(name, field), help=text, **alone)


def _default(field: FieldInfo) -> str:
    """Return the sentence about the default; a default that depends on the machine is part of the description."""
    if field.default_factory or field.default is None:
        return ""
    return f" Default: {str(field.default).lower() if field.annotation is bool else field.default}."


def _value(name: str, field: FieldInfo) -> str:
    """Return what the help text writes for the value of an option."""
    kind = get_origin(field.annotation)
    if kind is Literal:
        return "{" + ",".join(get_args(field.annotation)) + "}"
    if kind is tuple:
        return "LIST"
    if field.annotation is bool:
        return "true|false"
    unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), None)
    if unit:
        return unit
    if field.annotation in {Path, Path | None}:
        return "FILE"
    return "NUMBER" if field.annotation is int else "TEXT"
