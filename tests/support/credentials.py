"""Credentials of the tests: for each way to send one, what is sent and what the service stores."""

import base64
from typing import Any

import yaml

from handlers.server.access.credentials import Credential, Permission, with_password, with_token

ADMIN_TOKEN, CAMERA_TOKEN, PROBE_TOKEN = "token-of-the-admin", "token-of-a-camera", "token-of-a-probe"
USER, PASSWORD = "jürgen", "paßwort of the tests"
EVERYTHING: tuple[Permission, ...] = ("infer", "read", "view", "monitor", "configure", "admin")

ADMIN = with_token("admin", ADMIN_TOKEN, may=EVERYTHING)
PROBE = with_token("probe", PROBE_TOKEN, may=("monitor",))
CAMERA = with_token("camera", CAMERA_TOKEN, may=("infer",))
USER_WITH_PASSWORD = with_password(USER, PASSWORD, md5=True, may=EVERYTHING)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def settings_for(*credentials: Credential, **settings: Any) -> dict[str, Any]:
    """Return the settings of a service with these credentials."""
    documents = [credential.model_dump(mode="json", exclude_none=True) for credential in credentials]
    return {"credentials": yaml.safe_dump(documents, allow_unicode=True), **settings}


SECRETS = (ADMIN_TOKEN, CAMERA_TOKEN, PROBE_TOKEN, PASSWORD)
"""Secrets that the service must never reveal in any test."""

AUTHORIZED = bearer(ADMIN_TOKEN)
RELOADABLE = settings_for(ADMIN, anonymous_may="infer,read,view,monitor")
"""Settings under which only reloading needs a credential, `AUTHORIZED`."""
GUARDED = settings_for(ADMIN, CAMERA, PROBE, USER_WITH_PASSWORD, anonymous_may="nothing")
"""Settings under which everything needs a credential."""
