"""The console in a real browser: photos, sliders, streams, figures; on any width, in the dark, without a mouse."""

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from handlers.server.access.credentials import with_token
from lab.graphs import write_identity_model
from lab.pictures import PHOTOS, STREET
from tests.support.credentials import ADMIN, ADMIN_TOKEN, AUTHORIZED, settings_for
from tests.support.live import posting
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system

READER_TOKEN = "token-of-a-reader"
DROP = """
const [file, target] = arguments, transfer = new DataTransfer();
transfer.items.add(file.files[0]);
file.value = "";
const event = arguments[2] === "paste"
  ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
  : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
target.dispatchEvent(event);
"""
"""Drops or pastes the contents of a file input; browsers allow programs no other way."""
UNNAMED = """
return [...document.querySelectorAll("button, select, input, a[href], img, svg, [role=region]")].filter(
  (one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("alt") !== null
    || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby"))).map((one) => one.outerHTML);
"""
OVERLAPPING = """
const grounds = [...document.querySelectorAll(".box span")].map((one) => one.getBoundingClientRect());
const stage = document.querySelector("#boxes").getBoundingClientRect();
return grounds.filter((one, at) => one.left < stage.left - 1 || one.right > stage.right + 1 || one.top < stage.top - 1
  || one.bottom > stage.bottom + 1 || grounds.slice(at + 1).some((other) => one.left < other.right - 1
    && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1)).length;
"""
"""Counts captions that overlap another or leave the picture by more than a pixel."""
LOADED = "const img = arguments[0]; return img.complete && img.naturalWidth;"


@pytest.fixture
def console(server: LiveServer, browser: Chrome) -> Iterator[Chrome]:
    """The console on a wide screen, in the light scheme; nothing that it does may be refused or fail."""
    look(browser, 1280, "light")
    browser.get(f"{server.url}/")
    yield browser
    assert complaints(browser) == []


def complaints(browser: Chrome) -> list[str]:
    """Return the browser's messages about errors and forbidden actions of the page.

    A missing stream is no error: it may end after it was listed and before it is watched.
    """
    log: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium lacks the type
    messages = [entry["message"] for entry in log if entry["level"] in {"SEVERE", "WARNING"}]
    return [message for message in messages if not ("/mjpeg/" in message and "404" in message)]


def look(browser: Chrome, width: int, scheme: str) -> None:
    """Set the width and the colour scheme of the window."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def part(browser: Chrome, id_: str) -> Any:
    return browser.find_element(By.ID, id_)


def wait(browser: Chrome, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, PATIENCE_S).until(lambda _: condition())


def choose(browser: Chrome, photo: Path) -> None:
    part(browser, "file").send_keys(str(photo))


def answer(browser: Chrome) -> list[dict[str, Any]]:
    """Return the answer as the page shows it, once there is one."""
    wait(browser, lambda: part(browser, "answer").text.startswith("{"))
    found: list[dict[str, Any]] = json.loads(part(browser, "answer").text)["inferences"]
    return found


def boxes(browser: Chrome) -> int:
    return int(browser.execute_script("return document.querySelectorAll('.box').length"))


def slide(browser: Chrome, id_: str, key: str, times: int) -> None:
    part(browser, id_).send_keys(key * times)


def test_a_photo_is_answered_with_boxes(console: Chrome) -> None:
    choose(console, STREET)
    found = answer(console)
    assert boxes(console) == len(found) == 8
    assert console.execute_script(OVERLAPPING) == 0
    look(console, 970, "light")
    wait(console, lambda: console.execute_script(OVERLAPPING) == 0)
    assert re.match("6 . person, 2 . car", part(console, "summary").text)
    assert len(console.find_elements(By.CSS_SELECTOR, "#models tr")) == 3


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_may_come_in_many_ways(console: Chrome, way: str) -> None:
    console.execute_script(
        "document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'other'}));"
    )
    part(console, "other").send_keys(str(STREET))
    console.execute_script(DROP, part(console, "other"), part(console, "stage"), way)
    assert len(answer(console)) == 8


def test_sliders_ask_anew(console: Chrome) -> None:
    """With the keyboard alone; the line for curl has the same values."""
    choose(console, STREET)
    assert len(answer(console)) == 8
    slide(console, "confidence", Keys.ARROW_RIGHT, 6)
    wait(console, lambda: len(answer(console)) == 3)
    assert all(each["entity"]["tag"]["confidence"] >= 0.8 for each in answer(console))
    slide(console, "most", Keys.ARROW_LEFT, 49)
    wait(console, lambda: len(answer(console)) == 1)
    assert boxes(console) == 1
    assert "confidence=0.8&maxDetections=1'" in part(console, "curl").text


def test_another_model_is_asked(console: Chrome) -> None:
    choose(console, PHOTOS / "coffee.jpg")
    wait(console, lambda: len(Select(part(console, "model")).options) == 4)
    Select(part(console, "model")).select_by_value("efficientnet-lite0")
    wait(console, lambda: "espresso" in part(console, "summary").text)
    assert boxes(console) == 0
    assert "/inference/efficientnet-lite0?" in part(console, "curl").text


def test_a_refusal_is_told(browser: Chrome, server: LiveServer, tmp_path: Path) -> None:
    """With the problem's detail; the browser itself logs the 400."""
    rubbish = tmp_path / "rubbish.jpg"
    rubbish.write_bytes(b"rubbish")
    browser.get(f"{server.url}/")
    choose(browser, rubbish)
    wait(browser, lambda: "is not a JPEG" in part(browser, "problem").text)
    choose(browser, STREET)
    assert len(answer(browser)) == 8
    assert not part(browser, "problem").is_displayed()
    assert all("400" in complaint for complaint in complaints(browser))


def test_the_camera_is_asked(console: Chrome) -> None:
    part(console, "camera").click()
    wait(console, lambda: "ms)" in part(console, "summary").text)
    assert part(console, "camera").get_attribute("aria-pressed") == "true"
    part(console, "camera").click()
    assert part(console, "camera").get_attribute("aria-pressed") == "false"


def test_a_stream_is_watched(console: Chrome, server: LiveServer) -> None:
    with posting(server, "Süd/gate 1", every_s=0.2):
        card = console.find_element(By.XPATH, "//button[.//strong='Süd/gate 1']")
        wait(console, lambda: console.execute_script(LOADED, card.find_element(By.TAG_NAME, "img")))
        card.send_keys(Keys.ENTER)
        wait(console, lambda: console.execute_script("return document.querySelector('#watched').naturalWidth") == 768)
        assert part(console, "watch-title").text == "Süd/gate 1"
        wait(console, lambda: "0.0" not in console.find_element(By.CSS_SELECTOR, ".chart b").text)
        part(console, "watch").send_keys(Keys.ESCAPE)
        wait(console, lambda: not watching(server, "Süd/gate 1"))


CORNER = """
const image = document.querySelector(arguments[0]);
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
const context = canvas.getContext("2d");
context.drawImage(image, 0, 0);
return image.naturalHeight ? [...context.getImageData(1, image.naturalHeight - 2, 1, 1).data].slice(0, 3) : [];
"""
"""The colour of the pixel at the lower left, where it is written how a frame was answered: on white."""


def is_outcome_shown(browser: Chrome, image: str) -> bool:
    corner = browser.execute_script(CORNER, image)
    return bool(corner) and min(corner) > 240


def test_regions_and_motion_are_drawn_when_asked(console: Chrome, server: LiveServer) -> None:
    path = "/streams/still/settings"
    assert server.client.put(path, json={"motion": {}}, headers=AUTHORIZED).status_code == 200
    with posting(server, "still", every_s=0.2):
        card = console.find_element(By.XPATH, "//button[.//strong='still']")
        wait(console, lambda: re.search(r"\d+ run, 0 on regions, [1-9]\d* repeated", card.text))
        card.send_keys(Keys.ENTER)
        wait(console, lambda: console.execute_script("return document.querySelector('#watched').naturalWidth") == 768)
        assert not is_outcome_shown(console, "#watched")
        part(console, "watch-regions").click()
        wait(console, lambda: is_outcome_shown(console, "#watched"))
        part(console, "watch-regions").click()
        wait(console, lambda: not is_outcome_shown(console, "#watched"))
        part(console, "watch").send_keys(Keys.ESCAPE)
        wait(console, lambda: not watching(server, "still"))
        console.get(f"{server.url}/stream/still")
        console.find_element(By.LINK_TEXT, "Show regions and motion").click()
        wait(console, lambda: is_outcome_shown(console, "img"))
        console.find_element(By.LINK_TEXT, "Show results only").click()
        wait(console, lambda: not is_outcome_shown(console, "img"))
        console.get("about:blank")
    server.client.delete(path, headers=AUTHORIZED)


def watching(server: LiveServer, name: str) -> int:
    streams = server.client.get("/streams").json()["streams"]
    return sum(stream["viewers"] for stream in streams if stream["id"] == name)


def test_a_streams_page_waits_for_it_and_shows_it(console: Chrome, server: LiveServer) -> None:
    console.get(f"{server.url}/stream/Front%20Door%2F1")
    assert "waits" in console.find_element(By.TAG_NAME, "main").text
    with posting(server, "Front Door/1", every_s=0.2):
        wait(console, lambda: console.execute_script("return document.querySelector('img')?.naturalWidth") == 768)
        console.get("about:blank")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_any_width(console: Chrome, server: LiveServer, width: int, scheme: str, tmp_path: Path) -> None:
    look(console, width, scheme)
    with posting(server, "gate-3", every_s=0.2), posting(server, "yard-north", every_s=0.5):
        choose(console, STREET)
        answer(console)
        for name in ("gate-3", "yard-north"):
            image = console.find_element(By.XPATH, f"//button[.//strong='{name}']//img")
            wait(console, partial(console.execute_script, LOADED, image))
        wait(console, lambda: "ms" in part(console, "charts").text)
        height = int(console.execute_script("return document.documentElement.scrollHeight"))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        console.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        console.save_screenshot(str(tmp_path / f"console-{width}-{scheme}.png"))
    wide = console.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    ground = console.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == (scheme == "dark")


def test_everything_has_a_name_and_the_keyboard_reaches_it(console: Chrome) -> None:
    wait(console, lambda: len(console.find_elements(By.CSS_SELECTOR, "#models tr")) == 3)
    assert console.execute_script(UNNAMED) == []
    reached = []
    for _ in range(30):
        ActionChains(console).send_keys(Keys.TAB).perform()
        reached.append(console.switch_to.active_element.get_attribute("id"))
    assert {"model", "confidence", "most", "file", "camera", "answer", "curl", "copy"} <= set(reached)


def test_it_works_behind_credentials(browser: Chrome, tmp_path: Path) -> None:
    """The page itself is open; if its requests need a credential, it says so and has a field for a token.

    With passwords the browser itself would ask for one; here there are only tokens.
    """
    folder = write_identity_model(tmp_path)
    settings = settings_for(ADMIN, with_token("reader", READER_TOKEN), anonymous_may="nothing")
    with serving(folder, wait_until_ready=False, **settings) as guarded:
        guarded.wait_until_ready(AUTHORIZED)
        browser.get(f"{guarded.url}/")
        wait(browser, lambda: "Send a known credential" in part(browser, "models-note").text)
        guarded.client.headers.update(AUTHORIZED)
        refused = partial(refusals, guarded, "401")
        before = refused()
        part(browser, "token").send_keys("wrong", Keys.ENTER)
        wait(browser, lambda: refused() > before and part(browser, "token").is_displayed())
        part(browser, "token").send_keys(READER_TOKEN, Keys.ENTER)
        wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#models tr")) == 1)
        with posting(guarded, "guarded-gate", every_s=0.2, headers=AUTHORIZED):
            wait(browser, lambda: "Their pictures" in part(browser, "streams-note").text)
            asked = refusals(guarded, "403", "watch_stream")
            time.sleep(3)
            assert refusals(guarded, "403", "watch_stream") == asked == 1, "it stops asking"
            part(browser, "token").send_keys(ADMIN_TOKEN, Keys.ENTER)
            choose(browser, STREET)
            wait(browser, lambda: part(browser, "answer").text)
            assert not part(browser, "problem").is_displayed()
            assert '--oauth2-bearer "$TOKEN"' in part(browser, "curl").text
            browser.find_element(By.XPATH, "//button[.//strong='guarded-gate']").send_keys(Keys.ENTER)
            wait(browser, lambda: browser.execute_script("return document.querySelector('#watched').naturalWidth") > 0)
            assert watching(guarded, "guarded-gate") >= 1
            part(browser, "watch").send_keys(Keys.ESCAPE)
            wait(browser, lambda: not watching(guarded, "guarded-gate"))


def refusals(server: LiveServer, code: str, operation: str = "list_models") -> float:
    return samples(server).get(("framehook_requests_total", code, operation), 0)
