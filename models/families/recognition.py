"""Which families could read a file: each is tried on the file's inputs and outputs, with the layouts that it knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from models.errors import ModelConfigError
from models.families import FAMILIES, FAMILY_CONFIGS
from models.families.config import InputConfig, OutputConfig
from models.families.family import FamilySection, Spec
from models.families.signature import Signature, Tensor
from models.letterbox import Size

USUAL_SIDE = 640
"""Of a canvas that the file leaves free."""
USUAL_CLASSES = (80, 91, 90, 20, 1, 2)
"""COCO's, with and without its unused ids, and VOC's."""
LIKELY = (None, 80, 91, 90, 20, 1000)
"""Of a file that many people have; None: it fits any number."""
BESIDE_CLASSES = (0, 4, 5, 1, 32, 36, 37)
"""What outputs hold along an axis beside the classes: boxes, objectness, a background, bins, factors of masks."""
MAX_CLASSES, MAX_COUNTS = 22_000, 64
"""Most classes that a file is tried with, enough for all of ImageNet, and most numbers of them that are tried."""
MAX_OUTPUTS = 64
"""Of a file that is tried; detectors have at most about a dozen."""
CHANNELS = (3, 1)
OPTIONS = ("task", "activation")
"""Keys of sections that change what a file must look like, or how it is read."""
MAX_NAMED = 4
"""Most families that a sentence names."""
ENCODER_WORDS = ("embed", "feat")
"""In names of outputs that are vectors."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A way to read a file. `section`: model.yaml's family. `classes`: how many labels it needs; None: any number.

    `input`: what model.yaml's input must say.
    """

    section: Mapping[str, Any]
    classes: int | None
    input: Mapping[str, Any]

    def __str__(self) -> str:
        """Return it for people: yolov8, task: pose, 80 labels."""
        options = "".join(f", {key}: {value}" for key, value in self.section.items() if key != "name")
        has_number = self.classes is not None and FAMILY_CONFIGS[self.section["name"]].has_labels
        labels = f", {self.classes} label(s)" if has_number else ""
        return f"{self.section['name']}{options}{labels}"


def recognised(signature: Signature, classes: int | None = None) -> list[Guess]:
    """Return the ways in which a file can be read, the most particular ones first; none: no family reads it.

    `classes`: the number of labels, if it is known.
    """
    canvas = canvas_of(signature)
    encodes = any(word in name.lower() for name in signature.outputs for word in ENCODER_WORDS)
    guesses = []
    for section in _sections() if len(signature.outputs) <= MAX_OUTPUTS else ():
        if encodes and section["name"] == "classifier":
            continue
        fitting = [count for count in _counts(signature, classes) if _fault(section, signature, canvas, count) is None]
        if fitting:
            is_any = classes is None and len(fitting) >= len(USUAL_CLASSES)
            guesses.append(Guess(section, None if is_any else fitting[0], _input_of(section, canvas)))
    return sorted(guesses, key=lambda guess: (*_generality(guess.section, signature), guess.classes not in LIKELY))


def help_with(signature: Signature, classes: int) -> str:
    """Return a sentence that says which families could read a file that the chosen one cannot."""
    fitting = recognised(signature, classes)
    particular = [guess for guess in fitting if guess.section.get("task") != "pose"]  # which any number of values fits
    others = particular or [*recognised(signature)[:1], *fitting]
    if others:
        return f"It looks like family {', or '.join(map(str, others[:MAX_NAMED]))}."
    outputs = ", ".join(f"{name} {tensor}" for name, tensor in signature.outputs.items()) or "none"
    return f"No family reads such outputs: {outputs}. `framehook models init` says what each family needs."


def differences(signature: Signature, classes: int) -> Iterator[str]:
    """Yield for each family what it would need of this file."""
    canvas = canvas_of(signature)
    for name in FAMILIES:
        fault = _fault({"name": name}, signature, canvas, classes)
        if fault:
            yield f"{name}: {fault}"


def canvas_of(signature: Signature) -> dict[str, Any]:
    """Return `size_wh` of the picture input, and `colour_order` if it is grey."""
    for tensor in signature.inputs.values():
        size_wh, channels = _picture(tensor)
        if channels:
            grey = {"colour_order": "grey"} if channels == 1 else {}
            return {"size_wh": size_wh, **grey}
    return {"size_wh": (USUAL_SIDE, USUAL_SIDE)}


def _input_of(section: Mapping[str, Any], canvas: Mapping[str, Any]) -> dict[str, Any]:
    """Return model.yaml's input; for a grey picture also one mean and one std, the averages of the family's."""
    if "colour_order" not in canvas:
        return dict(canvas)
    defaults, _ = FAMILY_CONFIGS[section["name"]].defaults_for(section)
    given = {key: values for key in ("mean", "std") if (values := defaults.get(key))}
    return {**canvas, **{key: (sum(values) / len(values),) for key, values in given.items()}}


def _picture(tensor: Tensor) -> tuple[Size, int]:
    """Return width, height and channels of a picture input; no channels: it is none."""
    if len(tensor.shape) != len(("batch", "channels", "height", "width")):
        return (0, 0), 0
    _, *axes = tensor.shape
    for channels, sides in ((axes[0], axes[1:]), (axes[2], axes[:2])):
        if channels in CHANNELS:
            height, width = (side if isinstance(side, int) and side > 0 else USUAL_SIDE for side in sides)
            return (width, height), int(channels)
    return (0, 0), 0


def _sections() -> Iterator[dict[str, Any]]:
    """Yield the section `family` of every layout that the families know."""
    for name, config in FAMILY_CONFIGS.items():
        yield {"name": name}
        for preset in config.presets:
            yield {"name": name, "preset": preset}
        for key in () if config.presets else OPTIONS:
            field = config.model_fields.get(key)
            values = get_args(field.annotation) if field else ()
            yield from ({"name": name, key: value} for value in values if field and value != field.default)


def _counts(signature: Signature, classes: int | None) -> list[int]:
    """Return the numbers of labels that the file may have been made for."""
    if classes is not None:
        return [classes]
    axes = {axis for tensor in signature.outputs.values() for axis in tensor.shape if isinstance(axis, int)}
    derived = {axis - beside for axis in axes for beside in BESIDE_CLASSES}
    possible = sorted(count for count in derived if 0 < count <= MAX_CLASSES and count not in USUAL_CLASSES)
    return [*USUAL_CLASSES, *possible[:MAX_COUNTS]]


def _fault(section: Mapping[str, Any], signature: Signature, canvas: Mapping[str, Any], classes: int) -> str | None:
    """Return why a family cannot read the file; None: it can."""
    config: type[FamilySection] = FAMILY_CONFIGS[section["name"]]
    input_defaults, output_defaults = config.defaults_for(section)
    try:
        spec = Spec(
            config.model_validate(section),
            InputConfig.model_validate({**input_defaults, **_input_of(section, canvas)}),
            OutputConfig.model_validate(output_defaults),
            ("class",) * (classes if config.has_labels else 0),
            signature,
        )
        FAMILIES[section["name"]](spec)
    except ModelConfigError as error:
        return str(error)
    except ValidationError:
        return "expected a preset, or more keys in the section family: docs/families.md"
    return None


def finds_outputs_by_name(section: Mapping[str, Any], signature: Signature) -> bool:
    """Return whether a layout names all outputs that it reads, and the file has them."""
    config = FAMILY_CONFIGS[section["name"]]
    preset = config.presets.get(section.get("preset", ""))
    outputs = preset.section.get("outputs", {}) if preset else {}
    return config.finds_outputs_by_name or (bool(outputs) and all(key in signature.outputs for key in outputs))


def _generality(section: Mapping[str, Any], signature: Signature) -> tuple[bool, bool, bool]:
    """Return what sorts the layouts that only few files have before those that many have."""
    is_loose = "activation" in section or section.get("task") == "pose"
    fits_many = FAMILY_CONFIGS[section["name"]].fits_many_files
    return fits_many, not finds_outputs_by_name(section, signature), is_loose
