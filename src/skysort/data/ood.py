"""Out-of-distribution pictures: pictures of none of a run's classes, which should be called unknown."""

from dataclasses import dataclass

from skysort.core.errors import NotUnderstoodError
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape


@dataclass(frozen=True)
class OodPictures:
    """Out-of-distribution pictures, listed and decoded."""

    source: str
    """Name of a built-in data set, or an absolute path."""
    dataset: Dataset
    rows: Indices
    """Rows of the listing: the test split if there is one, else all."""


def open_ood(data: Data, classes: tuple[str, ...], shape: Shape, progress: Progress) -> OodPictures:
    """Find and decode out-of-distribution pictures.

    Args:
        data: the data that a person named.
        classes: classes that must not be in it.
        shape: size and channels of the decoded pictures.
        progress: receives the progress.

    Raises:
        NotUnderstoodError: if it has pictures of one of the classes.
        SkysortError: if it cannot be read.
    """
    dataset = open_dataset(data, shape, progress)
    for name in dataset.listing.classes:
        if name in classes:
            raise NotUnderstoodError(
                "overlapping-classes",
                f"{data.name} has pictures of class '{name}', which the classifier learns; give --ood pictures"
                " of none of its classes",
            )
    return OodPictures(data.name, dataset, dataset.rows_of_test())
