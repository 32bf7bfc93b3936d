"""The service whose access control these tests check."""

from collections.abc import Iterator
from typing import Any

import pytest

from handlers.server.access.credentials import REALM, Credential, with_password, with_token
from handlers.server.access.digest import user_hash
from lab.graphs import write_identity_model
from tests.support.callers import ASCII_USER, DIGEST_USERS, PASSWORD_CLIENTS
from tests.support.credentials import (
    ADMIN,
    AUTHORIZED,
    PASSWORD,
    PROBE,
    USER_WITH_PASSWORD,
    settings_for,
)
from tests.support.server import LiveServer, running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The identity model, twice; everything needs a credential, and Digest may be MD5."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    write_identity_model(folder.parent, "other")
    credentials = settings_for(
        ADMIN,
        PROBE,
        USER_WITH_PASSWORD,
        *(
            with_password(user, PASSWORD, md5=True)
            for user in (ASCII_USER, "guessed", "compared", "fifty", "patient", "newcomer")
        ),
        *(with_password(f"client-{number}", PASSWORD, md5=True) for number in range(len(PASSWORD_CLIENTS))),
        *(Credential(name=user, digest_sha256=user_hash("SHA-256", user, REALM, PASSWORD)) for user in DIGEST_USERS),
        with_token("reader", "token-of-a-reader", may=("read",)),
        with_token("limited", "token-for-one-model", models=("other",), may=("infer", "read")),
        anonymous_may="nothing",
        digest_md5=True,
        api_key_header="X-Camera-Key",
    )
    models: dict[str, Any] = {"model_repository": folder.parent, "default_model": folder.name}
    with running(wait_until_ready=False, lanes=1, queue_size=1000, **models, **credentials) as server:
        server.wait_until_ready(AUTHORIZED)
        yield server
