"""Reads the weights of a published file in PyTorch's older stream format, and runs no code from it.

The format is four pickles in a row (a magic number, a version, a description of the computer, the tensors by
name), a list of storages, and each storage as its number of elements and its bytes.

Source: `_legacy_load` in torch/serialization.py. `torch.load(weights_only=True)` is the oracle in the tests.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VERSION = 1001
_STORAGES: dict[str, str] = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
Tensors = Mapping[str, NDArray[Any]]


class _Storage(NamedTuple):
    key: str
    dtype: str
    num_elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_rest: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _TensorsOnly(pickle.Unpickler):
    """Knows an ordered dict, tensors and their storages. Any other name in the pickle is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, num_elements, view = pid
        if kind != "storage" or view is not None or dtype not in _STORAGES.values():
            raise pickle.UnpicklingError("it holds a storage of an unknown kind")
        return _Storage(str(key), dtype, int(num_elements))


def read_pickled_weights(path: Path) -> Tensors:
    """Return the tensors of a file by name.

    Args:
        path: a file that `torch.save` wrote up to PyTorch 1.5, on a little-endian computer.

    Raises:
        SkysortError: when the file is cut short, damaged, of another format, or holds anything but tensors.
    """
    try:
        with io.BytesIO(path.read_bytes()) as file:
            heading = [_TensorsOnly(file).load() for _ in range(3)]
            if heading[:2] != [MAGIC_NUMBER, VERSION] or not heading[2].get("little_endian"):
                raise ValueError("it is not in PyTorch's older stream format")
            tensors = _TensorsOnly(file).load()
            keys = _TensorsOnly(file).load()
            storages = _read_storages(file, keys, tensors)
        return {name: _array(tensor, storages) for name, tensor in tensors.items()}
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises errors of many kinds
        raise SkysortError(
            "damaged-backbone", f"{path} cannot be read as published weights: {str(error) or type(error).__name__}"
        ) from None


def _read_storages(file: io.BytesIO, keys: list[str], tensors: Mapping[str, _Tensor]) -> dict[str, NDArray[Any]]:
    expected = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in keys:
        storage = expected[key]
        num_elements = int.from_bytes(file.read(8), "little")
        content = file.read(num_elements * np.dtype(storage.dtype).itemsize)
        if num_elements != storage.num_elements or len(content) != num_elements * np.dtype(storage.dtype).itemsize:
            raise ValueError("it is cut short")
        storages[key] = np.frombuffer(content, storage.dtype)
    return storages


def _array(tensor: _Tensor, storages: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return a tensor as an array of its own."""
    elements = storages[tensor.storage.key]
    last = tensor.offset + sum(
        (num - 1) * stride for num, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min(tensor.offset, *tensor.shape, *tensor.strides, 0) < 0 or last >= len(elements):
        raise ValueError("it holds a tensor that reaches beyond its storage")
    strides = [stride * elements.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)
    return np.ascontiguousarray(view)
