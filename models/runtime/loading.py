"""From a model's folder to a model that can answer."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from models.backends.backend import load_weights
from models.backends.batching import Batcher
from models.backends.runnable import Runnable
from models.backends.watchdog import NO_MEMORY
from models.errors import InferenceError, InferenceTimeoutError, ModelConfigError, OverloadedError
from models.families import FAMILIES, Family, Signature, Spec
from models.families.recognition import help_with
from models.frame import DecodeTarget, Frame
from models.order import Answered, FrameOrder
from models.repository.config import ThenConfig
from models.repository.folder import ModelFolder
from models.runtime.chain import Then
from models.runtime.selecting import selector_for
from models.runtime.steps import (
    Decode,
    Encode,
    FrameCodec,
    Postprocess,
    Preprocess,
    Run,
    Step,
    Work,
    milliseconds_since,
)
from models.runtime.stream_memory import StreamMemories, StreamMemory
from models.runtime.streamed import StreamedModel
from models.scheduling.deadlines import Deadlines
from models.scheduling.lanes import Lanes

MAX_CONFIDENCE = 1.01
"""What rounding may make of 1."""


class Loaded(Protocol):
    """A model that can answer, at one version, in this process or in others."""

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        ...

    def work_for(self, folder: ModelFolder, order: FrameOrder, is_alone: Callable[[], bool]) -> Any:
        """Return the work for one frame, of the kind that the workers of the model's lanes do.

        `is_alone`: returns whether no other frame is waiting or running.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that can answer, at one version: never changed, only replaced as a whole.

    `wide`: a second session that puts all cores to one frame; for when there is only one. `steps`: what is done with a
    frame; a model that was just loaded can neither decode nor encode. `watchdog`: stops a frame that takes too long.
    `chained`: the models that get its objects. `streamed`: answers frames of streams that have settings; `memories`:
    what is remembered of those streams.
    """

    family: Family
    session: Runnable
    wide: Runnable | None
    steps: tuple[Step, ...]
    watchdog: Deadlines | None = None
    chained: tuple[tuple[ThenConfig, ModelFolder, "LoadedModel"], ...] = ()
    streamed: StreamedModel | None = None
    memories: StreamMemories = field(default_factory=StreamMemories)

    def with_codec(self, codec: FrameCodec) -> "LoadedModel":
        """Return the model with steps that decode and encode as well."""
        target = self.family.picture.target
        decode = Decode(codec, target)
        then = tuple(
            Then(codec, config, folder, model.family.picture.target, model.steps)
            for config, folder, model in self.chained
        )
        streamed = StreamedModel(codec, target, decode, self.steps, then)
        return replace(self, steps=(decode, *self.steps, *then, Encode(codec)), streamed=streamed)

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        return self.session.signature

    def work_for(self, folder: ModelFolder, order: FrameOrder, is_alone: Callable[[], bool]) -> Callable[[], Answered]:
        """Return what answers one frame on the calling thread."""
        return partial(self.answer, folder, order, is_alone, time.perf_counter())

    def answer(
        self, folder: ModelFolder, order: FrameOrder, is_alone: Callable[[], bool], queued_at: float
    ) -> Answered:
        """Do all the work of one frame on the calling thread. `queued_at`: by time.perf_counter."""
        work = Work(order, folder, is_alone)
        work.stages_ms["queue"] = milliseconds_since(queued_at)
        with self.limiting(work):
            self._answer(work)
        return work.answered()

    @contextmanager
    def limiting(self, work: Work) -> Iterator[None]:
        """Let the block, all runs in it together, take no longer than one frame may."""
        with self.watchdog.shared() if self.watchdog else nullcontext() as work.deadline:
            yield

    def _answer(self, work: Work) -> None:
        order, folder = work.order, work.folder
        if order.settings is None or self.streamed is None:
            work.run(self.steps)
        else:
            remembers, settings = order.remembers, order.settings
            memory = self.memories.of(order, settings, folder.labels) if remembers else StreamMemory(settings)
            self.streamed.answer(work, selector_for(order, folder, settings), memory)


class ThreadLoader:
    """Loads models in this process, for lanes that are threads.

    `run_timeout_s`: how long a model may take over one frame. `wide_threads`: see `load_model`.
    """

    def __init__(self, codec: FrameCodec, run_timeout_s: float, wide_threads: int = 1) -> None:
        self._codec, self._wide_threads = codec, wide_threads
        self._watchdog = Deadlines(run_timeout_s)

    def load(self, folder: ModelFolder, lanes: Lanes | None = None) -> LoadedModel:  # noqa: ARG002
        """Load a model and let it answer a warm-up frame; raises ModelConfigError if it cannot."""
        return load_warm(folder, self._watchdog, self._wide_threads).with_codec(self._codec)

    def stop(self) -> None:
        """Stop the runs in progress."""
        self._watchdog.expire_all()

    def close(self) -> None:
        """End the thread that watches the runs."""
        self._watchdog.close()


def load_warm(
    folder: ModelFolder,
    watchdog: Deadlines,
    wide_threads: int = 1,
    more_frames: Callable[[ModelFolder, DecodeTarget], Iterable[Frame]] = lambda *_: (),
) -> LoadedModel:
    """Load one model, and those that get its objects, and run every session on a black frame.

    `watchdog`: stops a frame that takes too long. `more_frames`: returns frames to run as well. Raises ModelConfigError
    when a model cannot be loaded or run.
    """
    model = load_model(folder, wide_threads, watchdog)
    target = model.family.picture.target
    try:
        for frame in (flat_frame(target), *more_frames(folder, target)):
            for is_alone in (False, True) if model.wide else (False,):
                work = Work(FrameOrder(), folder, is_alone=(lambda: True) if is_alone else (lambda: False))
                work.frame = frame
                with model.limiting(work):
                    work.run(model.steps)
                refuse_impossible(work)
    except OverloadedError as error:
        raise ModelConfigError(f"{folder.weights_name}: {NO_MEMORY} on a warm-up frame.") from error
    except InferenceError as error:
        raise ModelConfigError(
            f"{folder.weights_name} failed on a warm-up frame: {error.__cause__ or error}"
        ) from error
    except InferenceTimeoutError as error:
        raise ModelConfigError(
            f"{folder.weights_name} took longer over a warm-up frame than the setting run_timeout_s, "
            f"{watchdog.limit_s:g} s."
        ) from error
    chained = (load_warm(each, watchdog, wide_threads, more_frames) for each in folder.chained)
    return replace(model, chained=tuple(zip(folder.config.then, folder.chained, chained, strict=True)))


def refuse_impossible(work: Work) -> None:
    """Raise ModelConfigError if what a model gave for a frame cannot be what its family reads."""
    highest = work.results.highest
    if highest > MAX_CONFIDENCE:
        raise ModelConfigError(
            f"{work.folder.weights_name}: a confidence is 0 to 1, but the model gave {highest:.4g}: its output holds "
            "logits. Set family.activation to softmax or sigmoid; families that lack it need the file's confidences."
        )
    numbers = [
        output for output in work.outputs.values() if isinstance(output, np.ndarray) and output.dtype.kind == "f"
    ]
    if numbers and all(output.size and np.isnan(output).all() for output in numbers):
        raise ModelConfigError(f"{work.folder.weights_name}: the model gave no numbers, only NaN, for a warm-up frame.")


def load_model(folder: ModelFolder, wide_threads: int = 1, watchdog: Deadlines | None = None) -> LoadedModel:
    """Load one model's weights and check that they fit its model.yaml; raises ModelConfigError.

    `wide_threads`: how many cores a frame gets that is alone; with no more than it gets anyway, there is no second
    session. `watchdog`: stops frames that take too long.
    """
    execution = folder.config.execution
    session = load_weights(folder, execution.threads)
    family = family_of(folder, session.signature)
    wide = None
    if execution.max_batch_size > 1:
        session = _batcher(folder, family, session)
    elif wide_threads > execution.threads and execution.providers == ("cpu",):
        wide = load_weights(folder, wide_threads)
    steps = Preprocess(family), Run(session, wide), Postprocess(family)
    return LoadedModel(family, session, wide, steps, watchdog)


def family_of(folder: ModelFolder, signature: Signature) -> Family:
    """Return what feeds and reads the weights of that signature; raises ModelConfigError when they do not fit."""
    config = folder.config
    try:
        return FAMILIES[config.family.name](Spec(config.family, config.input, config.output, folder.labels, signature))
    except ModelConfigError as error:
        hint = help_with(signature, len(folder.labels))
        raise ModelConfigError(
            f"{folder.weights_name}, family {config.family.name} with {len(folder.labels)} label(s): {error} {hint}"
        ) from error


def _batcher(folder: ModelFolder, family: Family, session: Runnable) -> Batcher:
    execution = folder.config.execution
    batcher = Batcher(session, execution.max_batch_size, execution.max_batch_delay_ms)
    try:
        frames = [flat_frame(family.picture.target, level) for level in (0, 255)]
        batcher.refuse_other_answers([family.picture.preprocess(frame)[0] for frame in frames])
    except ModelConfigError as error:
        raise ModelConfigError(f"{folder.weights_name}: {error}") from error
    return batcher


def flat_frame(target: DecodeTarget, level: int = 0) -> Frame:
    """Return a frame of the target's size, all of one grey level, 0..255."""
    width, height = target.size_wh
    return Frame(np.full((height, width, 3), level, np.uint8), "rgb", target.size_wh)
