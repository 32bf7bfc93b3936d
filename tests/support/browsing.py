"""The pages in a browser: how they look, what is on them, and what is wrong with them."""

import re
from collections.abc import Callable
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lab import ROOT
from tests.support.waiting import PATIENCE_S

AXE = ROOT / ".tools" / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
  done(violations.map(({id, nodes}) => [id, ...nodes.map(({html}) => html)])));
"""


def complaints(browser: Chrome) -> list[str]:
    """Return the browser's messages about errors and forbidden actions of the page.

    A missing stream is no error: it may end after it was listed and before it is watched.
    """
    log: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium lacks the type
    messages = [entry["message"] for entry in log if entry["level"] in {"SEVERE", "WARNING"}]
    return [message for message in messages if not re.search(r"/(mjpeg|streams)/.* 404 ", message)]


def look(browser: Chrome, width: int, scheme: str) -> None:
    """Set the width and the colour scheme of the window."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def part(browser: Chrome, id_: str) -> Any:
    return browser.find_element(By.ID, id_)


def wait(browser: Chrome, condition: Callable[[], Any]) -> Any:
    """Return what the condition returns, once that is true. The page may draw anew what the condition looks at."""
    waiting = WebDriverWait(browser, PATIENCE_S, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(lambda _: condition())


def violations(browser: Chrome) -> list[list[str]]:
    """Return what axe-core finds wrong on the page: the rule, and the elements."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found: list[list[str]] = browser.execute_async_script(VIOLATIONS)
    return found
