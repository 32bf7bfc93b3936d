"""What makes a model's answer doubtful: `framehook check` says it, so that a wrong model.yaml does not pass."""

from collections.abc import Iterator, Sequence

from models.fitting.neighbours import are_tiny, better_neighbours, results_of
from models.frame import Frame
from models.repository.config import ExpectedResult
from models.repository.folder import ModelFolder
from models.runtime.loading import LoadedModel

MAX_NAMED = 3
"""Most neighbouring settings that are named."""


def doubts_about(
    folder: ModelFolder, loaded: LoadedModel, frame: Frame, expected: Sequence[ExpectedResult]
) -> Iterator[str]:
    """Yield a sentence for each thing that looks wrong about what a model finds in a picture.

    `expected`: what a golden picture must show.
    """
    results = results_of(folder, loaded.session, frame)
    if results.dropped:
        yield (
            f"{results.dropped} candidate(s) were left out: not finite, without a label, or with a box that is empty "
            "or outside the picture. Is this the family of the file, and are its columns in this order?"
        )
    elif not results.count:
        yield "nothing was found, however unsure. Does the picture show what the model was trained for?"
    if are_tiny(results):
        yield "all boxes are tiny: the file may give shares of the canvas where the family reads pixels."
    for better in better_neighbours(folder, loaded.session, frame, expected)[:MAX_NAMED]:
        closer = "comes closer to the expected results" if expected else "is clearly surer of this picture"
        yield f"it {closer} with {better.words}."
