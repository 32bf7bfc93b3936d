"""Lines and zones on the page of a stream in a real browser: drawn by mouse, touch and keyboard, saved, counted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_MOUSE, POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from handlers.server.access.credentials import with_token
from lab.graphs import write_identity_model
from lab.pictures import encode, street
from tests.support.browsing import complaints, look, part, violations, wait
from tests.support.credentials import ADMIN, ADMIN_TOKEN, AUTHORIZED, settings_for
from tests.support.live import posting
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.system

OTHERS = {"thresholds": {"person": 0.5}, "motion": {"refresh_s": 5.0}}
"""Settings that have nothing to do with lines and zones."""
GATE = {"name": "gate", "line": [[0.5, 0.1], [0.5, 0.9]]}
PORCH = {"name": "porch", "polygon": [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9], [0.1, 0.9]], "labels": ["person"]}
EDGE = {"name": "the right edge of the picture", "line": [[1, 0], [1, 1]]}
STEPS = 8
STEP_PX = 16
"""Of the photo that moves, for each frame."""
ASKS_BEFORE_LEAVING = "return !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
HANDLES = "return document.querySelectorAll('.handle').length"
WIDTH = "return document.documentElement.scrollWidth"
SMALL = """
return [...document.querySelectorAll("button, input, select, .handle, main a")].filter((one) => one.checkVisibility())
  .map((one) => [one.outerHTML, one.getBoundingClientRect()])
  .filter(([html, {width, height}]) => Math.min(width, height) < 24 && !html.includes("checkbox"))
  .map(([html]) => html);
"""
"""Lists what is too small for a finger."""
STEPS_OF_DRAFTS = """
const [path, done] = arguments;
Promise.all(["adding", "draft", "geometry"].map((name) => import(`${path}/console/${name}.js`))).then((modules) => {
  const {begin, withPoint, centred, draftOf, settingsOf, moved, withoutPoint, withCorner, counterclockwise} =
    Object.assign({}, ...modules);
  const lines = Array.from({length: 16}, (_, index) => ({name: `l${index}`, line: [[0, 0], [1, 1]]}));
  const full = draftOf({lines});
  const never = () => false;
  let zone = begin(draftOf({}), "zone");
  for (let corner = 0; zone.draft.begun; corner++) zone = withPoint(zone.draft, [corner / 40, 0.123456], never);
  const [drawn] = zone.draft.shapes;
  const triangle = draftOf({zones: [{name: "t", polygon: [[0, 0], [1, 0], [1, 1]]}]});
  const line = centred(begin(draftOf({}), "line").draft).draft;
  done({
    full: [begin(full, "line").said, begin(full, "line").draft === full, begin(full, "zone").draft.begun.kind],
    corners: [drawn.points.length, drawn.points[1], withCorner(zone.draft, drawn.key, {width: 4, height: 3}).said],
    triangle: withoutPoint(triangle, 1, 0).draft === triangle,
    line: withoutPoint(line, 1, 0).draft === line,
    outside: moved(line, 1, 0, [-1, 2]).shapes[0].points[0],
    onOther: moved(line, 1, 0, line.shapes[0].points[1]).shapes[0].points[0],
    same: settingsOf({motion: {}, lines}, draftOf({lines})),
    emptied: settingsOf({motion: {}, lines}, draftOf({})),
    direction: counterclockwise([[0.5, 0.1], [0.5, 0.9]], {width: 4, height: 3}),
  });
});
"""


@pytest.fixture
def page(server: LiveServer, browser: Chrome) -> Iterator[Chrome]:
    """The page of the stream `scene`, which has no settings and no frames; nothing that it does may fail."""
    server.client.delete("/streams/scene/settings", headers=AUTHORIZED)
    look(browser, 1280, "light")
    browser.get(f"{server.url}/stream/scene")
    wait(browser, lambda: "No lines or zones yet" in part(browser, "scene-note").text)
    yield browser
    assert [message for message in complaints(browser) if " 401 " not in message] == []
    browser.get("about:blank")
    server.client.delete("/streams/scene/settings", headers=AUTHORIZED)


def put(server: LiveServer, **settings: Any) -> None:
    assert server.client.put("/streams/scene/settings", json=settings, headers=AUTHORIZED).status_code == 200


def saved(server: LiveServer) -> Any:
    return server.client.get("/streams/scene/settings").json()


def reopen(page: Chrome) -> None:
    """Load the page, and begin to edit."""
    page.refresh()
    wait(page, lambda: part(page, "edit").is_displayed())
    part(page, "edit").click()
    wait(page, lambda: part(page, "editor").is_displayed())


def at(page: Chrome, x: float, y: float) -> tuple[int, int]:
    """Return where a point of the picture is in the window, in pixels."""
    box = page.execute_script("return document.querySelector('#surface').getBoundingClientRect().toJSON()")
    return round(box["left"] + x * box["width"]), round(box["top"] + y * box["height"])


def gesture(page: Chrome, kind: str, *points: tuple[float, float]) -> None:
    """Press a pointer at the first point, and release it at the last."""
    builder = ActionBuilder(page, mouse=PointerInput(kind, kind))  # type: ignore[no-untyped-call]  # as all of selenium's
    pointer: Any = builder.pointer_action
    pointer.move_to_location(*at(page, *points[0])).pointer_down()
    for point in points[1:]:
        pointer.move_to_location(*at(page, *point))
    pointer.pointer_up()
    builder.perform()


def click(page: Chrome, *points: tuple[float, float]) -> None:
    for point in points:
        gesture(page, POINTER_MOUSE, point)


def tap(page: Chrome, *points: tuple[float, float]) -> None:
    for point in points:
        gesture(page, POINTER_TOUCH, point)


def shape(page: Chrome, number: int) -> Any:
    """Return the form of a line or zone."""
    return page.find_elements(By.CSS_SELECTOR, ".shape")[number]


def field(page: Chrome, number: int, label: str) -> Any:
    return shape(page, number).find_element(By.XPATH, f".//label[contains(., '{label}')]/input")


def button(page: Chrome, text: str) -> Any:
    return page.find_element(By.XPATH, f"//button[text()='{text}']")


def name(page: Chrome, number: int, text: str) -> None:
    field(page, number, "Name").clear()
    field(page, number, "Name").send_keys(text)


def save(page: Chrome, said: str = "Saved") -> None:
    part(page, "save").click()
    wait(page, lambda: said in part(page, "said").text)


def test_they_are_drawn_by_mouse_touch_and_keyboard(page: Chrome, server: LiveServer) -> None:
    """And saved, once there is a credential that may; the other settings stay."""
    put(server, **OTHERS)
    part(page, "add-line").click()
    click(page, (0.5, 0.1), (0.5, 0.9))
    name(page, 0, "gate")
    part(page, "add-zone").click()
    tap(page, (0.1, 0.2), (0.4, 0.2), (0.4, 0.9), (0.1, 0.9), (0.1, 0.2))
    name(page, 1, "porch")
    field(page, 1, "Only these labels").send_keys("person", Keys.ENTER)
    field(page, 1, "Report").send_keys("2.5")
    line_by_keyboard(page)
    part(page, "save").click()
    wait(page, lambda: "permission configure" in part(page, "problem").text)
    part(page, "token").send_keys(ADMIN_TOKEN, Keys.ENTER)
    save(page)
    kept = saved(server)
    (gate, tree), (porch,) = kept.pop("lines"), kept.pop("zones")
    assert kept == OTHERS
    assert (gate["name"], tree["name"]) == ("gate", "tree")
    assert tree["line"] == [[0.505, 0.2], [0.5, 0.75]]
    assert near([*gate["line"], *porch["polygon"]], [*GATE["line"], *PORCH["polygon"]])
    assert (porch["labels"], porch["dwell_s"]) == (["person"], 2.5)
    assert part(page, "lines-rows").text.splitlines() == ["gate 0 0 0", "tree 0 0 0"]
    assert part(page, "zones-rows").text == "porch 0 0"


def line_by_keyboard(page: Chrome) -> None:
    """Add the line `tree` without any pointer."""
    part(page, "add-line").send_keys(Keys.ENTER)
    ActionChains(page).send_keys(Keys.TAB, Keys.ENTER).perform()
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).key_down(Keys.SHIFT).send_keys(Keys.ARROW_UP).perform()
    ActionChains(page).key_up(Keys.SHIFT).perform()
    assert "point 1 of 2: 50.5 % from the left, 20.0 % from the top" in focused(page).get_attribute("aria-label")
    for _ in range(40):
        if focused(page).get_property("value") == "line 1":
            break
        ActionChains(page).send_keys(Keys.TAB).perform()
    ActionChains(page).send_keys("tree").perform()  # what has the focus is selected


def focused(page: Chrome) -> Any:
    return page.switch_to.active_element


def near(points: list[Any], others: list[Any]) -> bool:
    """Return whether points are where they were drawn: within a pixel, and with at most four decimals."""
    assert points == [[round(x, 4), round(y, 4)] for x, y in points]
    pairs = zip(points, others, strict=True)
    return all(abs(x1 - x2) < 0.003 and abs(y1 - y2) < 0.003 for (x1, y1), (x2, y2) in pairs)


def test_points_are_dragged_added_and_removed(page: Chrome, server: LiveServer) -> None:
    """With the mouse and by touch; what is cancelled is not saved."""
    put(server, lines=[GATE], zones=[PORCH])
    reopen(page)
    gesture(page, POINTER_MOUSE, (0.5, 0.1), (0.7, 0.3))
    assert page.execute_script(HANDLES) == 2
    click(page, (0.25, 0.2))
    assert page.execute_script(HANDLES) == 4
    gesture(page, POINTER_TOUCH, (0.1, 0.9), (0.2, 0.8))
    button(page, "Add a corner").click()
    assert page.execute_script(HANDLES) == 5
    tap(page, (0.2, 0.8))
    button(page, "Remove the marked corner").click()
    assert page.execute_script(HANDLES) == 4
    button(page, "Add a corner").click()
    focused(page).send_keys(Keys.DELETE)
    focused(page).send_keys(Keys.DELETE)
    focused(page).send_keys(Keys.DELETE)
    wait(page, lambda: "at least three" in part(page, "said").text)
    part(page, "cancel").click()
    assert saved(server) == {"lines": [GATE], "zones": [PORCH]}
    authorize(page)
    reopen(page)
    gesture(page, POINTER_TOUCH, (0.4, 0.9), (0.4, 0.6))
    assert page.execute_script(HANDLES) == 4, "a touch selects before it drags"
    gesture(page, POINTER_TOUCH, (0.4, 0.9), (0.4, 0.6))
    button(page, "Swap its directions").click()
    save(page)
    assert saved(server)["lines"][0]["line"] == GATE["line"][::-1]
    assert near(saved(server)["zones"][0]["polygon"], [*PORCH["polygon"][:2], [0.4, 0.6], PORCH["polygon"][3]])


def authorize(page: Chrome) -> None:
    """Use a credential that may do everything, as if it had been typed."""
    kept = f'{{"authorization": "Bearer {ADMIN_TOKEN}"}}'
    page.execute_script("sessionStorage.setItem('framehook.credential', arguments[0])", kept)
    page.refresh()


def test_nothing_wrong_is_saved(page: Chrome, server: LiveServer) -> None:
    """Names are there once; what others have changed meanwhile is not lost unnoticed; a draft is not left unasked."""
    put(server, lines=[GATE])
    authorize(page)
    reopen(page)
    part(page, "add-line").click()
    click(page, (0.2, 0.5), (0.2, 0.5), (0.3, 0.5))
    name(page, 1, "gate")
    part(page, "save").click()
    assert "Another line has this name" in field(page, 1, "Name").get_property("validationMessage")
    name(page, 1, "hedge")
    labels = field(page, 1, "Only these labels")
    labels.send_keys("persons", Keys.ENTER)
    assert "no such label" in labels.get_property("validationMessage")
    labels.send_keys(Keys.BACKSPACE, Keys.ENTER)
    put(server, motion={}, lines=[GATE | {"name": "other"}])
    assert page.execute_script(ASKS_BEFORE_LEAVING)
    part(page, "save").click()
    wait(page, lambda: "changed elsewhere" in part(page, "problem").text)
    save(page)
    assert [(line["name"], line.get("labels")) for line in saved(server)["lines"]] == [
        ("gate", None),
        ("hedge", ["person"]),
    ]
    assert saved(server)["motion"] == {}
    assert not page.execute_script(ASKS_BEFORE_LEAVING)


@contextmanager
def passing(server: LiveServer) -> Iterator[None]:
    """Post the street photo as it moves to the right, then its last frame on and on."""
    photo, moved = street(), Image.new("RGB", (768, 576), (128, 128, 128))
    for step in range(STEPS):
        moved.paste(photo, (step * STEP_PX, 0))
        body = encode(moved, "JPEG", quality=90)
        assert server.client.post("/inference", content=body, params={"stream": "scene"}).status_code == 200
        time.sleep(0.2)
    with posting(server, "scene", body, every_s=0.3):
        yield


def test_what_crosses_a_line_is_counted(page: Chrome, server: LiveServer) -> None:
    """And can be set to 0: by who may, and after a question."""
    put(server, lines=[GATE], zones=[PORCH])
    with passing(server):
        (gate,) = scene(server)["lines"]
        assert gate == {"name": "gate", "clockwiseTotal": 0, "counterclockwiseTotal": 1, "total": 1}
        wait(page, lambda: part(page, "lines-rows").text == "gate 0 1 1")
        wait(page, lambda: part(page, "zones-rows").text == zone_row(server))
        assert "gate crossed counterclockwise, total 1" in part(page, "events").text
        assert "porch entered, now" in part(page, "events").text
        assert "person" in part(page, "followed").text
        overlay = part(page, "overlay").get_property("textContent")
        assert ("\u21ba 1" in overlay, "\u21bb 0" in overlay) == (True, True)
        reset(page, "no")
        reset(page, "yes")
        wait(page, lambda: "Not set to 0" in part(page, "said").text)
        authorize(page)
        wait(page, lambda: part(page, "reset").is_displayed())
        reset(page, "yes")
        wait(page, lambda: part(page, "lines-rows").text == "gate 0 0 0")


def scene(server: LiveServer) -> Any:
    (only,) = server.client.get("/streams/scene").json()["scenes"]
    return only


def zone_row(server: LiveServer) -> str:
    (porch,) = scene(server)["zones"]
    assert porch["enteredTotal"] > 0
    return f"porch {porch['count']} {porch['enteredTotal']}"


def reset(page: Chrome, answer: str) -> None:
    part(page, "reset").click()
    page.find_element(By.CSS_SELECTOR, f"#resetting button[value={answer}]").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_any_width(page: Chrome, server: LiveServer, scheme: str, tmp_path: Path) -> None:
    """Watched, edited and while something is added: the overlay is where the picture is, and axe-core finds nothing."""
    put(server, lines=[GATE, EDGE], zones=[PORCH | {"name": "W" * 64}])
    with posting(server, "scene", every_s=0.3):
        page.refresh()
        wait(page, lambda: page.execute_script("return document.querySelector('img').naturalWidth") == 768)
        wait(page, lambda: part(page, "edit").is_displayed())
        for width in (1280, 390, 320):
            look(page, width, scheme)
            checked(page, width, tmp_path / f"watched-{width}-{scheme}.png")
            part(page, "edit").click()
            wait(page, lambda: part(page, "editor").is_displayed())
            click(page, (0.5, 0.3))
            checked(page, width, tmp_path / f"edited-{width}-{scheme}.png")
            part(page, "add-zone").click()
            click(page, (0.6, 0.3), (0.9, 0.3))
            checked(page, width, tmp_path / f"added-{width}-{scheme}.png")
            part(page, "cancel").click()
            wait(page, lambda: part(page, "edit").is_displayed())


def checked(page: Chrome, width: int, screenshot: Path) -> None:
    page.save_screenshot(str(screenshot))
    assert page.execute_script(WIDTH) <= width
    assert page.execute_script(SMALL) == []
    assert violations(page) == []
    picture, overlay = (
        page.execute_script("return arguments[0].getBoundingClientRect().toJSON()", part(page, id_))
        for id_ in ("picture", "overlay")
    )
    assert picture == overlay
    assert picture["width"] / picture["height"] == pytest.approx(4 / 3, abs=0.02)


def test_steps_from_draft_to_draft(page: Chrome, server: LiveServer) -> None:
    """At most 16 of each and 32 corners; points stay on the picture, with four decimals."""
    found = page.execute_async_script(STEPS_OF_DRAFTS, server.url)
    lines = [{"name": f"l{index}", "line": [[0, 0], [1, 1]]} for index in range(16)]
    assert found == {
        "full": ["A stream has at most 16 lines.", True, "zone"],
        "corners": [32, [0.025, 0.1235], "A zone has at most 32 corners."],
        "triangle": True,
        "line": True,
        "outside": [0, 1],
        "onOther": [0.5, 0.25],
        "same": {"motion": {}, "lines": lines},
        "emptied": {"motion": {}},
        "direction": [1, 0],
    }


def test_settings_of_default_are_taken_over(browser: Chrome, tmp_path: Path) -> None:
    """The page says so before; the file of `default` stays."""
    model, streams = write_identity_model(tmp_path / "models"), tmp_path / "streams"
    streams.mkdir()
    (streams / "default.yaml").write_text(yaml.safe_dump(OTHERS | {"lines": [GATE]}))
    with serving(model, streams=streams, **settings_for(ADMIN, anonymous_may="infer,read,view,monitor")) as server:
        browser.get(f"{server.url}/stream/yard")
        authorize(browser)
        wait(browser, lambda: part(browser, "edit").is_displayed())
        part(browser, "edit").click()
        wait(browser, lambda: "settings of the stream default" in part(browser, "inherits").text)
        name(browser, 0, "yard gate")
        save(browser)
        browser.get("about:blank")
    assert yaml.safe_load((streams / "yard.yaml").read_text()) == OTHERS | {"lines": [GATE | {"name": "yard gate"}]}
    assert yaml.safe_load((streams / "default.yaml").read_text())["lines"] == [GATE]


def test_who_may_not_save_keeps_the_draft(browser: Chrome, tmp_path: Path) -> None:
    """A credential that may only watch, and a service without a folder for settings."""
    watcher = with_token("watcher", "token-of-a-watcher", may=("view",))
    settings = settings_for(ADMIN, watcher, anonymous_may="nothing")
    with serving(write_identity_model(tmp_path), wait_until_ready=False, **settings) as guarded:
        guarded.wait_until_ready(AUTHORIZED)
        browser.get(f"{guarded.url}/stream/yard")
        part(browser, "token").send_keys("token-of-a-watcher", Keys.ENTER)
        wait(browser, lambda: "No lines or zones yet" in part(browser, "scene-note").text)
        part(browser, "add-line").click()
        click(browser, (0.3, 0.3), (0.6, 0.6))
        part(browser, "save").click()
        wait(browser, lambda: "may not do that" in part(browser, "problem").text)
        assert "permission configure" in part(browser, "problem").text
        part(browser, "token").send_keys(ADMIN_TOKEN, Keys.ENTER)
        part(browser, "save").click()
        wait(browser, lambda: "FRAMEHOOK_STREAMS" in part(browser, "problem").text)
        assert browser.execute_script(HANDLES) == 2
        part(browser, "cancel").click()
        browser.get("about:blank")
