"""Boxes and captions on pictures: in the right place, within the picture, and readable."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from handlers.encoding.captions import EAST_ASIAN_PACKAGE, MAIN_FONT, east_asian_font
from handlers.encoding.drawing import (
    MAX_LONG_SIDE_PX,
    MIN_LONG_SIDE_PX,
    SCENE_COLOUR,
    _colour,
    _ink,
    _luminance,
    annotate,
    draw_scene,
)
from models.frame import Frame
from models.results import Chained, Classification, Detection, Results, TextLine
from scene.events import LineTotals, Scene, ZoneTotals
from scene.settings import StreamSettings

LABELS = ("person", "Zaunkönig Ж Ω", "x" * 200, "car")
BOXES = ((0.0, 0.0, 0.4, 0.5), (0.3, 0.3, 0.7, 0.9), (0.31, 0.31, 0.7, 0.9), (0.95, 0.95, 1.0, 1.0))
RESULTS = Results(
    tuple(Detection(label, number, 0.9, box) for number, (label, box) in enumerate(zip(LABELS, BOXES, strict=True)))
)


def ground(size_wh: tuple[int, int], level: int) -> Frame:
    return Frame(np.full((size_wh[1], size_wh[0], 3), level, np.uint8), "rgb", size_wh)


@pytest.mark.parametrize("size_wh", [(1, 1), (10, 600), (96, 72), (768, 576), (3840, 2160)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_any_picture_can_be_drawn_on(size_wh: tuple[int, int], level: int) -> None:
    picture = annotate(ground(size_wh, level), RESULTS)
    assert max(picture.size) == min(MAX_LONG_SIDE_PX, max(MIN_LONG_SIDE_PX, *size_wh))
    assert (np.asarray(picture) != level).any()


def test_a_box_is_drawn_on_its_edges() -> None:
    found = Results((Detection("a", 0, 0.9, (0.25, 0.5, 0.75, 1.0)),))
    drawn = np.asarray(annotate(ground((800, 400), 0), found).convert("L")) > 0
    assert drawn[300, 200]
    assert drawn[300, 599]
    assert drawn[399, 400]
    assert not drawn[300, 400]
    assert not drawn[:150].any()


def test_lines_and_zones_are_drawn_with_their_counts() -> None:
    settings = StreamSettings.model_validate(
        {
            "lines": [{"name": "gate", "line": [[0.25, 0.5], [0.75, 0.5]]}],
            "zones": [{"name": "porch", "polygon": [[0.5, 0.6], [0.9, 0.6], [0.9, 0.9]]}],
        }
    )
    scene = Scene(lines=(LineTotals("gate", 3, 35),), zones=(ZoneTotals("porch", 2, 4),))
    picture = Image.new("RGB", (800, 400))
    draw_scene(picture, settings, scene)
    drawn = (np.asarray(picture) == ImageColor.getrgb(SCENE_COLOUR)).all(axis=2)
    for x, y in ((240, 200), (590, 200), (560, 240), (720, 300), (560, 300)):
        assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()
    assert not drawn[380:].any()


def test_nothing_found_leaves_the_picture_alone() -> None:
    frame = ground((800, 400), 77)
    np.testing.assert_array_equal(np.asarray(annotate(frame, Results())), frame.pixels_hwc)


@pytest.mark.parametrize("class_id", range(24))
def test_letters_stand_out_from_their_ground(class_id: int) -> None:
    found = Results((Detection("MMMMMMMM", class_id, 0.9, (0.2, 0.5, 0.8, 1.0)),))
    picture = annotate(ground((800, 400), 128), found)
    caption = picture.crop((165, 180, 260, 198)).convert("L")
    low, high = caption.getextrema()
    assert isinstance(low, int)
    assert isinstance(high, int)
    assert high - low > 60


def test_letters_of_every_class_have_the_contrast_of_wcag() -> None:
    """4.5 to 1, of the relative luminances."""
    for class_id in range(1000):
        ground = _luminance(_colour(class_id))
        letters = _luminance(_ink(_colour(class_id)))
        lighter, darker = max(ground, letters), min(ground, letters)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_captions_of_one_place_do_not_cover_each_other() -> None:
    box = (0.4, 0.4, 0.6, 0.6)
    one = annotate(ground((800, 800), 0), Results((Detection("aaa", 0, 0.9, box),)))
    two = annotate(ground((800, 800), 0), Results((Detection("aaa", 0, 0.9, box), Detection("bbb", 3, 0.8, box))))
    above: tuple[int, int, int, int] = (320, 290, 480, 318)
    assert Image.Image.tobytes(one.crop(above)) == Image.Image.tobytes(two.crop(above))
    assert (np.asarray(two.crop((320, 484, 480, 500))) != np.asarray(one.crop((320, 484, 480, 500)))).any()


@pytest.mark.parametrize("letters", ["行人", "ひと", "사람", "øß", "ЖЩ", "ΩΣ", "אב"])
def test_letters_of_many_scripts_are_drawn_each_as_itself(letters: str) -> None:
    """A font draws every letter that it lacks as the same empty box."""
    drawn = [np.asarray(annotate(ground((800, 400), 0), of_label(label))).tobytes() for label in letters]
    assert len(set(drawn)) == len(letters)


def test_without_the_extra_ocr_east_asian_letters_are_empty_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    with_font = np.asarray(annotate(ground((800, 400), 0), of_label("行")))
    monkeypatch.setitem(sys.modules, EAST_ASIAN_PACKAGE, None)
    east_asian_font.cache_clear()
    try:
        assert east_asian_font() is MAIN_FONT
        drawn = [np.asarray(annotate(ground((800, 400), 0), of_label(label))) for label in "行人"]
    finally:
        east_asian_font.cache_clear()
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != with_font).any()


def test_pictures_without_east_asian_letters_never_load_their_font() -> None:
    east_asian_font.cache_clear()
    annotate(ground((800, 400), 0), RESULTS)
    assert east_asian_font.cache_info().misses == 0


def of_label(label: str) -> Results:
    return Results((Detection(label * 4, 0, 0.9, (0.2, 0.5, 0.8, 1.0)),))


def test_what_the_whole_picture_shows_is_written_at_its_top_left() -> None:
    """One line per class, below each other, and clear of the captions of boxes."""
    classes = (Classification("cup", 3, 0.9), Classification("espresso", 7, 0.05))
    drawn = np.asarray(annotate(ground((800, 400), 0), Results(classifications=classes)).convert("L")) > 0
    assert drawn[5, 2]
    assert drawn[25, 2]
    assert not drawn[45:].any()
    assert not drawn[:, 300:].any()
    box = Detection("aaa", 0, 0.9, (0.0, 0.0, 0.5, 0.5))
    both = np.asarray(annotate(ground((800, 400), 0), Results((box,), classifications=classes)))
    alone = np.asarray(annotate(ground((800, 400), 0), Results(classifications=classes)))
    np.testing.assert_array_equal(both[:40, 4:30], alone[:40, 4:30])


def test_the_caption_of_an_object_has_what_chained_models_say_of_it() -> None:
    place = Detection("text", 0, 0.5, (0.3, 0.6, 0.4, 0.7))
    chained = (
        Chained("kind", Results(classifications=(Classification("van", 0, 0.5),))),
        Chained("reader", Results(lines=(TextLine("AB 123", place),))),
    )
    car = Detection("car", 0, 0.9, (0.25, 0.5, 0.75, 1.0))
    drawn, written = (
        annotate(ground((800, 400), 0), Results((found,)))
        for found in (replace(car, chained=chained), replace(car, label="car, van, AB 123"))
    )
    assert drawn.tobytes() == written.tobytes()


def test_objects_within_an_object_are_drawn() -> None:
    within = Results((Detection("wheel", 1, 0.9, (0.5, 0.5, 0.75, 0.75)),))
    car = Detection("car", 0, 0.9, (0.25, 0.25, 0.75, 0.75), chained=(Chained("parts", within),))
    drawn = np.asarray(annotate(ground((800, 400), 0), Results((car,))).convert("L")) > 0
    assert drawn[250, 400]
    assert drawn[200, 500]
