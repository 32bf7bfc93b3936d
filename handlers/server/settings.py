"""Every setting of the service: its default, its unit, its meaning."""

import resource
import threading
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    field_validator,
    model_validator,
)

from handlers.decoding.decoder import RouteName
from models.repository.folder import BUILT_IN_ZOO
from models.scheduling.cores import usable_cores

ZOO = "zoo"
NOTHING = "nothing"
TAKEN_HEADERS = (
    "authorization", "host", "connection", "cookie", "accept", "content-", "x-ms-", "x-frame-", "x-request-id", "trace"
)  # fmt: skip
"""Prefixes of headers that already have a meaning, or are logged."""
LOGGED = {"all": 1, "errors": 0}
"""Words for how many requests are logged: one in so many that are no errors; 0: none of them."""
MEBIBYTE = 1 << 20
QUEUE_PLACES_PER_LANE = 8
"""Bounds how long an admitted frame waits under overload: docs/maintainers/performance.md."""
MOST_CONNECTIONS = 1024
"""Enough for hundreds of cameras; an idle connection costs some 10 KiB."""
OTHER_FILES, FILES_PER_LANE = 58, 6
"""Files that are not connections: models, log, event loop, closing sockets; and those for the process of a lane."""


def split(text: str) -> tuple[str, ...]:
    """Return the parts of a text between its commas, without the blanks around them."""
    return tuple(part.strip() for part in text.split(","))


def default_max_connections(lanes: int = 1) -> int:
    """Return as many connections as the process may open, with room for its other files, at most 1024."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = soft_limit - OTHER_FILES - FILES_PER_LANE * lanes
    return max(1, min(MOST_CONNECTIONS, left)) if soft_limit > 0 else MOST_CONNECTIONS


def _names(value: Any) -> Any:
    return split(value) if isinstance(value, str) else value


def _roots(value: Any) -> Any:
    """Return the folders of a text or a list. A single Path is accepted, too."""
    parts = (value,) if isinstance(value, Path) else _names(value)
    return tuple(BUILT_IN_ZOO if part == ZOO else part for part in parts) if isinstance(parts, tuple | list) else parts


def _one_in(value: Any) -> int:
    if isinstance(value, str) and value in LOGGED:
        return LOGGED[value]
    if str(value).isdecimal() and int(value) > 0:
        return int(value)
    raise ValueError("expected all, errors, or a number from 1 on")


def _permissions(value: Any) -> Any:
    return () if value == NOTHING else _names(value)


AtLeastOne = Annotated[int, Field(ge=1)]
Roots = Annotated[tuple[Path, ...], BeforeValidator(_roots), Field(min_length=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
HostName = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9._-]+)$")]
Origin = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+$")]
Seconds = Annotated[float, Field(gt=0, le=threading.TIMEOUT_MAX)]


class Settings(BaseModel):
    """All settings, read once when the service starts. An unknown name is an error, whichever source it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", pattern=r"^[!-~]+$", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8080, description="TCP port to listen on; 0 chooses a free one."
    )
    credentials_file: Path | None = Field(
        default=None,
        description="YAML file with credentials, written by `framehook credentials`. By default none are needed.",
    )
    credentials: SecretStr | None = Field(
        default=None, description="More credentials, as YAML text; only in the environment or the settings file."
    )
    anonymous_may: Annotated[tuple[Literal["infer", "read", "view", "monitor"], ...], BeforeValidator(_permissions)] = (
        Field(
            "monitor",
            validate_default=True,
            description="Permissions that need no credential: some of infer,read,view,monitor, or the word nothing.",
        )
    )
    digest_md5: bool = Field(
        default=False, description="Also offer Digest with MD5, for clients that support nothing better."
    )
    api_key_header: str = Field(
        "X-API-Key",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
        description="The header for tokens, besides `Authorization: Bearer`.",
    )
    allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(_names)] = Field(
        default_factory=tuple,
        description="Further names of this service, separated by commas, by which browsers may reach it; * for any. "
        "Addresses and names that nobody can register need no entry.",
    )
    allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_names)] = Field(
        default_factory=tuple,
        description="Origins of web pages that may use this service, separated by commas, such as "
        "https://nvr.example.com. By default only its own pages.",
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_names)] = Field(
        default_factory=tuple,
        description="Addresses and networks of proxies, separated by commas; what they write into Forwarded or "
        "X-Forwarded-For is the client's address. By default none.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file with the certificate and its chain; turns HTTPS on. Needs the extra tls."
    )
    tls_key: Path | None = Field(None, description="PEM file with the private key of the certificate, not encrypted.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with certificate authorities; only clients with a certificate from them can connect.",
    )
    tls_self_signed: bool = Field(
        default=False, description="Serve HTTPS with a self-signed certificate, for tests. Needs the extra tls."
    )
    model_repository: Roots = Field(
        default_factory=lambda: (BUILT_IN_ZOO,),
        description="Folders with one folder per model, separated by commas. By default zoo, the built-in one.",
    )
    models: Names = Field(
        default_factory=tuple,
        description="Names of the models to serve, separated by commas. By default all models of the repositories.",
    )
    default_model: str = Field(
        "ssdlite-mobilenet-v2",
        description="The model for requests that name no model, such as /inference. If it is not set and there is only "
        "one model, that one.",
    )
    default_model_aliases: Names = Field(
        ("ipcam-general",), description="Further names of the default model, separated by commas."
    )
    model_mirror: str | None = Field(
        None,
        pattern=r"^https?://[!-~]+$",
        description="Address of a folder with NAME.onnx for each model that `framehook models pull` brings. By default "
        "the catalogue's own addresses.",
    )
    on_broken_model: Literal["stop", "wait"] = Field(
        "stop",
        description="If a model cannot be served: stop the service, or wait, live but not ready, until it is repaired.",
    )
    streams: Path | None = Field(
        None,
        description="Folder with the settings of streams, one YAML file for each. By default no stream has settings.",
    )
    watch_models: bool = Field(default=True, description="Reload models when their folders change.")
    trial_timeout_s: Seconds = Field(
        60, description="Seconds that a changed model may take to load and to answer its first frame."
    )
    lanes: Annotated[int, Field(ge=1, le=1024)] = Field(
        default_factory=usable_cores,
        description="Frames that are processed at the same time. By default one per usable core.",
    )
    queue_size: Annotated[int, Field(ge=0)] = Field(
        default_factory=lambda settings: QUEUE_PLACES_PER_LANE * settings.get("lanes", 1),
        description="Frames that may wait for a lane. By default eight per lane.",
    )
    isolation: Literal["process", "thread"] = Field(
        "process", description="What a lane is: a process, which a frame may crash without harm to others, or a thread."
    )
    wide_lane: bool = Field(
        default=False,
        description="Run a frame that is alone on as many threads as there are lanes: faster, but more CPU time.",
    )
    queue_timeout_s: Seconds = Field(2, description="Seconds that a frame may wait for a lane before it is refused.")
    run_timeout_s: Seconds = Field(10, description="Seconds that a frame may take on its lane before it is stopped.")
    max_body_bytes: AtLeastOne = Field(32 * MEBIBYTE, description="Largest accepted body, in bytes.")
    max_bytes_in_flight: AtLeastOne = Field(
        256 * MEBIBYTE,
        description="Bytes of bodies in memory at the same time, and of answers that were not taken yet; more are "
        "refused with 503. One caller gets at most three quarters.",
    )
    max_pixels: AtLeastOne = Field(36_000_000, description="Largest accepted picture, width times height.")
    decoding: RouteName = Field(
        "exact", description="How a picture is scaled to the input size of the model; plain is slower."
    )
    receive_timeout_s: Seconds = Field(
        10,
        description="Seconds in which the header section must arrive, and in which a client must read on.",
    )
    min_body_bytes_per_s: Annotated[int, Field(ge=0)] = Field(
        16 << 10,
        description="Slowest accepted body, in bytes per second over receive_timeout_s; a slower one gets 408. A "
        "client that takes an answer more slowly loses its connection. 0: no limit.",
    )
    max_header_bytes: AtLeastOne = Field(
        64 << 10, description="Largest accepted header section of a request, in bytes; a larger one gets 431."
    )
    max_connections: AtLeastOne = Field(
        default_factory=lambda settings: default_max_connections(settings.get("lanes", 1)),
        description="Most open connections; at the limit, the longest idle one is closed. By default 1024, or fewer if "
        "the limit of open files is low.",
    )
    max_viewers: Annotated[int, Field(ge=0)] = Field(
        16, description="Most viewers of live streams; more are refused with 503. 0: nobody may watch."
    )
    drain_delay_s: Annotated[float, Field(ge=0, le=threading.TIMEOUT_MAX)] = Field(
        1, description="Seconds between SIGTERM and closing the port; readiness is false in this time."
    )
    shutdown_timeout_s: Seconds = Field(
        8, description="Seconds in which requests in flight may be answered after the port is closed."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_requests: Annotated[int, BeforeValidator(_one_in)] = Field(
        "all",
        validate_default=True,
        description="Requests that are logged: all; errors, those with status 400 or more; or a number N: one in N, "
        "and all errors.",
    )
    traces_per_s: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Most traces that are sent per second, as the variables OTEL_… say; 0: none. Needs the extra "
        "traces.",
    )

    @property
    def is_tls(self) -> bool:
        """Return whether the service speaks HTTPS."""
        return self.tls_self_signed or self.tls_certificate is not None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.tls_certificate and not self.tls_key:
            raise ValueError("tls_certificate needs tls_key, the key that belongs to it")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key needs tls_certificate, the certificate that it belongs to")
        if self.tls_self_signed and self.tls_certificate:
            raise ValueError("tls_self_signed makes a certificate, tls_certificate names one; give only one of them")
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
