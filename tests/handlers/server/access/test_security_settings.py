"""Settings of access control: what stops the start, and what is logged."""

from typing import Any

import pytest

from handlers.errors import ConfigurationError
from handlers.server.access.credentials import Credential, with_token
from handlers.server.app import OPEN, create_app, create_security
from handlers.server.contract import read_contract
from handlers.server.settings import Settings
from handlers.server.settings_sources import read_settings
from tests.support.credentials import (
    ADMIN,
    ADMIN_TOKEN,
    GUARDED,
    settings_for,
)


@pytest.mark.parametrize(
    ("host", "credentials", "warns"),
    [("127.0.0.1", {}, False), ("localhost", {}, False), ("::1", {}, False), ("0.0.0.0", {}, True), ("::", {}, True),
     ("0.0.0.0", GUARDED, False)],
)  # fmt: skip
def test_an_open_service_says_so(
    host: str, credentials: dict[str, Any], *, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    create_app(Settings(host=host, **credentials), lambda _: None)
    said = [record.getMessage() for record in caplog.records]  # also what services of other tests still say
    assert said.count(OPEN) == warns


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"credentials": "[]"}, "There are no credentials, yet"),
        ({"credentials": "# none\n"}, "There are no credentials, yet"),
        ({"anonymous_may": "nothing"}, "There are no credentials, yet"),
        (settings_for(Credential(name="old", digest_md5="0" * 32)), "credential old is for Digest with MD5 alone"),
        (settings_for(ADMIN, with_token("other", ADMIN_TOKEN)), "admin and other have the same token"),
    ],
    ids=["none", "a comment", "nothing without", "md5 alone", "one token twice"],
)
def test_settings_that_would_open_or_shut_by_mistake_stop_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_app(Settings(**settings), lambda _: None)


@pytest.mark.parametrize(
    "name",
    ["authorization", "Content-Type", "x-ms-client-request-id", "X-Request-ID", "traceparent", "1key", "a b", ""],
)
def test_the_header_for_tokens_must_be_free(name: str) -> None:
    with pytest.raises(ConfigurationError, match="API_KEY_HEADER"):
        read_settings({}, {"FRAMEHOOK_API_KEY_HEADER": name})


def test_a_header_that_yaml_takes_for_something_else_is_served_as_text() -> None:
    settings = Settings(**settings_for(ADMIN, api_key_header="no"))
    contract = read_contract(create_security(settings), settings.api_key_header)
    assert contract.document["components"]["securitySchemes"]["apiKey"]["name"] == "no"
