"""Whether boxes are where the objects are, without knowing what the objects are.

The objects that the server found in the photos are followed: the photos are changed, so that it is known where the
objects must be now. Detectors are not exact, so the median of all objects counts, and a server is wrong only if another
reading of its boxes fits or if they are plainly elsewhere.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from PIL import Image

from conformance.asking.messages import Answer
from conformance.inferences import BoxLtwh, found
from conformance.pictures.changes import BLACK, GREY, mirrored, placed, scaled, upside_down
from conformance.pictures.encoding import jpeg
from conformance.pictures.photos import SIDE_PX
from conformance.placing import (
    MISFITS,
    Evidence,
    Reading,
    are_elsewhere,
    are_shares,
    fit,
    landmarks,
    sightings,
    wrong_reading,
)
from conformance.subject import Seen, Subject
from conformance.verdicts import DECIDED, SCHEMA, Check, Finding, Verdict, cannot_tell, passed, wrong

PHOTOS = 4
"""How many photos with objects are changed."""
TOLERANCE = 1e-3
"""Sums of rounded edges may be larger than 1 by this."""
MIN_ALIKE = 3
"""How many objects must have been found again in pictures that were changed alike to judge these by themselves."""
CANVAS_PX = 720
PLACES_XY = ((288, 288), (16, 200))
RIGHT_EDGE = "w and h are the right and the lower edge"
LONG_PX = 2 * SIDE_PX
STRETCHED_PX = 740


class Change(NamedTuple):
    """A changed photo, how it was changed, and where its boxes go, by reading; the right one is named ""."""

    name: str
    image: Image.Image
    readings: Mapping[str, Reading]


def moved(scale_xy: tuple[float, float], by_xy: tuple[float, float] = (0, 0)) -> Reading:
    """Return the reading that scales and moves boxes that are shares."""
    (scale_x, scale_y), (by_x, by_y) = scale_xy, by_xy

    def move(box: BoxLtwh) -> BoxLtwh:
        return box[0] * scale_x + by_x, box[1] * scale_y + by_y, box[2] * scale_x, box[3] * scale_y

    return move


STAYS = moved((1, 1))


def _flips(image: Image.Image) -> Iterator[Change]:
    yield Change(
        "mirrored",
        mirrored(image),
        {
            "": lambda box: (1 - box[0] - box[2], box[1], box[2], box[3]),
            "l and t are the centre of the box": lambda box: (1 - box[0], box[1], box[2], box[3]),
            RIGHT_EDGE: lambda box: (1 - box[2], box[1], 1 - box[0], box[3]),
            "x and y are confused": lambda box: (box[0], 1 - box[1] - box[3], box[2], box[3]),
            "they are the upper, left, lower and right edge": lambda box: (box[0], 1 - box[3], box[2], 1 - box[1]),
            "they stay where they were": STAYS,
        },
    )
    yield Change(
        "upside down",
        upside_down(image),
        {
            "": lambda box: (box[0], 1 - box[1] - box[3], box[2], box[3]),
            "l and t are the centre of the box": lambda box: (box[0], 1 - box[1], box[2], box[3]),
            RIGHT_EDGE: lambda box: (box[0], 1 - box[3], box[2], 1 - box[1]),
            "x and y are confused": lambda box: (1 - box[0] - box[2], box[1], box[2], box[3]),
            "they are the upper, left, lower and right edge": lambda box: (1 - box[2], box[1], 1 - box[0], box[3]),
            "they stay where they were": STAYS,
        },
    )


def _scales(image: Image.Image) -> Iterator[Change]:
    for factor in (0.5, 2.0):
        side = round(SIDE_PX * factor)
        readings = {"": STAYS, "they are shares of a size that is fixed": moved((factor, factor))}
        yield Change(f"{side} x {side}", scaled(image, (side, side)), readings)


def _pads(image: Image.Image) -> Iterator[Change]:
    share = SIDE_PX / CANVAS_PX
    for place in PLACES_XY:
        left, top = (edge / CANVAS_PX for edge in place)
        readings = {
            "": moved((share, share), (left, top)),
            "they are shares of what the black bars leave": STAYS,
            "t counts from below": moved((share, share), (left, 1 - share - top)),
            RIGHT_EDGE: _edges_moved(share, left, top),
        }
        yield Change("padded with black", placed(image, (CANVAS_PX, CANVAS_PX), place, BLACK), readings)


def _edges_moved(share: float, left: float, top: float) -> Reading:
    return lambda box: (box[0] * share + left, box[1] * share + top, box[2] * share + left, box[3] * share + top)


def _frames(image: Image.Image) -> Iterator[Change]:
    edge = (LONG_PX - SIDE_PX) // 2
    wide = placed(image, (LONG_PX, SIDE_PX), (edge, 0), GREY)
    tall = placed(image, (SIDE_PX, LONG_PX), (0, edge), GREY)
    yield Change("padded to be wide", wide, _readings_of_frames(moved((0.5, 1), (0.25, 0)), (1, 0.5)))
    yield Change("padded to be tall", tall, _readings_of_frames(moved((1, 0.5), (0, 0.25)), (0.5, 1)))
    ratio = SIDE_PX / STRETCHED_PX
    yield Change("stretched to be wide", scaled(image, (STRETCHED_PX, SIDE_PX)), _letterboxed(STAYS, (1, ratio)))
    yield Change("stretched to be tall", scaled(image, (SIDE_PX, STRETCHED_PX)), _letterboxed(STAYS, (ratio, 1)))


def _readings_of_frames(right: Reading, share: tuple[float, float]) -> dict[str, Reading]:
    return {**_letterboxed(right, share), "they are shares of the square in the middle of the frame": STAYS}


def _letterboxed(right: Reading, share: tuple[float, float]) -> dict[str, Reading]:
    """Return the right reading and those of servers that pad frames to a square. `share`: the frame's of the square."""
    middle = moved(share, ((1 - share[0]) / 2, (1 - share[1]) / 2))
    corner = moved(share)
    return {
        "": right,
        "they are shares of the padded square canvas, not of the frame": lambda box: middle(right(box)),
        "they are shares of a canvas that is padded at one side, not of the frame": lambda box: corner(right(box)),
    }


def _ask_corners(subject: Subject) -> Finding:
    return _followed(subject, _flips)


def _ask_scale(subject: Subject) -> Finding:
    return _followed(subject, _scales)


def _ask_pad(subject: Subject) -> Finding:
    return _followed(subject, _pads)


def _ask_frame(subject: Subject) -> Finding:
    return _followed(subject, _frames)


def _followed(subject: Subject, changes: Callable[[Image.Image], Iterator[Change]]) -> Finding:
    photos = _photos(subject)
    if not photos:
        return cannot_tell("the server found no large object with a box, or is not sure of any")
    if not are_shares([each for seen in photos for each in seen.found]):
        return cannot_tell("the boxes are no shares of the frame")
    evidence, refused = defaultdict[str, list[Evidence]](list), None
    for seen in photos:
        for change in changes(seen.photo.image):
            answer = subject.server.post(jpeg(change.image))
            refused = refused if answer.is_good else answer
            evidence[change.name].append(Evidence(sightings(seen.found, found(answer)), change.readings))
    return _judged(evidence, refused)


def _judged(evidence: Mapping[str, list[Evidence]], refused: Answer | None) -> Finding:
    """Judge all changed pictures together, then those that were changed alike: a server may be wrong in these only."""
    whole = list(chain.from_iterable(evidence.values()))
    fitted = fit(whole)
    if fitted is None:
        said = f"a changed picture was answered {refused.summary}" if refused else "no object was found again"
        return cannot_tell(said)
    finding = _fitted(whole, *fitted)
    for name, alike in evidence.items():
        right, objects = fit(alike) or (1, 0)
        if finding.verdict is Verdict.PASS and right < MISFITS and objects >= MIN_ALIKE:
            finding = _fitted(alike, right, objects, f"in pictures that are {name}, ")
    return finding


def _fitted(evidence: list[Evidence], right: float, objects: int, where: str = "") -> Finding:
    """Return what the fit of the right reading, and that of others, says. `where`: in which pictures."""
    measured = f"{objects} {'object was' if objects == 1 else 'objects were'} found again, median IoU {right:.2f}"
    if instead := wrong_reading(evidence):
        return wrong(f"{where}as the boxes are, {instead} ({measured})")
    if are_elsewhere(evidence):
        return wrong(f"{where}boxes are elsewhere, and no known reading of them fits ({measured})")
    return passed(measured) if right >= MISFITS else cannot_tell(f"{where}boxes fit badly: {measured}")


def _photos(subject: Subject) -> list[Seen]:
    """Return the photos with objects that can be followed; their middles only if there are no others."""
    followed = [seen for seen in subject.survey if landmarks(seen.found)]
    names = {photo.name for photo in subject.photos}
    whole = [seen for seen in followed if seen.photo.name in names]
    return (whole or followed)[:PHOTOS]


def _ask_inside(subject: Subject) -> Finding:
    boxes = [(seen.photo.name, each.box_ltwh) for seen in subject.survey for each in seen.found]
    if not boxes:
        return cannot_tell("the server found no object with a box")
    over = [(max(box[0] + box[2], box[1] + box[3]), name) for name, box in boxes]
    furthest, name = max(over)
    if furthest <= 1 + TOLERANCE:
        return passed(f"{len(boxes)} boxes looked at")
    count = sum(edge > 1 + TOLERANCE for edge, _ in over)
    return wrong(f"{count} of {len(boxes)} boxes end outside the frame; the furthest at {furthest:.3f} (photo {name})")


CHECKS = (
    Check(
        "geometry.corners",
        "l and t are the upper left corner of a box, w and h its width and height.",
        "Boxes are drawn beside their objects, and objects are in the wrong zones.",
        SCHEMA,
        _ask_corners,
        after=("answers.own-frame",),
    ),
    Check(
        "geometry.scale",
        "Boxes do not depend on the number of the frame's pixels.",
        "Users choose the size of frames; boxes are right for one size only.",
        SCHEMA,
        _ask_scale,
        after=("geometry.corners",),
    ),
    Check(
        "geometry.pad",
        "Boxes are shares of the whole frame, its black bars included.",
        "The client pads frames and corrects boxes itself; corrected twice, they are wrong.",
        SCHEMA,
        _ask_pad,
        after=("geometry.scale",),
    ),
    Check(
        "geometry.frame",
        "Boxes are shares of the frame as it was received, also if it is no square.",
        "Cameras are wider than high. Boxes of the model's square canvas are displaced, most at the edges.",
        SCHEMA,
        _ask_frame,
        after=("geometry.pad",),
    ),
    Check(
        "geometry.inside",
        "Boxes end inside the frame: l + w and t + h are at most 1.",
        "Crops of such boxes reach beyond the picture.",
        DECIDED,
        _ask_inside,
        after=("answers.ranges", "geometry.corners"),
    ),
)
