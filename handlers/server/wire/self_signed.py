"""A certificate of one's own for the lab: made once, and kept, so that its fingerprint stays."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from handlers.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography import x509

CERTIFICATE_NAME, KEY_NAME = "self-signed.pem", "self-signed.key"
VALID_FOR = timedelta(days=365)
CLOCKS_DIFFER_BY = timedelta(days=1)
"""Cameras whose clock is behind take it, too."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
ALL_ADDRESSES = {"0.0.0.0", "::"}  # noqa: S104  # what is no name of this host


def default_folder() -> Path:
    """Return where a user's programs keep what they made: the XDG state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path(os.environ.get("HOME", "/")) / ".local" / "state"
    return Path(state) / "framehook"


def self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """Return the paths of a certificate and its key, made unless valid ones for `host` lie there.

    Raises ConfigurationError when the package it takes is missing, or the folder cannot be written.
    """
    certificate_path, key_path = folder / CERTIFICATE_NAME, folder / KEY_NAME
    names = {*LOCAL_NAMES, socket.gethostname(), host} - ALL_ADDRESSES
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        with _locked(folder):
            if not (key_path.exists() and _is_valid(certificate_path, host)):
                certificate, key = _make(names)
                _write(key_path, key, stat.S_IRUSR | stat.S_IWUSR)
                _write(certificate_path, certificate, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
    except ImportError as error:
        raise ConfigurationError(
            "A self-signed certificate needs cryptography: pip install 'framehook[self-signed]'."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot hold a certificate ({error.strerror}); name another as tls_folder."
        ) from error
    return certificate_path, key_path


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others out who start at the same time."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is never seen half, nor by anybody it is not meant for."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    made.replace(path)


def _is_valid(path: Path, host: str) -> bool:
    """Tell whether a certificate can be read, has not expired, and is for `host`, too."""
    from cryptography import x509  # noqa: PLC0415  # an extra, which only this needs

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    is_for_host = host in ALL_ADDRESSES or _name(host) in names
    return is_for_host and certificate.not_valid_after_utc > datetime.now(UTC)


def _make(names: set[str]) -> tuple[bytes, bytes]:
    """Return a certificate for these names and its key, both in PEM."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "framehook, self-signed")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCKS_DIFFER_BY).not_valid_after(now + VALID_FOR)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_name(name) for name in sorted(names)]), critical=False
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )


def _name(text: str) -> "x509.GeneralName":
    """Return a name as certificates have it."""
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
