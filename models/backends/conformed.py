"""Files whose numbers have other types than the families read, or whose picture has no batch axis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.backends.runnable import Runnable
from models.families import Feeds, Outputs, Signature, Tensor
from models.scheduling.deadlines import Limit

READ_AS = {"float16": "float32", "float64": "float32", "int8": "int64", "int16": "int64", "int32": "int64"}
"""Types in files → the type that families feed and read."""
PICTURE_AXES = 3
"""Of a picture without a batch."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """Weights that are fed and read as the families expect: float32 and int64, with a batch axis. Thread-safe.

    `signature`: as the families see it. `file`: the types in the file, by name. `lacks_batch`: whether the file takes
    one picture without a batch axis.
    """

    session: Runnable
    signature: Signature
    file: Mapping[str, str]
    lacks_batch: bool

    def run(self, feeds: Feeds, watchdog: Limit | None = None) -> Outputs:
        """Run the weights once; raises InferenceError and InferenceTimeoutError. Types as they are cost nothing."""
        given = {name: np.asarray(value, self.file[name]) for name, value in feeds.items()}
        if self.lacks_batch:
            given = {name: value[0] for name, value in given.items()}
        outputs = self.session.run(given, watchdog)
        wanted = self.signature.outputs
        read = {name: _as(value, wanted[name].dtype) for name, value in outputs.items()}
        return {name: value[None] for name, value in read.items()} if self.lacks_batch else read


def conformed(session: Runnable) -> Runnable:
    """Return weights that the families can feed and read: the session itself if its file is as they expect."""
    file = session.signature
    lacks_batch = [len(tensor.shape) for tensor in file.inputs.values()] == [PICTURE_AXES]
    signature = Signature(
        {name: _seen(tensor, lacks_batch=lacks_batch) for name, tensor in file.inputs.items()},
        {name: _seen(tensor, lacks_batch=lacks_batch) for name, tensor in file.outputs.items()},
    )
    if signature == file:
        return session
    return Conformed(session, signature, {name: tensor.dtype for name, tensor in file.inputs.items()}, lacks_batch)


def _seen(tensor: Tensor, *, lacks_batch: bool) -> Tensor:
    shape = (1, *tensor.shape) if lacks_batch else tensor.shape
    return replace(tensor, dtype=READ_AS.get(tensor.dtype, tensor.dtype), shape=shape)


def _as(value: np.ndarray, dtype: str) -> np.ndarray:
    """Return an output in the type that families read; what is no number as it is."""
    return value.astype(dtype, copy=False) if dtype in READ_AS.values() else value
