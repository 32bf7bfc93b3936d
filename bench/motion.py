"""Measures what the motion gate finds, what it takes for motion that is none, and what it costs.

    python -m bench.motion --video FILE --truth FILE [--step N] [--rounds N]

`--truth`: where people are in the video, as MOT files say it: frame (from 1), id, left, top, width, height, ...

Recall: of the frames in which a true box has moved by more than 2 pixels since the last frame that was run, the share
that is run. A crowd always moves, so that is also asked with each person alone on the empty street. Boxes: how much of
the true boxes the boxes of motion cover, and how much larger they are. Still: the share of frames of still scenes that
would be run, refreshes apart. Cost: CPU milliseconds of one thread.
"""

import argparse
import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.harness.frames import PHOTOS, video_frames
from bench.harness.servers import ZOO_MODEL
from bench.harness.workloads import QUALITY, WORKLOADS
from handlers.decoding.decoder import Decoder
from handlers.decoding.raw import tight
from models.frame import RawLayout
from models.repository.folder import read_folder
from models.results import Selection
from models.runtime.loading import load_model
from scene.motion import Luma, MotionGate, MotionSettings

Truth: TypeAlias = Mapping[int, Mapping[int, tuple[float, float, float, float]]]
"""Frame, from 0 → person → box in pixels, xyxy."""
Scene: TypeAlias = Callable[[int, NDArray[np.float32], np.random.Generator], tuple[NDArray[np.float32], int]]
"""Number of a frame, RGB picture, random numbers → the picture as it is then, and its JPEG quality."""

DECODER = Decoder(36_000_000)
SIZE_WH = (768, 576)
MOVED_PX = 2
MARGIN_PX = 6
FPS = 7
STILL_FRAMES, STILL_FPS = 150, 5
CLOCK = ((0.0, 0.0), (0.4, 0.0), (0.4, 0.08), (0.0, 0.08))


def encode(picture: Image.Image, quality: int = QUALITY) -> bytes:
    """Return a picture as JPEG."""
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=quality)
    return body.getvalue()


def read_truth(path: Path) -> Truth:
    """Return the true boxes of a MOT file."""
    truth: dict[int, dict[int, tuple[float, float, float, float]]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        frame, person, left, top, width, height = map(float, line.split(",")[:6])
        truth[int(frame) - 1][int(person)] = (left, top, left + width, top + height)
    return truth


def recall(lumas: Iterable[Luma], boxes: Iterable[Mapping[int, tuple[float, ...]]], step: int = 1) -> dict[str, int]:
    """Return how many frames there are, in how many something has moved since the last run, and how many were run."""
    gate, last, counts = MotionGate(MotionSettings()), dict[int, tuple[float, ...]](), {"frames": 0, "run": 0}
    counts |= {"moved": 0, "moved and run": 0}
    for number, (luma, now) in enumerate(zip(lumas, boxes, strict=True)):
        motion = gate.look(luma, number * step / FPS)
        moved = any(_moved(box, last[person]) for person, box in now.items() if person in last)
        counts["frames"] += 1
        counts["run"] += motion.changed
        counts["moved"] += moved
        counts["moved and run"] += moved and motion.changed
        if motion.changed:
            gate.ran()
            last = dict(now)
    return counts


def _moved(box: tuple[float, ...], before: tuple[float, ...]) -> bool:
    return max(abs(edge - was) for edge, was in zip(box, before, strict=True)) > MOVED_PX


def alone(lumas: NDArray[np.uint8], numbers: Sequence[int], truth: Truth) -> dict[str, int]:
    """Return the sum of `recall` over people, each alone on the still street, with a little noise."""
    empty, rng, sums = (
        np.median(lumas[::10], axis=0).astype(np.uint8),
        np.random.default_rng(0),
        defaultdict[str, int](int),
    )
    for person in sorted({person for boxes in truth.values() for person in boxes}):
        present = [index for index, number in enumerate(numbers) if person in truth[number]]
        boxes = [{person: truth[numbers[index]][person]} for index in present]
        frames = (_pasted(empty, lumas[index], box[person], rng) for index, box in zip(present, boxes, strict=True))
        for name, count in recall(frames, boxes).items():
            sums[name] += count
    return dict(sums)


def _pasted(empty: Luma, luma: Luma, box: tuple[float, ...], rng: np.random.Generator) -> Luma:
    """Return the empty street with one box, and its surroundings, of a frame."""
    scale = luma.shape[1] / SIZE_WH[0]
    left, top, right, bottom = (
        max(0, round((edge + margin) * scale))
        for edge, margin in zip(box, [-MARGIN_PX] * 2 + [MARGIN_PX] * 2, strict=True)
    )
    scene = empty.astype(np.float32)
    scene[top:bottom, left:right] = luma[top:bottom, left:right]
    return np.clip(np.rint(scene + rng.normal(0, 0.6, scene.shape)), 0, 255).astype(np.uint8)


def coverage(lumas: NDArray[np.uint8], numbers: Sequence[int], truth: Truth) -> dict[str, float]:
    """Return the share of true boxes that boxes of motion cover by half or more, and what boxes there are."""
    gate, covered, shares, boxes = MotionGate(MotionSettings()), list[bool](), list[float](), 0
    for luma, number in zip(lumas, numbers, strict=True):
        motion = gate.look(luma, number / FPS)
        gate.ran()
        found, true = np.zeros(SIZE_WH[::-1], np.bool_), np.zeros(SIZE_WH[::-1], np.bool_)
        for left, top, right, bottom in (motion.boxes_xyxy * np.array(SIZE_WH * 2)).astype(int).tolist():
            found[top:bottom, left:right] = True
        for box in truth[number].values():
            left, top, right, bottom = (max(0, int(edge)) for edge in box)
            covered.append(found[top:bottom, left:right].mean() >= 1 / 2)
            true[top:bottom, left:right] = True
        shares.append(found.sum() / true.sum())
        boxes += len(motion.boxes_xyxy)
    return {
        "covered": float(np.mean(covered)),
        "area of boxes / true area, median": float(np.median(shares)),
        "boxes a frame": boxes / len(numbers),
    }


def _noise(sigma: float) -> Scene:
    return lambda _, picture, rng: (picture + rng.normal(0, sigma, picture.shape).astype(np.float32), QUALITY)


def _light(gain: Callable[[int, np.random.Generator], float]) -> Scene:
    return lambda number, picture, rng: (_noise(1.5)(number, picture * np.float32(gain(number, rng)), rng)[0], QUALITY)


def _quality(number: int, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
    return _noise(1.5)(number, picture, rng)[0], 60 + round(35 * abs(number / 35 % 2 - 1))


def _clock(number: int, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
    image = Image.fromarray(picture.astype(np.uint8))
    ImageDraw.Draw(image).text((8, 4), f"2026-11-29 12:00:{number / STILL_FPS:06.3f}", "white", font_size=28)
    return _noise(1.5)(number, np.asarray(image, np.float32), rng)


STILL: Mapping[str, Scene] = {
    "noise, sigma 2": _noise(2),
    "noise, sigma 3": _noise(3),
    "noise, sigma 4": _noise(4),
    "flicker, +-2 %": _light(lambda _, rng: rng.uniform(0.98, 1.02)),
    "JPEG quality 60 to 95 and back": _quality,
    "exposure, 0.8 to 1.4 in 30 s": _light(lambda number, _: 0.8 + 0.6 * number / STILL_FRAMES),
    "clock under a mask": _clock,
}


def false_runs(scene: Scene, photo: Image.Image, *, raw: bool, mask: bool) -> float:
    """Return the share of a still scene's frames that would be run although none is due. `raw`: posted as bgr24."""
    gate, rng, runs = MotionGate(MotionSettings(mask=(CLOCK,) if mask else ())), np.random.default_rng(1), 0
    picture = np.asarray(photo.convert("RGB").resize(SIZE_WH), np.float32)
    for number in range(STILL_FRAMES):
        pixels, quality = scene(number, picture, rng)
        rgb = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        body = rgb[..., ::-1].tobytes() if raw else encode(Image.fromarray(rgb), quality)
        motion = gate.look(DECODER.luma(body, tight("bgr24", SIZE_WH) if raw else None)[0], number / STILL_FPS)
        runs += motion.changed and number > 0
        if motion.changed or motion.due:
            gate.ran()
    return runs / (STILL_FRAMES - 1)


def costs_ms(name: str, layout: RawLayout | None, rounds: int) -> dict[str, float]:
    """Return the CPU milliseconds of an unchanged frame of a workload, of decoding a frame, and of all its work."""
    model = load_model(read_folder(ZOO_MODEL))
    [body] = WORKLOADS[name].bodies([Image.open(PHOTOS[1]).convert("RGB")])
    gate, picture = MotionGate(MotionSettings()), model.family.picture
    gate.look(DECODER.luma(body, layout)[0], 0)
    gate.ran()

    def whole() -> None:
        feeds, placed = picture.preprocess(DECODER.frame(body, layout, picture.target))
        model.family.postprocess(model.session.run(feeds), placed, Selection())

    stages: dict[str, Callable[[], object]] = {
        "luma": lambda: DECODER.luma(body, layout),
        "luma and look": lambda: gate.look(DECODER.luma(body, layout)[0], 0),
        "decode": lambda: DECODER.frame(body, layout, picture.target),
        "frame": whole,
    }
    spent: dict[str, list[float]] = {stage: [] for stage in stages}
    for _ in range(rounds + 1):
        for stage, work in stages.items():
            started_at = time.thread_time()
            work()
            spent[stage].append((time.thread_time() - started_at) * 1000)
    return {stage: float(np.median(values[1:])) for stage, values in spent.items()}


def _print_recall(name: str, counts: Mapping[str, int]) -> None:
    share = counts["moved and run"] / max(1, counts["moved"])
    print(f"| {name} | {counts['frames']} | {counts['moved']} | {counts['run']} | {share:.4f} |", flush=True)


def _lumas(video: Path, step: int) -> Iterator[Luma]:
    return (DECODER.luma(encode(frame))[0] for frame in video_frames(video, step))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, then all figures as one JSON object."""
    parser = argparse.ArgumentParser(description="Measures the motion gate.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--step", type=int, default=1, help="look at every so manieth frame only")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args(arguments)
    truth, lumas = read_truth(options.truth), np.array(list(_lumas(options.video, options.step)))
    numbers = range(0, len(lumas) * options.step, options.step)
    found = {
        "all people": recall(lumas, (truth[number] for number in numbers), options.step),
        "each alone": alone(lumas, numbers, truth),
    }
    print("| recall | frames | moved | run | share of moved that are run |\n|---|---|---|---|---|")
    for name, counts in found.items():
        _print_recall(name, counts)
    boxes = coverage(lumas, numbers, truth)
    print("\n" + ", ".join(f"{name} {value:.3f}" for name, value in boxes.items()))
    print("\n| still scene | share run, JPEG | bgr24 |\n|---|---|---|")
    still = {}
    for name, scene in STILL.items():
        ways = [
            max(false_runs(scene, Image.open(photo), raw=raw, mask=scene is _clock) for photo in PHOTOS[:2])
            for raw in (False, True)
        ]
        still[name] = ways
        print(f"| {name} | {ways[0]:.3f} | {ways[1]:.3f} |", flush=True)
    print("\n| workload | luma | luma + look | decode | whole frame | unchanged / whole |\n|---|---|---|---|---|---|")
    costs = {}
    for name in ("768x576 JPEG", "1920x1080 JPEG", "3840x2160 bgr24"):
        layout = tight("bgr24", WORKLOADS[name].size_wh) if name.endswith("bgr24") else None
        cost = costs[name] = costs_ms(name, layout, options.rounds)
        cells = " | ".join(f"{value:.2f}" for value in cost.values())
        print(f"| {name} | {cells} | {cost['luma and look'] / cost['frame']:.3f} |", flush=True)
    print(json.dumps({"recall": found, "boxes": boxes, "still": still, "cpu_ms": costs}))


if __name__ == "__main__":
    main()
