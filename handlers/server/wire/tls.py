"""TLS: the certificate that the service shows, the authority that its callers are held against, and their renewal.

Every handshake takes the context that is there when it begins, and a renewal replaces that as a whole. So connections
that are open go on with theirs, and a session of an old context is not resumed.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from handlers.server.wire.certificates import Certificate, read_certificate
from handlers.server.wire.self_signed import self_signed

LOOK_S = 5.0
"""How often the files are looked at: no file system fails to tell what is read, and links may lead anywhere."""
SOON = timedelta(days=14)

logger = logging.getLogger("framehook")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the parts lie, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What new connections get."""

    context: ssl.SSLContext
    certificate: Certificate


class Tls:
    """What is served, and kept in step with the files."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files. Raises ConfigurationError when they cannot be served."""
        self._files = files
        self._seen = _digests(files)
        self._urgency: str | None = None
        self.served = _load(files)
        self._say("certificate loaded")

    def renew(self) -> None:
        """Load the files when they have changed; what cannot be served, as when it is half written, is left alone."""
        seen = _digests(self._files)
        if seen != self._seen:
            self._seen = seen
            try:
                self.served = _load(self._files)
            except ConfigurationError as error:
                logger.warning("certificate not renewed", extra={"facts": {"reason": str(error)}})
                return
            self._say("certificate renewed")
        self._warn()

    def __str__(self) -> str:
        """Return what is served for people."""
        certificate = self.served.certificate
        return (
            f"certificate {self._files.certificate}, until {certificate.expires_at:%Y-%m-%d}, "
            f"SHA-256 {certificate.fingerprint}"
        )

    def _say(self, event: str) -> None:
        certificate, client_ca = self.served.certificate, self._files.client_ca
        facts = {
            "certificate": str(self._files.certificate),
            "fingerprint": certificate.fingerprint,
            "expires": certificate.expires_at.isoformat(),
            "clientCa": client_ca and str(client_ca),
        }
        logger.info(event, extra={"facts": facts})
        self._urgency = None
        self._warn()

    def _warn(self) -> None:
        """Say once that the certificate expires soon, and once that it has expired."""
        left = self.served.certificate.expires_at - datetime.now(UTC)
        urgency = None if left > SOON else "soon" if left > timedelta() else "expired"
        if urgency and urgency != self._urgency:
            event = "certificate has expired" if urgency == "expired" else "certificate expires soon"
            logger.warning(event, extra={"facts": {"expires": self.served.certificate.expires_at.isoformat()}})
        self._urgency = urgency


def create_tls(settings: Settings) -> Tls | None:
    """Return what the settings ask for; None for plain HTTP. Raises ConfigurationError when it cannot be served."""
    if settings.tls_self_signed:
        certificate, key = self_signed(settings.tls_folder, settings.host)
        return Tls(TlsFiles(certificate, key, settings.tls_client_ca))
    if settings.tls_certificate and settings.tls_key:
        return Tls(TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca))
    return None


async def keep_renewed(tls: Tls) -> None:
    """Look at the files again and again, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(tls.renew)


def _load(files: TlsFiles) -> Served:
    """Return the context for new connections; raises ConfigurationError, whose sentence names the file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    certificate = _read_chain(files.certificate)
    _read(files.key)
    try:
        context.load_cert_chain(files.certificate, files.key, _refuse_password(files.key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(
                f"The key {files.key} does not belong to the certificate {files.certificate}."
            ) from error
        raise ConfigurationError(
            f"The key {files.key} and the certificate {files.certificate} cannot be used: {_reason(error)}."
        ) from error
    if files.client_ca:
        _read_chain(files.client_ca)
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return Served(context, certificate)


def _read_chain(path: Path) -> Certificate:
    """Return the first of the certificates in a file, all of which OpenSSL can read."""
    content = _read(path)
    try:
        certificate = read_certificate(content)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError(f"The file {path} holds no certificate in PEM, or a damaged one.") from error
    return certificate


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be read: {error.strerror}.") from error


def _refuse_password(path: Path) -> Callable[[], NoReturn]:
    """Return what OpenSSL calls for an encrypted key, instead of asking at the terminal."""

    def refuse() -> NoReturn:
        raise ConfigurationError(f"The key {path} is encrypted; give one that is not, readable by the service alone.")

    return refuse


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").replace("_", " ").lower()


def _digests(files: TlsFiles) -> tuple[bytes, ...]:
    """Return what tells whether anything has changed; what cannot be read counts as empty."""
    return tuple(_digest(path) for path in (files.certificate, files.key, files.client_ca) if path)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
