"""CIFAR-10 in the two published formats: binary records, and pickles.

Both hold 10,000 pictures per file. A picture is a label and 3,072 bytes: red, green and blue, row by row.
Source: the data set's own description, https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels
from skysort.data.listing import Listing, numbered_listing
from skysort.data.sources.base import PixelSource, Reader

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE
Records = tuple[NDArray[np.int64], Pixels]
"""(N,) labels and (N, 3072) uint8 pixels."""


# The errors that a damaged pickle, or one with other content, can raise.
_BROKEN = (
    pickle.UnpicklingError, OSError, LookupError, TypeError, ValueError, EOFError, AttributeError, ArithmeticError,
    MemoryError, Warning,
)  # fmt: skip


def binary_source(folder: Path) -> PixelSource:
    """Return the source for `cifar-10-batches-bin`: `data_batch_1.bin` to 5 and `test_batch.bin`."""
    return _source(folder, ".bin", _binary_records)


def pickled_source(folder: Path) -> PixelSource:
    """Return the source for `cifar-10-batches-py`, torchvision's folder: the same names without an ending."""
    return _source(folder, "", _pickled_records)


def _source(folder: Path, ending: str, records: Callable[[Path], Records]) -> PixelSource:
    training = tuple(folder / f"data_batch_{number}{ending}" for number in range(1, 6))
    files = (*training, folder / f"test_batch{ending}")
    for file in files:
        if not file.is_file():
            raise SkysortError("missing-data", f"{folder} lacks {file.name}")

    def load() -> tuple[Listing, Reader]:
        loaded = [records(file) for file in files]
        labels = np.concatenate([labels for labels, _ in loaded])
        pixels = np.concatenate([pixels for _, pixels in loaded]).reshape(-1, 3, SIDE, SIDE)
        num_training = sum(len(labels) for labels, _ in loaded[:-1])
        return numbered_listing(labels, CLASSES, num_training), lambda row: pixels[row].transpose(1, 2, 0)

    return PixelSource(f"cifar10 {folder.resolve()}", files, load)


def _binary_records(file: Path) -> Records:
    try:
        content = np.fromfile(file, np.uint8)
    except OSError as error:
        raise SkysortError("system", f"cannot read {file}: {error.strerror or error}") from None
    if len(content) % (1 + PIXEL_BYTES) or not len(content):
        why = f"it has {len(content):,} bytes; expected a multiple of {1 + PIXEL_BYTES:,}"
        raise damaged("damaged-data", file, why)
    records = content.reshape(-1, 1 + PIXEL_BYTES)
    return _checked(file, records[:, 0].astype(np.int64), records[:, 1:])


def _pickled_records(file: Path) -> Records:
    try:
        with warnings.catch_warnings(action="error"):  # numpy warns about content that no such file has
            content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
            return _checked(file, np.array(content[b"labels"], np.int64), np.asarray(content[b"data"]))
    except _BROKEN as error:
        raise damaged("damaged-data", file, f"it is no CIFAR-10 batch: {error}") from None


def _checked(file: Path, labels: NDArray[np.int64], pixels: NDArray[Any]) -> Records:
    shape = (len(labels), PIXEL_BYTES)
    if pixels.shape != shape or pixels.dtype != np.uint8:
        why = f"expected {shape} uint8 pixels, found {pixels.shape} {pixels.dtype}"
        raise damaged("damaged-data", file, why)
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise damaged("damaged-data", file, f"expected labels 0 to 9, found {labels.min()} to {labels.max()}")
    return labels, pixels


class _ArraysOnly(pickle.Unpickler):
    """Loads only numpy arrays and plain containers, and refuses everything else that a pickle could call."""

    _ADMITTED = frozenset({("numpy", "ndarray"), ("numpy", "dtype")})

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a name, if building an array needs it."""
        if (module, name) in self._ADMITTED:
            return super().find_class(module, name)
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }:
            # Its module differs between numpy versions; its behaviour does not.
            return np.empty(0).__reduce__()[0]
        if (module, name) in {
            ("numpy.core.numeric", "_frombuffer"),
            ("numpy._core.numeric", "_frombuffer"),
        }:
            return np.empty(0).__reduce_ex__(5)[0]
        raise pickle.UnpicklingError(f"it calls {module}.{name}, and only arrays are allowed")
