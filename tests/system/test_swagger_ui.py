"""The page at /ui/ in a real browser: upload a photo, see the answer; send a credential."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from handlers.server.access.credentials import REALM, Credential
from handlers.server.access.digest import user_hash
from lab.graphs import write_identity_model
from lab.pictures import STREET
from tests.support.browsing import wait
from tests.support.credentials import ADMIN, ADMIN_TOKEN, PASSWORD, USER, USER_WITH_PASSWORD, settings_for
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.system


def test_a_photo_is_uploaded_and_its_answer_shown(server: LiveServer, browser: Chrome, tmp_path: Path) -> None:
    browser.set_window_size(1280, 2400)
    browser.get(f"{server.url}/ui/")
    assert browser.find_element(By.CSS_SELECTOR, ".servers select").get_attribute("value") == server.url
    operation = browser.find_element(By.ID, "operations-inference-infer")
    operation.click()
    operation.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
    Select(operation.find_element(By.CSS_SELECTOR, "select[aria-label='Request content type']")).select_by_value(
        "image/jpeg"
    )
    operation.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(STREET))
    operation.find_element(By.CSS_SELECTOR, ".execute").click()
    wait(browser, lambda: "inferences" in _live_response(browser))
    browser.save_screenshot(str(tmp_path / "answer.png"))
    answer = _live_response(browser)
    assert "200" in answer
    assert '"person"' in answer
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium forgot
    assert not [entry for entry in log if entry["level"] == "SEVERE"]


@pytest.mark.parametrize(
    ("credentials", "fields"),
    [
        ([ADMIN], {"Bearer": [ADMIN_TOKEN]}),
        ([USER_WITH_PASSWORD], {"Basic": [USER, PASSWORD]}),
        ([ADMIN, USER_WITH_PASSWORD], {"Bearer": [ADMIN_TOKEN]}),
    ],
    ids=["token", "password", "both"],
)
def test_a_credential_is_sent(
    browser: Chrome, tmp_path: Path, credentials: Sequence[Credential], fields: dict[str, list[str]]
) -> None:
    """Without one the answer is shown, and no dialog of the browser stands before it."""
    folder = write_identity_model(tmp_path)
    settings = settings_for(*credentials, anonymous_may="nothing")
    with serving(folder, wait_until_ready=False, **settings) as guarded:
        execute = _list_of_models(browser, guarded)
        execute.click()
        wait(browser, lambda: "Send a known credential" in _live_response(browser))
        browser.find_element(By.CSS_SELECTOR, ".btn.authorize").click()
        _authorize(browser, fields)
        execute.click()
        wait(browser, lambda: '"identity"' in _live_response(browser))


def test_the_browser_is_asked_where_only_it_knows_the_scheme(browser: Chrome, tmp_path: Path) -> None:
    """And where it is logged in already, it sends the password by Digest."""
    user = Credential(name="yard", digest_sha256=user_hash("SHA-256", "yard", REALM, PASSWORD), may=("read",))
    folder = write_identity_model(tmp_path)
    with serving(folder, wait_until_ready=False, **settings_for(user, anonymous_may="nothing")) as guarded:
        browser.get(f"http://{user.name}:{PASSWORD}@{guarded.host}:{guarded.port}/models")
        _list_of_models(browser, guarded).click()
        wait(browser, lambda: '"identity"' in _live_response(browser))


def _list_of_models(browser: Chrome, server: LiveServer) -> WebElement:
    """Open the operation, and return the button that sends its request."""
    browser.set_window_size(1280, 2400)
    browser.get(f"{server.url}/ui/")
    operation = browser.find_element(By.ID, "operations-models-list_models")
    operation.click()
    operation.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
    return operation.find_element(By.CSS_SELECTOR, ".execute")


def _authorize(browser: Chrome, fields: dict[str, list[str]]) -> None:
    """Type into the fields of one scheme, and close the dialog."""
    [(scheme, texts)] = fields.items()
    form = browser.find_element(By.XPATH, f"//div[@class='auth-container'][.//*[contains(., 'http, {scheme}')]]")
    for field, text in zip(form.find_elements(By.TAG_NAME, "input"), texts, strict=True):
        field.send_keys(text)
    form.find_element(By.CSS_SELECTOR, ".authorize").click()
    browser.find_element(By.CSS_SELECTOR, ".btn-done").click()


def _live_response(browser: Chrome) -> str:
    return browser.find_element(By.CSS_SELECTOR, ".live-responses-table").text
