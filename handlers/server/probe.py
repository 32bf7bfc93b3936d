"""`python -m handlers.server.probe`: exit status 0 when the service beside it is ready, for the image's HEALTHCHECK.

It reads port and TLS from the environment, as the service does, and imports nothing of it: a probe every ten seconds
must cost little. It checks no certificate, which is for other names than 127.0.0.1. Where callers must show one, or a
credential even for probes, it has none, and can only tell that the service answers.
"""

import os
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT_S = 2
WELL = (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)
PREFIX = "FRAMEHOOK_"


def probe() -> int:
    """Return 0 when the service is ready, else 1."""
    port = int(os.environ.get(f"{PREFIX}PORT", "8080"))
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    if _is_set("TLS_CERTIFICATE") or _is_set("TLS_SELF_SIGNED"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)
    try:
        connection.connect()
        if _is_set("TLS_CLIENT_CA"):
            return 0
        connection.request("GET", "/health/ready")
        return int(connection.getresponse().status not in WELL)
    except (OSError, HTTPException):
        return 1


def _is_set(name: str) -> bool:
    return os.environ.get(PREFIX + name, "").lower() not in {"", "0", "false", "no", "off", "n", "f"}


if __name__ == "__main__":
    sys.exit(probe())
