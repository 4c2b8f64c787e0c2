"""The data that has a name: what it is, where it is looked for, and its own picture size."""

from collections.abc import Callable
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Literal

import numpy as np

from skysort.errors import NotUnderstoodError, SkysortError, require
from skysort.pictures import skies
from skysort.pictures.cifar import binary_source, pickled_source
from skysort.pictures.idx import idx_source
from skysort.pictures.listing import Listing, numbered
from skysort.pictures.sources import ArchiveSource, FolderSource, PixelSource, Reader, Source
from skysort.pictures.store import cache_folder

NUM_SKIES = 10_000
SKIES_VERSION = 1
"""One more whenever skies.draw draws otherwise, so that no cached picture outlives its drawing."""
DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip


@dataclass(frozen=True)
class NamedData:
    """A data set with a name."""

    description: str
    size: int
    """Side of its pictures in pixels, used unless a recipe sets another."""
    channels: Literal[1, 3]
    open: Callable[[Path, int], Source]
    """Takes the data folder and the picture size (for what is drawn)."""
    classes: tuple[str, ...] | None = None
    """The classes taken of a larger set, in order."""
    in_tutorials: bool = False


def data_folder(asked: Path | None) -> Path:
    """Return where named data is looked for: as asked, else $SKYSORT_DATA, else in the cache folder."""
    named = environ.get("SKYSORT_DATA")
    return asked or (Path(named) if named else cache_folder() / "data")


def _cifar10(folder: Path, _size: int) -> Source:
    for name, source in (
        ("cifar-10-batches-bin", binary_source),
        ("cifar10", FolderSource),
        ("cifar10.zip", ArchiveSource),
        ("cifar10.tar", ArchiveSource),
        ("cifar-10-batches-py", pickled_source),
    ):
        if (folder / name).exists():
            return source(folder / name)
    raise SkysortError(
        f"CIFAR-10 is not in {folder}; put cifar-10-batches-bin/ there (the binary version from"
        " https://www.cs.toronto.edu/~kriz/cifar.html, unpacked), or name the folder that has it"
        " with --data-dir or $SKYSORT_DATA"
    )


def _idx(name: str, title: str, classes: tuple[str, ...]) -> Callable[[Path, int], Source]:
    def source(folder: Path, _size: int) -> Source:
        if not (folder / name).is_dir():
            raise SkysortError(
                f"{title} is not in {folder}; put its four IDX files (train-images-idx3-ubyte.gz and so on)"
                f" into {folder / name}/, or name the folder that has {name}/ with --data-dir or $SKYSORT_DATA"
            )
        return idx_source(folder / name, classes)

    return source


def _digits(_folder: Path, _size: int) -> Source:
    def load() -> tuple[Listing, Reader]:
        require("the data set 'digits'", "train", "sklearn")
        from sklearn.datasets import load_digits

        found = load_digits()
        pixels = np.round(found.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8), from 0 … 16
        labels = found.target.astype(np.int64)
        return numbered(labels, DIGITS), lambda row: pixels[row]

    return PixelSource("digits", (), load)


def _skies(num_pictures: int) -> Callable[[Path, int], Source]:
    def source(_folder: Path, size: int) -> Source:
        if size < skies.SMALLEST:
            raise SkysortError(f"skies are drawn from {skies.SMALLEST} pixels on; pictures.size = {size}")

        def load() -> tuple[Listing, Reader]:
            labels = np.arange(num_pictures) % len(skies.CLASSES)
            return numbered(labels, skies.CLASSES), lambda row: skies.draw(row, size)

        return PixelSource(f"skies {num_pictures} drawn by version {SKIES_VERSION}", (), load)

    return source


NAMED = {
    "skies": NamedData(
        "birds and airplanes drawn by this program; skies:2000 draws so many", 32, 3, _skies(NUM_SKIES)
    ),
    "digits": NamedData("1,797 handwritten digits, 8x8, from scikit-learn", 8, 1, _digits),
    "birds-vs-airplanes": NamedData(
        "the two classes of CIFAR-10", 32, 3, _cifar10, ("airplane", "bird"), in_tutorials=True
    ),
    "cifar10": NamedData("60,000 photographs of 10 classes, 32x32", 32, 3, _cifar10, in_tutorials=True),
    "mnist": NamedData(
        "70,000 handwritten digits, 28x28", 28, 1, _idx("mnist", "MNIST", DIGITS), in_tutorials=True
    ),
    "fashion-mnist": NamedData(
        "70,000 pieces of clothing, 28x28", 28, 1, _idx("fashion-mnist", "Fashion-MNIST", FASHION)
    ),
}


def find_named(name: str) -> NamedData | None:
    """Return the data of a name, or None for what is no name of any.

    Raises:
        NotUnderstoodError: for `skies:` with no sensible number behind it.
    """
    if name.startswith("skies:"):
        number = name.removeprefix("skies:")
        if not number.isdecimal() or int(number) < 1:
            raise NotUnderstoodError(f"expected a number of pictures behind 'skies:', found '{number}'")
        every = NAMED["skies"]
        return NamedData(every.description, every.size, every.channels, _skies(int(number)))
    return NAMED.get(name)
