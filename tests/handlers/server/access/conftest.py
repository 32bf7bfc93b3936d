"""The service whose access control these tests check."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.server.access.back_off import BackOff
from handlers.server.access.credentials import REALM, Credential, with_password, with_token
from handlers.server.access.digest import user_hash
from lab.graphs import write_identity_model
from tests.support.callers import ASCII_USER, DIGEST_USERS, PASSWORD_CLIENTS
from tests.support.credentials import (
    ADMIN,
    AUTHORIZED,
    PASSWORD,
    PROBE,
    USER,
    USER_WITH_PASSWORD,
    settings_for,
)
from tests.support.server import LiveServer, running

CLIENTS = [f"client-{number}" for number in range(len(PASSWORD_CLIENTS))]
WITH_MD5 = [ASCII_USER, "guessed", "compared", "fifty", "patient", "newcomer", *CLIENTS]
STRANGERS = ["unknown", "crowd", *(client.replace("client", "wrong") for client in CLIENTS)]
NAMES = [USER, *WITH_MD5, *DIGEST_USERS, *STRANGERS]


class SteadyBackOff(BackOff):
    """Its time stands still, so that no wait ends because the machine is slow; and no name shares another's counter."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        while len({self.suspect("", name) for name in NAMES}) < len(NAMES):
            self._key = secrets.token_bytes(32)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The identity model, twice; everything needs a credential, and Digest may be MD5."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    write_identity_model(folder.parent, "other")
    credentials = settings_for(
        ADMIN,
        PROBE,
        USER_WITH_PASSWORD,
        *(with_password(user, PASSWORD, md5=True) for user in WITH_MD5),
        *(Credential(name=user, digest_sha256=user_hash("SHA-256", user, REALM, PASSWORD)) for user in DIGEST_USERS),
        with_token("reader", "token-of-a-reader", may=("read",)),
        with_token("limited", "token-for-one-model", models=("other",), may=("infer", "read")),
        anonymous_may="nothing",
        digest_md5=True,
        api_key_header="X-Camera-Key",
    )
    models: dict[str, Any] = {"model_repository": folder.parent, "default_model": folder.name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlers.server.access.recognition.BackOff", SteadyBackOff)
        with running(wait_until_ready=False, lanes=1, queue_size=1000, **models, **credentials) as server:
            patch.undo()  # other services may start while this one runs
            server.wait_until_ready(AUTHORIZED)
            yield server
