"""Certificates for tests, and clients that trust them."""

import hashlib
import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme

LONG_AGO, YESTERDAY = datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC)
"""A validity period in the past."""


def issue(ca: trustme.CA, *, expired: bool = False) -> trustme.LeafCert:
    """Return a new certificate for this machine, or one that has expired."""
    if expired:
        return ca.issue_cert("localhost", "127.0.0.1", not_before=LONG_AGO, not_after=YESTERDAY)
    return ca.issue_cert("localhost", "127.0.0.1")


def write(certificate: trustme.LeafCert, folder: Path) -> dict[str, Path]:
    """Write a certificate and its key; return the settings that name them."""
    paths = {"tls_certificate": folder / "tls.crt", "tls_key": folder / "tls.key"}
    paths["tls_certificate"].write_bytes(pem(certificate))
    paths["tls_key"].write_bytes(certificate.private_key_pem.bytes())
    return paths


def write_authority(ca: trustme.CA, folder: Path) -> dict[str, Path]:
    """Write an authority; return the setting that names it for callers."""
    path = folder / "ca.crt"
    path.write_bytes(ca.cert_pem.bytes())
    return {"tls_client_ca": path}


def trusting(ca: trustme.CA, shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Return the SSL context of a client that trusts an authority and may present its own certificate."""
    context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    if shown:
        shown.configure_cert(context)
    return context


def pem(certificate: trustme.LeafCert) -> bytes:
    """Return a certificate and its chain."""
    return b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


def fingerprint(certificate: trustme.LeafCert | ssl.SSLSocket) -> str:
    """Return the SHA-256 fingerprint of a certificate, or of the one that a server presented."""
    if isinstance(certificate, ssl.SSLSocket):
        der = certificate.getpeercert(binary_form=True) or b""
    else:
        der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return hashlib.sha256(der).digest().hex(":").upper()
