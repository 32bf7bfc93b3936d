"""The browser's own login: never before the answer to a script of a page, and there for who wants it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from handlers.server.access.credentials import REALM, Credential
from handlers.server.access.digest import user_hash
from lab.graphs import write_identity_model
from tests.support.credentials import ADMIN, ADMIN_TOKEN, EVERYTHING, PASSWORD, USER_WITH_PASSWORD, settings_for
from tests.support.server import running
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system

DIGEST_USER = Credential(name="yard", digest_sha256=user_hash("SHA-256", "yard", REALM, PASSWORD), may=EVERYTHING)
ASK = """
const [headers, done] = arguments;
fetch("/models", {headers})
  .then((answer) => [answer.status, answer.headers.get("WWW-Authenticate")])
  .catch((error) => [String(error)])
  .then(done);
"""
BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}


def ask(browser: Chrome, **headers: str) -> list[Any]:
    """Return status and challenge of a script's request; while the browser asks for a password, it has no answer."""
    browser.set_script_timeout(PATIENCE_S)
    answer: list[Any] = browser.execute_async_script(ASK, BY_SCRIPT | headers)
    return answer


@pytest.mark.parametrize(
    ("credentials", "challenge"),
    [
        ([ADMIN], "Bearer"),
        ([DIGEST_USER], "X-Digest"),
        ([USER_WITH_PASSWORD], "X-Digest, X-Basic"),
        ([ADMIN, USER_WITH_PASSWORD], "X-Digest, X-Basic, Bearer"),
    ],
    ids=["tokens", "Digest", "passwords", "both"],
)
def test_a_script_gets_its_answer(
    browser: Chrome, tmp_path: Path, credentials: Sequence[Credential], challenge: str
) -> None:
    settings = settings_for(*credentials, anonymous_may="nothing")
    folder = write_identity_model(tmp_path)
    with running(wait_until_ready=False, model_repository=tmp_path, default_model=folder.name, **settings) as guarded:
        browser.get(f"{guarded.url}/ui/index.css")
        expected = [401, challenge.replace(",", ' realm="framehook",') + ' realm="framehook"']
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}):
            assert ask(browser, **headers) == expected
        assert ask(browser, Authorization=f"Bearer {ADMIN_TOKEN}")[0] == (200 if ADMIN in credentials else 401)


def test_a_login_lasts_and_survives_a_restart(browser: Chrome, tmp_path: Path) -> None:
    """The browser answers Digest for the scripts, with a new nonce when the old one is stale."""
    folder = write_identity_model(tmp_path)
    settings = settings_for(DIGEST_USER, anonymous_may="nothing")
    options: dict[str, Any] = {"model_repository": tmp_path, "default_model": folder.name, **settings}
    with running(wait_until_ready=False, **options) as guarded:
        # scripts of a page whose address holds a password may ask for nothing, hence another one
        browser.get(f"http://{DIGEST_USER.name}:{PASSWORD}@{guarded.host}:{guarded.port}/login")
        assert "framehook" in browser.title
        browser.get(f"{guarded.url}/ui/index.css")
        assert ask(browser) == [200, None]
    with running(wait_until_ready=False, port=guarded.port, **options):
        assert ask(browser) == [200, None]
