"""The address of a broker, as it stands on the command line, and what is sent to it."""

import hashlib
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from player.events.output import OutputTextError

PORTS = {"mqtt": 1883, "mqtts": 8883}
QOS = ("0", "1", "2")
OPTIONS = ("qos", "ca", "client_id", "home_assistant", "discovery_prefix")
EXPECTED = "Expected mqtt://user:password@host:port/topic?qos=2."
NOT_IN_NAMES = re.compile(r"[+#/\x00-\x1f\x7f]")
"""What a topic must not contain, or uses for its levels."""
MAX_PROPERTIES_BYTES = 64
"""Of a message, besides its topic, texts and payload."""
Options: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and how to talk to it.

    `topic`: of the text; may be empty. `client_id`: empty if the text has none. `ca`: certificates to trust besides
    those of the system. `discovery_prefix`: where Home Assistant looks for devices; empty: it is not to find any.
    """

    host: str
    port: int
    is_tls: bool = False
    user: str = ""
    password: str = ""
    topic: str = ""
    qos: int = 2
    ca: Path | None = None
    client_id: str = ""
    discovery_prefix: str = ""

    @property
    def name(self) -> str:
        """Return the address and topic for people, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        topic = f"/{self.topic}" if self.topic else ""
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{host}:{self.port}{topic}"

    def client_id_for(self, *purpose: str) -> str:
        """Return the identifier of the client: the one of the text, or one that is the same after a restart.

        `purpose`: what it is used for, so that two uses on this machine have two.
        """
        if self.client_id:
            return self.client_id
        known = "\0".join([socket.gethostname(), self.name, self.user, self.topic, *purpose])
        return f"framehook-{hashlib.sha256(known.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published. `properties`: user properties. `key`: names it among those that wait for an answer."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def size_bytes(self) -> int:
        """Return at least the size of its packet."""
        texts = [self.topic, *self.properties, *self.properties.values()]
        lengths = sum(len(text.encode("utf-8", "replace")) + 5 for text in texts)
        return lengths + len(self.payload) + MAX_PROPERTIES_BYTES


@dataclass(frozen=True, slots=True)
class Presence:
    """A retained message that says whether the client is there: `online`, or `offline`, also after a crash."""

    topic: str
    online: bytes = b"online"
    offline: bytes = b"offline"


def read_broker_address(text: str) -> BrokerAddress:
    """Return what a text such as mqtt://host/topic means. Raises OutputTextError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # the port is no number; brackets do not match
        raise OutputTextError(
            f"The address of a broker is wrong: its host or port cannot be read. {EXPECTED}"
        ) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise OutputTextError(f"The address of a broker has no host, or begins wrongly. {EXPECTED}")
    if parts.fragment:
        raise OutputTextError("The address of a broker contains #. Write %23 in a user or password.")
    options = _options(parts)
    return BrokerAddress(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        is_tls=parts.scheme == "mqtts",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        topic=unquote(parts.path).strip("/"),
        qos=int(options.get("qos", "2")),
        ca=_ca(options, parts),
        client_id=options.get("client_id", ""),
        discovery_prefix=_discovery_prefix(options),
    )


def tls_context(address: BrokerAddress) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and, if there are any, those of the address."""
    context = ssl.create_default_context()
    if address.ca:
        try:
            context.load_verify_locations(address.ca)
        except OSError as error:  # not there; no certificates
            raise OutputTextError(f"{address.ca} cannot be read as certificates of {address.name}.") from error
    return context


def level(name: str) -> str:
    """Return a name as one level of a topic."""
    return NOT_IN_NAMES.sub("_", name)


def _options(parts: SplitResult) -> Options:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise OutputTextError(f"The address of a broker has the option {unknown[0]}. Known are {', '.join(OPTIONS)}.")
    if options.get("qos", "2") not in QOS:
        raise OutputTextError("The option qos of a broker is wrong. Expected 0, 1 or 2.")
    return options


def _ca(options: Options, parts: SplitResult) -> Path | None:
    if "ca" not in options:
        return None
    if parts.scheme != "mqtts":
        raise OutputTextError("The option ca of a broker needs TLS: write mqtts:// instead of mqtt://.")
    return Path(options["ca"])


def _discovery_prefix(options: Options) -> str:
    wanted = options.get("home_assistant", "1" if "discovery_prefix" in options else "0")
    if wanted not in {"0", "1"}:
        raise OutputTextError("The option home_assistant of a broker is wrong. Expected 0 or 1.")
    return options.get("discovery_prefix", "homeassistant").strip("/") if wanted == "1" else ""
