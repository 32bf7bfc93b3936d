"""TLS: which servers are trusted, and what is said of those that are not."""

import ssl
from pathlib import Path

from conformance.errors import ConformanceError

UNTRUSTED = (
    "the certificate is not trusted ({reason}); give the authority that issued it with --ca FILE, "
    "or accept any certificate with --insecure"
)
WRONG_NAME = "the certificate is for another name than {host}; use the name in it, or accept it with --insecure"
NO_TLS = "the server does not speak TLS at this port; does http:// work?"
OTHER_NAMES = {62, 64}
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}


def context(ca: Path | None = None, *, insecure: bool = False) -> ssl.SSLContext:
    """Return how servers are asked over TLS. `ca`: a PEM file of authorities that are trusted besides the system's.

    `insecure`: every certificate will do, as the client of the protocol can be told. Raises ConformanceError.
    """
    made = ssl.create_default_context()
    if insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        return made
    if ca:
        try:
            made.load_verify_locations(ca)
        except ssl.SSLError as error:
            raise ConformanceError(f"{ca} has no certificate; expected one or more in PEM.") from error
        except OSError as error:
            raise ConformanceError(f"{ca} cannot be read.") from error
    return made


def refusal(error: OSError, host: str) -> str | None:
    """Return why a handshake failed, and what to do, as the end of a sentence; None if that was not TLS's fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in OTHER_NAMES:
            return WRONG_NAME.format(host=host)
        return UNTRUSTED.format(reason=error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason in NOT_TLS:
        return NO_TLS
    return None
