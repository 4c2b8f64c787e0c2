"""MNIST's file format, IDX, plain or gzipped.

A file holds two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a big-endian
32-bit integer, and then the data. Source: the format's description on MNIST's page,
http://yann.lecun.com/exdb/mnist/
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.data.listing import Listing, numbered_listing
from skysort.data.sources.base import PixelSource, Reader

_NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
UNSIGNED_BYTE = 8


def idx_source(folder: Path, classes: tuple[str, ...]) -> PixelSource:
    """Return the source for a folder of MNIST's four files."""
    files = tuple(_find(folder, name) for name in _NAMES)

    def load() -> tuple[Listing, Reader]:
        train, train_labels, test, test_labels = (read_idx(file) for file in files)
        for file, pictures, labels in ((files[0], train, train_labels), (files[2], test, test_labels)):
            if pictures.ndim != 3 or labels.shape != pictures.shape[:1] or labels.max() >= len(classes):
                raise SkysortError(
                    "damaged-data",
                    f"{file}: pictures of shape {pictures.shape} do not fit labels of shape {labels.shape}"
                    f" up to {labels.max()}",
                )
        all_labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
        num_training = len(train)
        listing = numbered_listing(all_labels, classes, num_training)
        return listing, lambda row: train[row] if row < num_training else test[row - num_training]

    return PixelSource(f"idx {folder.resolve()}", files, load)


def _find(folder: Path, name: str) -> Path:
    for file in (folder / f"{name}-ubyte", folder / f"{name}-ubyte.gz"):
        if file.is_file():
            return file
    raise SkysortError("missing-data", f"{folder} lacks {name}-ubyte or {name}-ubyte.gz")


def read_idx(file: Path) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes.

    Raises:
        SkysortError: if it is not such a file, or is incomplete.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        zeros, kind, num_dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{num_dimensions}I", content, 4)
    except (EOFError, zlib.error, struct.error, gzip.BadGzipFile):
        raise damaged("damaged-data", file, "it is not an IDX file") from None
    except OSError as error:
        raise damaged("damaged-data", file, error) from None
    body = np.frombuffer(content, np.uint8, offset=4 + 4 * num_dimensions)
    if zeros or kind != UNSIGNED_BYTE or num_dimensions not in (1, 3) or len(body) != prod(shape) or not len(body):
        why = f"it is no whole IDX file of bytes: type {kind}, shape {shape}, {len(body):,} bytes of data"
        raise damaged("damaged-data", file, why)
    return body.reshape(shape)
