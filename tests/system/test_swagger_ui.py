"""The page at /ui/ in a real browser: upload a photo, see the answer."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from lab.pictures import STREET
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system


def test_a_photo_is_uploaded_and_its_answer_shown(server: LiveServer, browser: Chrome, tmp_path: Path) -> None:
    browser.set_window_size(1280, 2400)
    browser.get(f"{server.url}/ui/")
    operation = browser.find_element(By.ID, "operations-inference-infer")
    operation.click()
    operation.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
    Select(operation.find_element(By.CSS_SELECTOR, "select[aria-label='Request content type']")).select_by_value(
        "image/jpeg"
    )
    operation.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(STREET))
    operation.find_element(By.CSS_SELECTOR, ".execute").click()
    WebDriverWait(browser, PATIENCE_S).until(lambda _: "inferences" in _live_response(browser))
    browser.save_screenshot(str(tmp_path / "answer.png"))
    answer = _live_response(browser)
    assert "200" in answer
    assert '"person"' in answer
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium forgot
    assert not [entry for entry in log if entry["level"] == "SEVERE"]


def _live_response(browser: Chrome) -> str:
    return browser.find_element(By.CSS_SELECTOR, ".live-responses-table").text
