"""The pictures that the lessons show: CIFAR-10's where it is, else drawn ones."""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.progress import Progress
from skysort.data.builtin.registry import NAMED, MissingDataError, data_folder
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Pixels, Shape

SIZE = 32
BIRDS = {"skies": 30, "cifar10": 6}
"""Which of a data set's birds appears in every lesson: one of several colours that fills its picture."""


@dataclass(frozen=True)
class LessonPictures:
    """A data set, and the pictures of it that the lessons follow."""

    name: str
    """Name of the data set."""
    dataset: Dataset
    train_rows: NDArray[np.int64]
    """(N,) rows of the training split, or of all pictures if there is no split."""
    bird: Pixels
    """(3, 32, 32) uint8: the bird that appears in every lesson."""
    reddest: Pixels
    """(3, 32, 32) uint8: the picture with the most red in it, of cars if there are any."""

    @property
    def are_photographs(self) -> bool:
        """Whether these are CIFAR-10's photographs and not drawn pictures."""
        return self.name == "cifar10"


def find_pictures(data_dir: str | PathLike[str] | None, progress: Progress) -> LessonPictures:
    """Return CIFAR-10's pictures if they are in the data folder, else those of `skies`. Nothing is downloaded.

    Raises:
        SkysortError: if the pictures cannot be read.
    """
    name = "cifar10" if _is_there("cifar10", data_dir) else "skies:1000"
    data = Data.find(name, data_dir)
    dataset = open_dataset(data, Shape(SIZE, 3, "stretch"), progress)
    listing = dataset.listing
    declared = np.array(listing.splits)
    rows = np.flatnonzero(declared == "train") if (declared == "train").any() else np.arange(len(listing))
    rows = rows[dataset.positions[rows] >= 0]

    def of_class(class_name: str) -> NDArray[np.int64]:
        return np.asarray(rows[listing.labels[rows] == listing.classes.index(class_name)])

    cars = of_class("automobile" if "automobile" in listing.classes else "airplane")
    source = name.partition(":")[0]
    bird = dataset.pixels(of_class("bird")[[BIRDS[source]]])[0]
    return LessonPictures(source, dataset, rows, bird, _largest(dataset.pixels(cars), redness))


def _is_there(name: str, data_dir: str | PathLike[str] | None) -> bool:
    try:
        NAMED[name].open(data_folder(None if data_dir is None else Path(data_dir)), SIZE)
    except MissingDataError:
        return False
    return True


def redness(pictures: Pixels) -> NDArray[np.float64]:
    """Return (N,) for (N, 3, H, W): red minus the mean of green and blue, over all pixels."""
    red, green, blue = pictures.mean(axis=(2, 3)).T
    return np.asarray(red - (green + blue) / 2)


def _largest(pictures: Pixels, measure: Callable[[Pixels], NDArray[np.float64]]) -> Pixels:
    return np.asarray(pictures[measure(pictures).argmax()])
