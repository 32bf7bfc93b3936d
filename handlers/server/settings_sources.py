"""Where settings come from: the command line, the environment, and a file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from models.repository.plain_yaml import YamlTextError, parse_yaml

ENVIRONMENT_PREFIX = "FRAMEHOOK_"
CONFIG_NAME = "config"
KUBERNETES_NAME = re.compile(
    r"(\w+_)?SERVICE_(HOST|PORT(_\w+)?)|(\w+_)?PORT_[0-9]+_(TCP|UDP|SCTP)(_\w+)?", re.IGNORECASE
)
KUBERNETES_VALUE = re.compile(r"(tcp|udp|sctp)://.*")
"""The environment variables that Kubernetes sets in pods for every Service."""


def read_settings(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings: an argument takes precedence over the environment, and the environment over the file.

    `arguments`: setting name → value. The file is YAML; the argument `config` or FRAMEHOOK_CONFIG names it. Raises
    ConfigurationError, whose message names the setting and its source, never its value.
    """
    from_environment = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): (value, f"environment variable {name}")
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    from_arguments = {name: (value, f"option --{name.replace('_', '-')}") for name, value in arguments.items()}
    given: dict[str, tuple[Any, str]] = from_environment | from_arguments
    empty = next((origin for value, origin in given.values() if value == ""), None)
    if empty:
        raise ConfigurationError(f"{empty} is empty; leave it out for the default.")
    config_path, _ = given.pop(CONFIG_NAME, (None, ""))
    if config_path:
        given = _read_file(Path(config_path)) | given
    try:
        return Settings.model_validate({name: value for name, (value, _) in given.items()})
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, given)) from error


def _read_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        document = parse_yaml(path.read_text(encoding="utf-8"))
    except YamlTextError as error:
        raise ConfigurationError(f"The settings file {path}, {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {path} cannot be read as text.") from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise ConfigurationError(f"The settings file {path} must map names to values.")
    return {name: (value, f"file {path}, key {name}") for name, value in document.items()}


def _sentence(error: ValidationError, given: Mapping[str, tuple[Any, str]]) -> str:
    fault = error.errors()[0]
    if not fault["loc"]:
        return f"Settings that contradict each other: {fault['ctx']['error']}."
    name = str(fault["loc"][0])
    value, origin = given[name]
    if fault["type"] == "extra_forbidden":
        sentence = f"{origin}: no such setting; docs/configuration.md lists them all."
    else:
        sentence = f"{origin}: {fault['msg']}."
    if origin.startswith("environment") and (KUBERNETES_NAME.fullmatch(name) or KUBERNETES_VALUE.fullmatch(value)):
        sentence += (
            " Kubernetes sets such variables for a Service called framehook;"
            " put enableServiceLinks: false into the pod's specification."
        )
    return sentence
