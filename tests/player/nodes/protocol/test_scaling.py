import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from player.errors import TopologyError
from player.flow import Inference
from player.nodes.protocol.boxes import box_of, edges_of
from player.nodes.protocol.scaling import Placement, Scale, ScaleMode, restored
from tests.player.nodes.pictures import entity


@pytest.mark.parametrize(
    ("scale", "source_wh", "expected"),
    [
        pytest.param(Scale(), (640, 360), Placement((640, 360), (640, 360)), id="native"),
        pytest.param(Scale("stretch", 416, 416), (640, 360), Placement((416, 416), (416, 416)), id="stretched"),
        pytest.param(Scale("pad", 416, 416), (640, 360), Placement((416, 416), (416, 234), (0, 91)), id="bars above"),
        pytest.param(Scale("pad", 416, 416), (360, 640), Placement((416, 416), (234, 416), (91, 0)), id="bars beside"),
        pytest.param(Scale("pad", 100, 101), (100, 50), Placement((100, 101), (100, 50), (0, 25)), id="odd bars"),
        pytest.param(Scale("pad", 416, 234), (640, 360), Placement((416, 234), (416, 234)), id="nothing to pad"),
        pytest.param(Scale("pad", 800, 600), (40, 30), Placement((800, 600), (800, 600)), id="enlarged"),
        pytest.param(
            Scale("preserveAspectRatio", 416, 416), (640, 360), Placement((416, 234), (416, 234)), id="both sides"
        ),
        pytest.param(Scale("preserveAspectRatio", 320), (640, 360), Placement((320, 180), (320, 180)), id="width"),
        pytest.param(
            Scale("preserveAspectRatio", height=720), (640, 360), Placement((1280, 720), (1280, 720)), id="height"
        ),
        pytest.param(Scale("preserveAspectRatio", 416), (16, 65_535), Placement((2, 8192), (2, 8192)), id="very long"),
        pytest.param(Scale("pad", 64, 64), (10_000, 1), Placement((64, 64), (64, 1), (0, 31)), id="at least a pixel"),
    ],
)
def test_where_a_picture_lies(scale: Scale, source_wh: tuple[int, int], expected: Placement) -> None:
    assert scale.placed(source_wh) == expected


@given(st.tuples(*[st.integers(1, 500)] * 2), st.tuples(*[st.integers(1, 500)] * 2))
def test_in_steps_colours_stay_with_their_pixels(canvas_wh: tuple[int, int], source_wh: tuple[int, int]) -> None:
    placement = Scale("pad", *canvas_wh).placed(source_wh, step=2)
    for canvas, side, offset in zip(canvas_wh, placement.picture_wh, placement.offset_xy, strict=True):
        assert side == canvas or side % 2 == 0 or canvas == 1
        assert offset % 2 == 0
        assert 1 <= side <= canvas - offset


@pytest.mark.parametrize(
    ("mode", "width", "height"),
    [
        ("pad", None, None),
        ("pad", 416, None),
        ("stretch", None, 416),
        ("preserveAspectRatio", None, None),
        ("pad", 0, 1),
    ],
)
def test_missing_sides_are_refused(mode: ScaleMode, width: int | None, height: int | None) -> None:
    with pytest.raises(TopologyError, match=f'"{mode}" needs a width'):
        Scale(mode, width, height)


PADDED = Placement((100, 100), (60, 100), (20, 0))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0.2, 0, 0.6, 1), (0, 0, 1, 1), id="the documented one"),
        pytest.param((0.2, 0.25, 0.3, 0.5), (0, 0.25, 0.5, 0.5), id="half"),
        pytest.param((0, 0, 1, 1), (0, 0, 1, 1), id="cut off"),
        pytest.param((0.1, 0, 0.4, 1), (0, 0, 0.5, 1), id="cut off on the left"),
        pytest.param((0, 0, 0.2, 1), None, id="beside it"),
        pytest.param((0.85, 0.5, 0.1, 0.1), None, id="on its other side"),
    ],
)
def test_boxes_of_padded_pictures(box: tuple[float, ...], expected: tuple[float, ...] | None) -> None:
    found = restored(entity("car", *box, inferenceId="1"), PADDED)
    assert found == (None if expected is None else entity("car", *expected, inferenceId="1"))


@given(
    st.tuples(*[st.integers(16, 800)] * 2),
    st.tuples(*[st.integers(16, 4000)] * 2),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from([1, 2]),
)
def test_there_and_back(
    canvas_wh: tuple[int, int], source_wh: tuple[int, int], edges: tuple[float, float, float, float], step: int
) -> None:
    """A box on a picture, drawn on the canvas and mapped back, is where it was."""
    placement = Scale("pad", *canvas_wh).placed(source_wh, step)
    (left, right), (top, bottom) = sorted(edges[:2]), sorted(edges[2:])
    assume(right - left > 0.001 and bottom - top > 0.001)
    (canvas_w, canvas_h), (width, height), (x, y) = placement.canvas_wh, placement.picture_wh, placement.offset_xy
    drawn = {
        "l": (x + left * width) / canvas_w,
        "t": (y + top * height) / canvas_h,
        "w": (right - left) * width / canvas_w,
        "h": (bottom - top) * height / canvas_h,
    }
    box = placement.restored(drawn)
    assert box
    assert edges_of(box) == pytest.approx((left, top, right, bottom), abs=2e-6)
    assert all(0 <= value <= 1 for value in box.values())


@pytest.mark.parametrize(
    ("inference", "expected"),
    [
        pytest.param({"type": "motion", "motion": {"box": {"l": 0, "t": 0, "w": 0.1, "h": 1}}}, None, id="motion"),
        pytest.param({"type": "motion", "motion": {}}, {"type": "motion", "motion": {}}, id="motion without a box"),
        pytest.param(
            {"type": "event", "event": {"name": "a", "properties": {}, "box": {"l": 0, "t": 0, "w": 0.1, "h": 1}}},
            {"type": "event", "event": {"name": "a", "properties": {}}},
            id="event",
        ),
        pytest.param(
            {"type": "event", "event": {"name": "a", "properties": {}, "box": {"l": 0.2, "t": 0, "w": 0.6, "h": 1}}},
            {"type": "event", "event": {"name": "a", "properties": {}, "box": {"l": 0, "t": 0, "w": 1, "h": 1}}},
            id="event with its box",
        ),
        pytest.param({"type": "text", "text": {"value": "a"}}, {"type": "text", "text": {"value": "a"}}, id="text"),
    ],
)
def test_what_else_has_boxes(inference: Inference, expected: Inference | None) -> None:
    assert restored(inference, PADDED) == expected


def test_without_padding_nothing_changes() -> None:
    whole = entity("car", 0.123456789, 0, 1, 1)
    assert restored(whole, Placement((4, 4), (4, 4))) is whole
    assert Placement((4, 4), (4, 4)).restored(whole["entity"]["box"]) is whole["entity"]["box"]


def test_a_box_without_area_is_none() -> None:
    assert box_of((0.5, 0.5, 0.5000001, 1)) is None
    assert box_of((-1, 0.5, 0, 1)) is None
