"""Certificates, read and made with cryptography: an extra, which only HTTPS needs and only this module imports."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

VALID_FOR = timedelta(days=365)
CLOCK_DIFFERENCE = timedelta(days=1)
"""A camera whose clock is behind by less accepts a new certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an operator needs to know of a certificate. `fingerprint`: SHA-256, as AB:CD:... `expires_at`: in UTC."""

    fingerprint: str
    expires_at: datetime


def read_certificate(pem: bytes) -> Certificate:
    """Return the first certificate of a PEM file, the server's own. Raises ValueError if it is missing or damaged."""
    certificate = _load(pem)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(fingerprint, certificate.not_valid_after_utc)


def is_valid_for(pem: bytes, host: str | None) -> bool:
    """Return whether a PEM file holds a certificate that has not expired and names `host`; None: any host."""
    try:
        certificate = _load(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return (host is None or _name(host) in names) and certificate.not_valid_after_utc > datetime.now(UTC)


def make_certificate(hosts: Collection[str]) -> tuple[bytes, bytes]:
    """Return a self-signed certificate for these names and addresses and its P-256 key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "framehook, self-signed")])
    names = x509.SubjectAlternativeName([_name(host) for host in sorted(hosts)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - CLOCK_DIFFERENCE)
        .not_valid_after(now + VALID_FOR)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    unencrypted = serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted),
    )


def _load(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except x509.InvalidVersion as error:
        raise ValueError("a certificate of an unknown version") from error


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
