"""The browser for tests of pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.support.waiting import PATIENCE_S

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container has 64 MB of it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Debian's Chromium, with a profile and a camera of its own."""
    options = ChromeOptions()
    options.accept_insecure_certs = True
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    with Chrome(options, Service("/usr/bin/chromedriver")) as opened:
        opened.implicitly_wait(PATIENCE_S)
        opened.set_script_timeout(PATIENCE_S)
        yield opened
