"""The console in a real browser: photos, streams, models, the service; on any width, in the dark, without a mouse."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from handlers.server.access.credentials import Credential, with_password, with_token
from handlers.streams import live_view
from lab.graphs import board, work_for, write_identity_model
from lab.pictures import PHOTOS, STREET, encode
from tests.support.browsing import complaints, look, part, violations, wait
from tests.support.credentials import ADMIN, ADMIN_TOKEN, AUTHORIZED, settings_for
from tests.support.live import posting
from tests.support.metrics import samples
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system

READER_TOKEN = "token-of-a-reader"
DROP = """
const [file, target] = arguments, transfer = new DataTransfer();
for (const each of file.files) transfer.items.add(each);
file.value = "";
const event = arguments[2] === "paste"
  ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
  : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
target.dispatchEvent(event);
"""
"""Drops or pastes the contents of a file input; browsers allow programs no other way."""
VIEWS = ("photo", "streams", "models", "service")
OVERLAPPING = """
const grounds = [...document.querySelectorAll(".caption:not(.crowded)")].map((one) => one.getBoundingClientRect());
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


def choose(browser: Chrome, photo: Path) -> None:
    part(browser, "file").send_keys(str(photo))


def view(browser: Chrome, name: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f'nav a[href="#{name}"]').click()
    wait(browser, lambda: part(browser, f"view-{name}").is_displayed())


def answer(browser: Chrome) -> list[dict[str, Any]]:
    """Return the answer as the page shows it, once there is one."""
    text = wait(browser, lambda: (shown := text_of(browser, "answer")).startswith("{") and shown)
    found: list[dict[str, Any]] = json.loads(text)["inferences"]
    return found


def text_of(browser: Chrome, id_: str) -> str:
    """Return the text of an element, seen or not."""
    text: str = part(browser, id_).get_property("textContent")
    return text


def boxes(browser: Chrome) -> int:
    return int(browser.execute_script("return document.querySelectorAll('.box:not([hidden])').length"))


def slide(browser: Chrome, id_: str, key: str, times: int) -> None:
    part(browser, id_).send_keys(key * times)


def test_a_photo_is_answered_with_a_list_and_boxes(console: Chrome) -> None:
    choose(console, STREET)
    found = answer(console)
    rows = [row.text.split() for row in console.find_elements(By.CSS_SELECTOR, "#results .result")]
    tags = [each["entity"]["tag"] for each in found]
    assert rows == [[tag["value"], f"{tag['confidence']:.2f}"] for tag in tags]
    assert boxes(console) == len(found) == 8
    assert console.execute_script(OVERLAPPING) == 0
    look(console, 970, "light")
    wait(console, lambda: console.execute_script(OVERLAPPING) == 0)
    assert re.match("6 . person, 2 . car", part(console, "summary").text)


def test_a_row_lights_its_box_and_a_box_its_row(console: Chrome) -> None:
    choose(console, STREET)
    answer(console)
    lit = "return [...document.querySelectorAll('.lit')].map((one) => [one.tagName, one.dataset.index])"
    rows = console.find_elements(By.CSS_SELECTOR, "#results .result")
    ActionChains(console).move_to_element(rows[2]).perform()
    wait(console, lambda: console.execute_script(lit) == [["DIV", "2"], ["LI", "2"]])
    ActionChains(console).move_to_element(console.find_element(By.CSS_SELECTOR, '.box[data-index="4"]')).perform()
    wait(console, lambda: console.execute_script(lit) == [["DIV", "4"], ["LI", "4"]])
    console.execute_script("arguments[0].focus()", rows[5])
    assert console.execute_script(lit) == [["DIV", "5"], ["LI", "5"]]


def test_captions_without_room_are_hidden_until_their_box_is_lit(console: Chrome) -> None:
    choose(console, STREET)
    assert len(answer(console)) == 8
    slide(console, "confidence", Keys.HOME, 1)
    wait(console, lambda: boxes(console) == 100)
    assert console.execute_script(OVERLAPPING) == 0
    crowded = console.find_element(By.CSS_SELECTOR, ".crowded")
    row = console.find_element(By.CSS_SELECTOR, f"#results > li:nth-child({1 + index_of(crowded)}) > .result")
    assert not crowded.is_displayed()
    row.send_keys("")
    wait(console, crowded.is_displayed)


def index_of(caption: Any) -> int:
    return int(caption.find_element(By.XPATH, "..").get_attribute("data-index"))


def test_labels_filter_the_list_and_the_boxes(console: Chrome) -> None:
    choose(console, STREET)
    answer(console)
    chips = console.find_elements(By.CSS_SELECTOR, ".chip")
    assert [chip.text for chip in chips] == ["person 6", "car 2"]
    chips[0].click()
    assert (boxes(console), chips[0].get_attribute("aria-pressed")) == (2, "false")
    assert len([row for row in console.find_elements(By.CSS_SELECTOR, "#results li") if row.is_displayed()]) == 2
    chips[0].click()
    assert boxes(console) == 8


def test_tabs_have_the_json_and_the_request(console: Chrome, server: LiveServer) -> None:
    """With the arrow keys; the request is the one that curl sends."""
    part(console, "sample").click()
    found = answer(console)
    part(console, "tab-results").send_keys(Keys.ARROW_RIGHT)
    assert json.loads(part(console, "answer").text)["inferences"] == found
    console.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    command = part(console, "curl").text
    assert command == (
        "curl --data-binary '@street.jpg' -H 'Content-Type: image/jpeg' " + f"'{server.url}/inference?exif=apply'"
    )
    assert not part(console, "answer").is_displayed()


@pytest.mark.parametrize("clipboard", ["", "Object.defineProperty(navigator, 'clipboard', {value: undefined});"])
def test_texts_are_copied(server: LiveServer, browser: Chrome, clipboard: str) -> None:
    """On pages without https, browsers have no clipboard."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": clipboard})
    browser.get(f"{server.url}/")
    part(browser, "tab-curl").click()
    part(browser, "copy-curl").click()
    wait(browser, lambda: part(browser, "copy-curl").text == "Copied")
    part(browser, "search").is_displayed()
    browser.execute_script("location.hash = 'photo'; document.querySelector('#tab-results').click()")
    browser.execute_script("document.body.append(Object.assign(document.createElement('textarea'), {id: 'other'}))")
    part(browser, "other").send_keys(Keys.CONTROL, "v")
    assert part(browser, "other").get_property("value").startswith("curl --data-binary")


def test_what_was_found_is_saved(server: LiveServer, browser: Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.get(f"{server.url}/")
    part(browser, "sample").click()
    found = answer(browser)
    part(browser, "save-picture").click()
    part(browser, "tab-answer").click()
    part(browser, "save-json").click()
    picture, document = tmp_path / "annotated.jpg", tmp_path / "answer.json"
    wait(browser, lambda: picture.exists() and document.exists())
    with Image.open(picture) as saved, Image.open(STREET) as posted:
        assert saved.size == posted.size
    assert json.loads(document.read_text())["inferences"] == found


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_may_come_in_many_ways(console: Chrome, way: str) -> None:
    bring(console, [STREET], way)
    assert len(answer(console)) == 8


def bring(browser: Chrome, photos: list[Path], way: str = "drop") -> None:
    chooser = "Object.assign(document.createElement('input'), {type: 'file', id: 'other', multiple: true})"
    browser.execute_script(f"document.body.append({chooser})")
    part(browser, "other").send_keys("\n".join(map(str, photos)))
    browser.execute_script(DROP, part(browser, "other"), part(browser, "stage"), way)


def test_of_several_photos_the_first_is_taken(console: Chrome) -> None:
    bring(console, [STREET, PHOTOS / "coffee.jpg"])
    assert len(answer(console)) == 8
    assert "the first of 2" in part(console, "source-note").text
    bring(console, [STREET])
    wait(console, lambda: not part(console, "source-note").text)


def test_a_picture_that_only_the_browser_reads_is_converted(console: Chrome, tmp_path: Path) -> None:
    photo = tmp_path / "street.gif"
    Image.open(STREET).quantize().save(photo)
    bring(console, [photo])
    assert answer(console)
    assert "Content-Type: image/jpeg" in text_of(console, "curl")


def test_sliders_ask_anew(console: Chrome) -> None:
    """With the keyboard alone. Until a slider is moved, the request leaves its value to the model."""
    choose(console, STREET)
    assert len(answer(console)) == 8
    assert "confidence" not in text_of(console, "curl")
    slide(console, "confidence", Keys.ARROW_RIGHT, 30)
    wait(console, lambda: len(answer(console)) == 3)
    assert all(each["entity"]["tag"]["confidence"] >= 0.8 for each in answer(console))
    slide(console, "most", Keys.ARROW_LEFT, 99)
    wait(console, lambda: len(answer(console)) == 1)
    assert boxes(console) == 1
    assert "&confidence=0.8&maxDetections=1'" in text_of(console, "curl")


def test_another_model_is_asked_with_its_own_threshold(console: Chrome) -> None:
    view(console, "models")
    wait(console, lambda: len(console.find_elements(By.CSS_SELECTOR, "#models > li")) == 3)
    console.find_element(By.XPATH, "//li[.//span='efficientnet-lite0']//button").click()
    wait(console, lambda: part(console, "view-photo").is_displayed())
    assert part(console, "confidence-value").text == "0.20"
    choose(console, PHOTOS / "coffee.jpg")
    wait(console, lambda: "espresso" in part(console, "summary").text)
    assert boxes(console) == 0
    assert "/inference/efficientnet-lite0?" in text_of(console, "curl")


def test_a_refusal_is_shown_and_nothing_stale_stays(browser: Chrome, server: LiveServer, tmp_path: Path) -> None:
    """With the problem's detail; the browser itself logs the 400."""
    rubbish = tmp_path / "rubbish.jpg"
    rubbish.write_bytes(b"rubbish")
    browser.get(f"{server.url}/")
    choose(browser, STREET)
    assert len(answer(browser)) == 8
    choose(browser, rubbish)
    wait(browser, lambda: "is not a JPEG" in part(browser, "problem").text)
    assert (boxes(browser), text_of(browser, "answer"), part(browser, "summary").text) == (0, "", "")
    assert not part(browser, "results-empty").is_displayed()
    wait(browser, lambda: "Drop or paste" in part(browser, "stage").text)
    choose(browser, STREET)
    assert len(answer(browser)) == 8
    assert not part(browser, "problem").is_displayed()
    assert all("400" in complaint for complaint in complaints(browser))


def test_what_is_too_large_is_shrunk(browser: Chrome, tmp_path: Path) -> None:
    """The browser itself logs the 413."""
    large = tmp_path / "large.jpg"
    Image.open(STREET).resize((5000, 3750)).save(large)
    with running(max_pixels=15_000_000) as small:
        browser.get(f"{small.url}/")
        choose(browser, large)
        assert len(answer(browser)) > 3
        assert "Shrunk" in part(browser, "summary").text


def test_it_waits_while_the_service_is_busy_or_gone(browser: Chrome, tmp_path: Path) -> None:
    """And says so; the photo is posted again. The browser itself logs the refusals."""
    slow = encode(board(7, work=work_for(8.0)), "PNG")
    settings = {"lanes": 1, "queue_size": 0, "run_timeout_s": PATIENCE_S}
    with serving(write_identity_model(tmp_path), **settings) as busy, ThreadPoolExecutor(1) as camera:
        browser.get(f"{busy.url}/")
        camera.submit(busy.client.post, "/inference", content=slow)
        wait(browser, lambda: busy.client.get("/status").json()["framesRunning"])
        choose(browser, STREET)
        wait(browser, lambda: "Trying again in" in part(browser, "summary").text)
        wait(browser, lambda: "ms)" in part(browser, "summary").text)
    choose(browser, STREET)
    wait(browser, lambda: "cannot be reached" in part(browser, "summary").text)
    wait(browser, lambda: part(browser, "state").text == "Not reachable")
    part(browser, "camera").click()
    wait(browser, lambda: part(browser, "stage").get_attribute("aria-busy") == "false")


def test_the_camera_is_asked(console: Chrome) -> None:
    part(console, "camera").click()
    wait(console, lambda: "ms)" in part(console, "summary").text)
    assert part(console, "camera").get_attribute("aria-pressed") == "true"
    part(console, "camera").click()
    assert part(console, "camera").get_attribute("aria-pressed") == "false"


def card(browser: Chrome, name: str) -> Any:
    return browser.find_element(By.XPATH, f"//button[.//strong='{name}']")


def test_a_stream_is_watched(console: Chrome, server: LiveServer) -> None:
    view(console, "streams")
    with posting(server, "Süd/gate 1", every_s=0.2), posting(server, "yard", every_s=0.2):
        gate = card(console, "Süd/gate 1")
        wait(console, lambda: console.execute_script(LOADED, gate.find_element(By.TAG_NAME, "img")))
        part(console, "search").send_keys("SÜD")
        wait(console, lambda: not card(console, "yard").is_displayed())
        gate.send_keys(Keys.ENTER)
        wait(console, lambda: console.execute_script("return document.querySelector('#watched').naturalWidth") == 768)
        assert part(console, "watch-title").text == "Süd/gate 1"
        part(console, "watch").send_keys(Keys.ESCAPE)
        wait(console, lambda: not watching(server, "Süd/gate 1"))
        part(console, "search").send_keys("nothing like this")
        wait(console, lambda: part(console, "streams-none").is_displayed())
        view(console, "service")
        wait(console, lambda: re.search(r"answered [1-9]", part(console, "charts").text))
        view(console, "models")
        wait(console, lambda: re.search(r"[1-9]\d* frames in total", part(console, "models").text))


def test_a_silent_stream_says_so(console: Chrome, server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the wall and on its page, which goes on when frames come again."""
    server.client.post("/inference", content=STREET.read_bytes(), params={"stream": "shed"})
    view(console, "streams")
    with monkeypatch.context() as later:
        later.setattr(live_view.LiveStream, "silent_for_s", 300.0)
        wait(console, lambda: "silent for 5 min" in card(console, "shed").text)
        console.get(f"{server.url}/stream/shed")
        wait(console, lambda: "has been silent for 5 min" in part(console, "note").text)
    with posting(server, "shed", every_s=0.2):
        wait(console, lambda: console.execute_script("return document.querySelector('img').naturalWidth") == 768)
        wait(console, lambda: not part(console, "note").text)
        wait(console, lambda: "frames/s" in part(console, "facts").text)
    wait(console, lambda: "No picture for" in part(console, "note").text)
    console.get("about:blank")


def test_the_last_refusals_are_listed(console: Chrome, server: LiveServer) -> None:
    server.client.post("/inference", content=b"<html>", params={"stream": "<b>gate</b>"})
    view(console, "service")
    wait(console, lambda: "it looks like HTML" in part(console, "refusals").text)
    assert "<b>gate</b>" in part(console, "refusals").text


SELECT = "getSelection().selectAllChildren(document.querySelector(arguments[0]))"
READ_AGAIN = """
const [module, read, done] = arguments;
import(`./console/${module}.js`).then((views) => views[read]()).then(() => done(String(getSelection())));
"""
"""Reads a list as the page does every now and then; returns the text that is selected."""


def test_what_a_person_has_opened_or_selected_stays(console: Chrome, server: LiveServer) -> None:
    """The lists are read again and again: what has not changed is not drawn again."""
    server.client.post("/inference", content=b"{}")
    view(console, "service")
    wait(console, lambda: "it looks like JSON" in part(console, "refusals").text)
    console.execute_script(SELECT, "#refusals tr td:nth-child(4)")
    assert "it looks like JSON" in console.execute_async_script(READ_AGAIN, "service", "readRefusals")
    view(console, "models")
    wait(console, lambda: console.find_elements(By.CSS_SELECTOR, "#models summary"))
    console.find_element(By.CSS_SELECTOR, "#models summary").click()
    console.execute_async_script(READ_AGAIN, "models", "readModels")
    assert console.find_element(By.CSS_SELECTOR, "#models details").get_attribute("open")


def test_a_stream_whose_frames_are_refused_says_why(browser: Chrome, server: LiveServer) -> None:
    """On its page; the browser itself logs the 404 of its picture."""
    server.client.post("/inference", content=b"<html>", params={"stream": "loft"})
    browser.get(f"{server.url}/stream/loft")
    wait(browser, lambda: "was refused" in part(browser, "note").text)
    assert "it looks like HTML" in part(browser, "note").text


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
        view(console, "streams")
        still = card(console, "still")
        wait(console, lambda: re.search(r"\d+ run, 0 on regions, [1-9]\d* repeated", still.text))
        still.send_keys(Keys.ENTER)
        wait(console, lambda: console.execute_script("return document.querySelector('#watched').naturalWidth") == 768)
        assert not is_outcome_shown(console, "#watched")
        part(console, "watch-regions").click()
        wait(console, lambda: is_outcome_shown(console, "#watched"))
        part(console, "watch-regions").click()
        wait(console, lambda: not is_outcome_shown(console, "#watched"))
        part(console, "watch").send_keys(Keys.ESCAPE)
        wait(console, lambda: not watching(server, "still"))
        console.get(f"{server.url}/stream/still")
        part(console, "regions").click()
        wait(console, lambda: is_outcome_shown(console, "img"))
        assert console.current_url.endswith("?draw=regions")
        console.refresh()
        wait(console, lambda: is_outcome_shown(console, "img"))
        part(console, "regions").click()
        wait(console, lambda: not is_outcome_shown(console, "img"))
        console.get("about:blank")
    server.client.delete(path, headers=AUTHORIZED)


def watching(server: LiveServer, name: str) -> int:
    streams = server.client.get("/streams").json()["streams"]
    return sum(stream["viewers"] for stream in streams if stream["id"] == name)


def test_a_streams_page_waits_for_it_and_shows_it(console: Chrome, server: LiveServer) -> None:
    console.get(f"{server.url}/stream/Front%20Door%2F1")
    wait(console, lambda: "waits for the first one" in part(console, "note").text)
    with posting(server, "Front Door/1", every_s=0.2):
        wait(console, lambda: console.execute_script("return document.querySelector('img')?.naturalWidth") == 768)
        console.get("about:blank")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1920, 1280, 390, 320])
def test_it_fits_any_width(console: Chrome, server: LiveServer, width: int, scheme: str, tmp_path: Path) -> None:
    """Each view, without anything that axe-core finds wrong."""
    look(console, width, scheme)
    console.refresh()
    with posting(server, "gate-3", every_s=0.2), posting(server, "yard-north", every_s=0.5):
        choose(console, STREET)
        answer(console)
        for name in VIEWS:
            view(console, name)
            if name == "streams":
                image = card(console, "gate-3").find_element(By.TAG_NAME, "img")
                console.execute_script("arguments[0].scrollIntoView()", image)  # streams of other tests may be above
                wait(console, partial(console.execute_script, LOADED, image))
            if name == "service":
                wait(console, lambda: re.search(r"median \d", part(console, "charts").text))
            console.save_screenshot(str(tmp_path / f"{name}-{width}-{scheme}.png"))
            assert console.execute_script("return document.documentElement.scrollWidth") <= width
            assert violations(console) == []
    ground = console.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == (scheme == "dark")


def test_a_streams_page_has_nothing_that_axe_finds_wrong(console: Chrome, server: LiveServer) -> None:
    console.get(f"{server.url}/stream/nope")
    wait(console, lambda: part(console, "note").text)
    assert violations(console) == []


def test_the_keyboard_reaches_everything(console: Chrome) -> None:
    choose(console, STREET)
    answer(console)
    reached: list[str | None] = []
    for _ in range(40):
        ActionChains(console).send_keys(Keys.TAB).perform()
        reached.append(console.switch_to.active_element.get_attribute("id"))
    assert {"model", "confidence", "most", "file", "camera", "sample", "tab-results", "save-picture"} <= set(reached)


def test_it_works_behind_tokens(browser: Chrome, tmp_path: Path) -> None:
    """The page itself is open; if its requests need a credential, it says so and has a field for a token."""
    folder = write_identity_model(tmp_path)
    settings = settings_for(ADMIN, with_token("reader", READER_TOKEN), anonymous_may="nothing")
    with serving(folder, wait_until_ready=False, **settings) as guarded:
        guarded.wait_until_ready(AUTHORIZED)
        browser.get(f"{guarded.url}/#models")
        wait(browser, lambda: "This service needs a credential" in part(browser, "models-note").text)
        assert browser.find_elements(By.ID, "user")[0].is_displayed() is False
        guarded.client.headers.update(AUTHORIZED)
        refused = partial(refusals, guarded, "401")
        before = refused()
        part(browser, "token").send_keys("wrong", Keys.ENTER)
        wait(browser, lambda: refused() > before and part(browser, "token").is_displayed())
        wait(browser, lambda: "does not accept" in text_of(browser, "credential-note"))
        part(browser, "token").send_keys(READER_TOKEN, Keys.ENTER)
        wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#models > li")) == 1)
        view(browser, "streams")
        with posting(guarded, "guarded-gate", every_s=0.2, headers=AUTHORIZED):
            wait(browser, lambda: "Their pictures" in part(browser, "streams-note").text)
            wait(browser, lambda: refusals(guarded, "403", "watch_stream"))
            time.sleep(3)
            assert refusals(guarded, "403", "watch_stream") == 1, "it stops asking"
            part(browser, "token").send_keys(ADMIN_TOKEN, Keys.ENTER)
            card(browser, "guarded-gate").send_keys(Keys.ENTER)
            wait(browser, lambda: browser.execute_script("return document.querySelector('#watched').naturalWidth") > 0)
            assert watching(guarded, "guarded-gate") >= 1
            part(browser, "watch").send_keys(Keys.ESCAPE)
            wait(browser, lambda: not watching(guarded, "guarded-gate"))
        view(browser, "photo")
        choose(browser, STREET)
        wait(browser, lambda: "ms)" in part(browser, "summary").text)
        assert '--oauth2-bearer "$TOKEN"' in text_of(browser, "curl")


def test_who_may_only_watch_is_not_asked_for_more(browser: Chrome, tmp_path: Path) -> None:
    """The page of a stream does without what its credential may not read."""
    watcher = with_token("watcher", "token-of-a-watcher", may=("view",))
    settings = settings_for(ADMIN, watcher, anonymous_may="nothing")
    with serving(write_identity_model(tmp_path), wait_until_ready=False, **settings) as guarded:
        guarded.wait_until_ready(AUTHORIZED)
        guarded.client.headers.update(AUTHORIZED)
        browser.get(f"{guarded.url}/stream/gate")
        part(browser, "token").send_keys("token-of-a-watcher", Keys.ENTER)
        with posting(guarded, "gate", every_s=0.2, headers=AUTHORIZED):
            wait(browser, lambda: browser.execute_script("return document.querySelector('img').naturalWidth") > 0)
            wait(browser, lambda: "frames/s" in part(browser, "facts").text)
            wait(browser, lambda: "No lines or zones yet" in part(browser, "scene-note").text)
            assert not part(browser, "token").is_displayed()
            browser.get("about:blank")


@pytest.mark.parametrize("other", [(), (with_token("reader", READER_TOKEN),)], ids=["alone", "beside tokens"])
def test_it_works_behind_passwords(browser: Chrome, tmp_path: Path, other: tuple[Credential, ...]) -> None:
    """The page asks itself: the browser's own login would stand in the way of a token."""
    folder = write_identity_model(tmp_path)
    settings = settings_for(ADMIN, with_password("Jörg", "a pass: word"), *other, anonymous_may="nothing")
    with serving(folder, wait_until_ready=False, **settings) as guarded:
        guarded.wait_until_ready(AUTHORIZED)
        browser.get(f"{guarded.url}/#models")
        wait(browser, lambda: part(browser, "user").is_displayed())
        part(browser, "user").send_keys("Jörg")
        part(browser, "password").send_keys("a pass: word", Keys.ENTER)
        wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#models > li")) == 1)
        assert "--user 'Jörg'" in text_of(browser, "curl")


def refusals(server: LiveServer, code: str, operation: str = "list_models") -> float:
    return samples(server).get(("framehook_requests_total", code, operation), 0)
