"""TLS: the certificate that the service shows, the authority of its clients, and the renewal of both.

A renewal replaces the TLS context as a whole, and a handshake uses the context of the moment when it begins. So open
connections keep the old context, and a new context does not resume its sessions.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from models.extras import how_to_install

if TYPE_CHECKING:  # plain HTTP does without cryptography, which this module needs
    from handlers.server.wire.certificates import Certificate

LOOK_S = 5.0
"""How often the files are read. Reading notices every change, on any file system and through any link."""
SOON = timedelta(days=14)

logger = logging.getLogger("framehook")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files: the certificate with its chain, its key, and the authorities of clients."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What new connections get."""

    context: ssl.SSLContext
    certificate: "Certificate"


class Tls:
    """What is served, kept in step with the files. Raises ConfigurationError when they cannot be served.

    `read_certificate`: returns the first certificate of a PEM file, or raises ValueError.
    """

    def __init__(self, files: TlsFiles, read_certificate: Callable[[bytes], "Certificate"]) -> None:
        self._files, self._read_certificate = files, read_certificate
        self._digests_seen = _digests(files)
        self._urgency: str | None = None
        self.served = self._load()
        self._log_served("certificate loaded")

    def renew(self) -> None:
        """Load the files if they have changed. Files that cannot be served, as half-written ones, change nothing."""
        digests = _digests(self._files)
        if digests != self._digests_seen:
            self._digests_seen = digests
            try:
                self.served = self._load()
            except ConfigurationError as error:
                logger.warning("certificate not renewed", extra={"facts": {"reason": str(error)}})
                return
            self._log_served("certificate renewed")
        self._warn_of_expiry()

    def __str__(self) -> str:
        """Return what is served, for people."""
        certificate = self.served.certificate
        return (
            f"certificate {self._files.certificate}, until {certificate.expires_at:%Y-%m-%d}, "
            f"SHA-256 {certificate.fingerprint}"
        )

    def _log_served(self, event: str) -> None:
        certificate, client_ca = self.served.certificate, self._files.client_ca
        facts = {
            "certificate": str(self._files.certificate),
            "fingerprint": certificate.fingerprint,
            "expires": certificate.expires_at.isoformat(),
            "clientCa": client_ca and str(client_ca),
        }
        logger.info(event, extra={"facts": facts})
        self._urgency = None
        self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        """Log once that the certificate expires soon, and once that it has expired."""
        time_left = self.served.certificate.expires_at - datetime.now(UTC)
        urgency = None if time_left > SOON else "soon" if time_left > timedelta() else "expired"
        if urgency and urgency != self._urgency:
            event = "certificate has expired" if urgency == "expired" else "certificate expires soon"
            logger.warning(event, extra={"facts": {"expires": self.served.certificate.expires_at.isoformat()}})
        self._urgency = urgency

    def _load(self) -> Served:
        """Return the context for new connections; raises ConfigurationError, whose sentence names the file."""
        certificate = self._read_chain(self._files.certificate)
        context = _context(self._files)
        if self._files.client_ca:
            self._read_chain(self._files.client_ca)
            context.load_verify_locations(self._files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return Served(context, certificate)

    def _read_chain(self, path: Path) -> "Certificate":
        """Return the first certificate of a file; OpenSSL must be able to read all of them."""
        content = _read(path)
        try:
            certificate = self._read_certificate(content)
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except (ValueError, ssl.SSLError) as error:
            raise ConfigurationError(f"The file {path} holds no certificate in PEM, or a damaged one.") from error
        return certificate


def create_tls(settings: Settings) -> Tls | None:
    """Return TLS as the settings describe it; None for plain HTTP.

    Raises ConfigurationError when the extra `tls` is missing or the files cannot be served.
    """
    if not settings.is_tls:
        return None
    try:
        from handlers.server.wire.certificates import read_certificate  # noqa: PLC0415  # needs the extra tls
        from handlers.server.wire.self_signed import self_signed  # noqa: PLC0415  # so does this
    except ImportError as error:
        raise ConfigurationError(f"HTTPS needs the package cryptography: {how_to_install('tls')}.") from error
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        certificate, key = self_signed(settings.host)
    return Tls(TlsFiles(certificate, key, settings.tls_client_ca), read_certificate)


async def keep_renewed(tls: Tls) -> None:
    """Renew again and again, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(tls.renew)


def _context(files: TlsFiles) -> ssl.SSLContext:
    """Return a server's context that shows the certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
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
    return context


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be read: {error.strerror}.") from error


def _refuse_password(path: Path) -> Callable[[], NoReturn]:
    """Return a callback for OpenSSL that refuses an encrypted key, instead of asking at the terminal."""

    def refuse() -> NoReturn:
        raise ConfigurationError(f"The key {path} is encrypted; give one that is not, readable by the service alone.")

    return refuse


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").replace("_", " ").lower()


def _digests(files: TlsFiles) -> tuple[bytes, ...]:
    """Return a digest for each file, to notice changes; a file that cannot be read counts as empty."""
    return tuple(_digest(path) for path in (files.certificate, files.key, files.client_ca) if path)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
