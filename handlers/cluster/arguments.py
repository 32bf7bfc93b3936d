"""The arguments of the application in Serve's configuration: framehook's settings, and how many frames travel."""

import os
from collections.abc import Mapping
from typing import Any

from handlers.errors import ConfigurationError
from handlers.server.parts import with_only_model
from handlers.server.settings import Settings
from handlers.server.settings_sources import read_settings

FRAMES_IN_FLIGHT = "frames_in_flight"
"""The argument that is no setting: frames that one ingress replica has at the workers at the same time."""
DEFAULT_FRAMES_IN_FLIGHT = 16
OF_THE_PROXY = frozenset(
    {
        "host",
        "port",
        "tls_certificate",
        "tls_key",
        "tls_client_ca",
        "tls_self_signed",
        "receive_timeout_s",
        "min_body_bytes_per_s",
        "max_header_bytes",
        "max_connections",
        "drain_delay_s",
        "shutdown_timeout_s",
    }
)
"""Settings of framehook's own HTTP server: behind Ray's proxy they would have no effect."""
BEHIND_A_PROXY = {"host": "0.0.0.0", "watch_models": False}  # noqa: S104  # nothing is opened; Ray's proxy listens


def ingress_settings(arguments: Mapping[str, Any]) -> Settings:
    """Return the settings of an ingress replica: its lanes are the frames that it has at the workers.

    Raises ConfigurationError when an argument is wrong, or has no effect here.
    """
    return _settings(arguments, arguments.get(FRAMES_IN_FLIGHT, DEFAULT_FRAMES_IN_FLIGHT))


def worker_settings(arguments: Mapping[str, Any], cpus: int) -> Settings:
    """Return the settings of a worker. `cpus`: that Ray has reserved for it; one lane each, unless `lanes` is set.

    What a worker takes is bounded by Ray; it never refuses a frame that was admitted.
    """
    settings = _settings(arguments, arguments.get("lanes", cpus))
    return settings.model_copy(update={"queue_size": 1 << 20, "queue_timeout_s": time_limit_s(settings)})


def time_limit_s(settings: Settings) -> float:
    """Return how long a frame may take from its lane in the ingress until its answer is there."""
    return settings.queue_timeout_s + settings.run_timeout_s


def _settings(arguments: Mapping[str, Any], lanes: Any) -> Settings:
    given = {name: value for name, value in arguments.items() if name != FRAMES_IN_FLIGHT}
    if idle := sorted(OF_THE_PROXY & given.keys()):
        raise ConfigurationError(f"{idle[0]} has no effect behind Ray's proxy; http_options has what can be set there.")
    if not isinstance(lanes, int) or lanes < 1:
        raise ConfigurationError(f"{FRAMES_IN_FLIGHT} and lanes are whole numbers of at least 1.")
    settings = with_only_model(read_settings(given | {"lanes": lanes}, _environment()))
    return settings.model_copy(update=BEHIND_A_PROXY)


def _environment() -> dict[str, str]:
    """Return the environment of this process without the settings that have no effect, which images set."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.removeprefix("FRAMEHOOK_").lower() not in OF_THE_PROXY | {"lanes"}
    }
