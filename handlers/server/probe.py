"""`python -m handlers.server.probe`: the HEALTHCHECK of the image. Exit status 0 if the local service is ready.

It reads the port and the TLS settings from the environment, as the service does, and imports nothing of the service: a
probe every ten seconds must be cheap. It does not verify the certificate, which is not for 127.0.0.1. It has neither a
client certificate nor a credential: if the service requires one, it only checks that the service answers.
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
    """Return 0 if the service is ready, else 1."""
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
