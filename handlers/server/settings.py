"""Every setting of the service: its default, its unit, its environment name."""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from handlers.decoding.decoder import RouteName
from handlers.errors import ConfigurationError
from handlers.server.wire.connections import default_max_connections
from handlers.server.wire.self_signed import default_folder
from models.errors import ModelConfigError
from models.repository.folder import BUILT_IN_ZOO, CONFIG_FILE_NAME, find_models
from models.scheduling.cores import usable_cores

ENVIRONMENT_PREFIX = "FRAMEHOOK_"
CONFIG_NAME = "config"
ZOO = "zoo"
NOTHING = "nothing"
TAKEN_HEADERS = ("authorization", "host", "connection", "cookie", "accept", "content-", "x-ms-", "x-frame-")
"""Headers that mean something else to the service, or are logged, begin like this."""
MEBIBYTE = 1 << 20
QUEUE_PLACES_A_LANE = 8
"""Bounds how long an admitted frame waits under overload: docs/maintainers/performance.md."""
KUBERNETES_NAME = re.compile(
    r"(\w+_)?SERVICE_(HOST|PORT(_\w+)?)|(\w+_)?PORT_[0-9]+_(TCP|UDP|SCTP)(_\w+)?", re.IGNORECASE
)
KUBERNETES_VALUE = re.compile(r"(tcp|udp|sctp)://.*")
"""What a Service makes Kubernetes put into the environment of the pods beside it."""
YAML_ERRORS = (OSError, ValueError, RecursionError, yaml.YAMLError)
"""What reading a YAML file raises: PyYAML does not translate impossible dates and endless nesting."""


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _roots(value: Any) -> Any:
    """Return the folders of a text or a list; one folder may come as it is."""
    parts = (value,) if isinstance(value, Path) else _split(value)
    return tuple(BUILT_IN_ZOO if part == ZOO else part for part in parts) if isinstance(parts, tuple | list) else parts


def _permissions(value: Any) -> Any:
    return () if value == NOTHING else _split(value)


AtLeastOne = Annotated[int, Field(ge=1)]
Roots = Annotated[tuple[Path, ...], BeforeValidator(_roots), Field(min_length=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0, le=threading.TIMEOUT_MAX)]


class Settings(BaseModel):
    """All settings, read once. A name that is not listed here stops the start, wherever it was given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", pattern=r"^[!-~]+$", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="TCP port to listen on; 0 takes a free one.")
    deepstack_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None, description="A second TCP port, for clients that expect one of their own, such as 32168."
    )
    credentials_file: Path | None = Field(
        default=None, description="YAML file of those who may come in: framehook credentials. By default everybody."
    )
    credentials: SecretStr | None = Field(
        default=None, description="The same as text, beside those of the file; in the environment only."
    )
    anonymous_may: Annotated[tuple[Literal["infer", "read", "view", "monitor"], ...], BeforeValidator(_permissions)] = (
        Field(
            "monitor",
            validate_default=True,
            description="What needs no credential: infer, read, view, monitor, or nothing.",
        )
    )
    digest_md5: bool = Field(default=False, description="Offer Digest with MD5 too, to clients that know nothing else.")
    api_key_header: str = Field(
        "X-API-Key", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$", description="The header for tokens, beside Bearer."
    )
    tls_certificate: Path | None = Field(None, description="PEM file with the certificate and its chain: serve HTTPS.")
    tls_key: Path | None = Field(None, description="PEM file with the key of the certificate, not encrypted.")
    tls_client_ca: Path | None = Field(
        None, description="PEM file with the authorities one of which must have signed a caller's certificate."
    )
    tls_self_signed: bool = Field(
        default=False, description="Serve HTTPS with a certificate made here, for the lab (needs the extra)."
    )
    tls_folder: Path = Field(default_factory=default_folder, description="Where the self-signed certificate is kept.")
    model_repository: Roots = Field(
        default_factory=lambda: (BUILT_IN_ZOO,),
        description="Folders with one folder per model, separated by commas; zoo is the built-in one.",
    )
    models: Names = Field(
        default_factory=tuple, description="Models to serve, separated by commas; by default all in the repository."
    )
    default_model: str = Field("ssdlite-mobilenet-v2", description="The model behind /inference and /score.")
    on_broken_model: Literal["stop", "wait"] = Field(
        "stop", description="When a model cannot be served: stop, or wait, live but not ready, until it is mended."
    )
    watch_models: bool = Field(default=True, description="Reload models when their folders change.")
    trial_timeout_s: Seconds = Field(60, description="Seconds that a candidate may take to load and answer a frame.")
    trial_max_bytes: AtLeastOne = Field(4 << 30, description="Address space that a candidate may take in its trial.")
    lanes: Annotated[int, Field(ge=1, le=1024)] = Field(
        default_factory=usable_cores, description="Frames worked on at once; by default one per usable core."
    )
    queue_size: Annotated[int, Field(ge=0)] = Field(
        default_factory=lambda settings: QUEUE_PLACES_A_LANE * settings.get("lanes", 1),
        description="Frames that may wait for a lane; by default eight for each.",
    )
    wide_lane: bool = Field(
        default=False,
        description="Run a frame that is alone by as many threads as there are lanes: sooner done, at more cost.",
    )
    queue_timeout_s: Seconds = Field(2, description="Seconds that a frame may wait for a lane; then it is given up.")
    run_timeout_s: Seconds = Field(10, description="Seconds that a model may take over one frame; then it is stopped.")
    max_body_bytes: AtLeastOne = Field(32 * MEBIBYTE, description="Largest body accepted, in bytes.")
    max_bytes_in_flight: AtLeastOne = Field(
        256 * MEBIBYTE, description="Bytes of all bodies in the house at once; more is refused as busy."
    )
    max_pixels: AtLeastOne = Field(36_000_000, description="Largest picture accepted, width times height.")
    decoding: RouteName = Field(
        "exact", description="How a picture is brought to the model's size: exact, fast (needs the extra), or plain."
    )
    receive_timeout_s: Seconds = Field(
        10, description="Seconds for the head of a request to arrive, and for what was sent to be taken."
    )
    min_body_bytes_per_s: Annotated[int, Field(ge=0)] = Field(
        256 << 10, description="Bytes a second that a body must bring over any receive_timeout_s; fewer end in 408."
    )
    max_header_bytes: AtLeastOne = Field(64 << 10, description="Largest head of a request, in bytes; more is 431.")
    max_header_count: AtLeastOne = Field(100, description="Most header fields of a request; more is 431.")
    max_connections: AtLeastOne = Field(
        default_factory=default_max_connections,
        description="Connections at once; above, the one idle longest gives way. By default 1024, or as files allow.",
    )
    max_viewers: Annotated[int, Field(ge=0)] = Field(
        16, description="Viewers of live streams at once; more are refused with 503. 0: nobody may watch."
    )
    drain_delay_s: Annotated[float, Field(ge=0, le=threading.TIMEOUT_MAX)] = Field(
        1, description="Seconds from SIGTERM, when readiness turns false, to when the port is closed."
    )
    shutdown_timeout_s: Seconds = Field(
        8, description="Seconds after the port is closed for what is under way to be answered."
    )
    validate_responses: bool = Field(
        default=False,
        description="Check what operations return against the contract before it is sent (needs the extra).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @property
    def is_tls(self) -> bool:
        """Tell whether HTTPS is served."""
        return self.tls_self_signed or self.tls_certificate is not None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.tls_certificate and not self.tls_key:
            raise ValueError("tls_certificate needs tls_key, the key that belongs to it")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key needs tls_certificate, the certificate that it belongs to")
        if self.tls_self_signed and self.tls_certificate:
            raise ValueError(
                "tls_self_signed makes a certificate, and tls_certificate names one; give only one of them"
            )
        if self.tls_client_ca and not self.is_tls:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self

    @field_validator("api_key_header")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name.lower().startswith(TAKEN_HEADERS):
            raise ValueError("that header means something else")
        return name

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.max_body_bytes > self.max_bytes_in_flight:
            raise ValueError("max_body_bytes must not exceed max_bytes_in_flight; lower the one or raise the other")
        return self


def read_settings(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Read the settings: a command-line argument beats the environment, which beats the file, then the default.

    `arguments` by setting name. The file is YAML, named by the argument `config` or by FRAMEHOOK_CONFIG. Raises
    ConfigurationError, whose sentence names the setting and where it was given, never its value.
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
        raise ConfigurationError(f"{empty} is empty; leave it away for the default.")
    config_path, _ = given.pop(CONFIG_NAME, (None, ""))
    if config_path:
        given = _read_file(Path(config_path)) | given
    try:
        return Settings.model_validate({name: value for name, (value, _) in given.items()})
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, given)) from error


def settings_for_folder(settings: Settings, folder: Path) -> Settings:
    """Return the settings for one model's folder alone, or for a repository; its first model is the default then.

    Raises ModelConfigError when it is neither.
    """
    if not folder.is_dir():
        raise ModelConfigError(f"{folder} is not a folder.")
    is_model = (folder / CONFIG_FILE_NAME).exists()
    root, names = (folder.resolve().parent, (folder.resolve().name,)) if is_model else (folder, ())
    served = [*find_models((root,), names)]
    default = settings.default_model if settings.default_model in served else served[0]
    return settings.model_copy(update={"model_repository": (root,), "models": names, "default_model": default})


def _read_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except YAML_ERRORS as error:
        raise ConfigurationError(f"The settings file {path} cannot be read as YAML.") from error
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
