"""Out-of-distribution pictures: pictures of none of a run's classes, to measure how many are called unknown."""

from dataclasses import dataclass

from skysort.core.errors import NotUnderstoodError
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape


@dataclass(frozen=True)
class OodPictures:
    """Pictures of none of the classes."""

    source: str
    """A name, or an absolute path."""
    dataset: Dataset
    rows: Indices
    """Of the dataset's listing: its test split if it has one, else all."""


def open_ood(data: Data, classes: tuple[str, ...], shape: Shape, progress: Progress) -> OodPictures:
    """Find and decode out-of-distribution pictures.

    Args:
        data: as it was understood.
        classes: that none of them may be of.
        shape: to decode them to.
        progress: where to say how far it is.

    Raises:
        NotUnderstoodError: when one of the classes is in it.
        SkysortError: when it cannot be read.
    """
    dataset = open_dataset(data, shape, progress)
    for name in dataset.listing.classes:
        if name in classes:
            raise NotUnderstoodError(
                "overlapping-classes",
                f"{data.name} has pictures of class '{name}', which the classifier learns; out-of-distribution"
                " pictures are of none of its classes. Name others with --ood",
            )
    return OodPictures(data.name, dataset, dataset.rows_of_test())
