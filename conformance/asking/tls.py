"""Which certificates are trusted."""

import ssl
from pathlib import Path


def context(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Return the context of a client. `ca`: trust this certificate, too. `insecure`: trust any."""
    made = ssl.create_default_context(cafile=ca)
    if insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
