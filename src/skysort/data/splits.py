"""A run's pictures: found, decoded and cut into splits, and what data.json says of them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from skysort.core.models import FrozenModel
from skysort.core.progress import Progress
from skysort.data.cut import Indices, cut
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.exif import median_size
from skysort.data.ood import OodPictures, open_ood
from skysort.data.quality.grouping import groups_of
from skysort.recipe.sections import Normalisation, Pictures

NUM_LEFT_OUT_NAMED = 50
Source = Annotated[str, Field(min_length=1)]


class Unreadable(FrozenModel):
    """A picture that could not be read."""

    path: str
    reason: str


class LeftOut(FrozenModel):
    """Files that are no pictures or have no label, and empty folders."""

    files: int
    """How many."""
    first: tuple[str, ...]
    """Paths of the first of them."""


class OodTable(FrozenModel):
    """Pictures of none of the classes."""

    source: Source
    """A name, or an absolute path."""
    fingerprint: str


class DataTable(FrozenModel):
    """data.json: what a run learned from."""

    format: Literal[1] = 1
    source: Source | Annotated[tuple[Source, ...], Field(min_length=2)]
    """A name or an absolute path; several absolute paths of one data set."""
    fingerprint: str
    """Digest of all that training sees."""
    split_digest: str
    """Digest of which picture is in which part."""
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    """Readable pictures by part and class."""
    unreadable: tuple[Unreadable, ...] = ()
    left_out: LeftOut
    ood: OodTable | None = None
    groups_digest: str
    """Digest of which pictures are not independent."""
    data_dir: str | None = None
    """Where named data was looked for, if that was said."""


MUCH_LARGER = 3
"""Times the size that a network sees."""
MOST_TRAINING_PICTURES = 2000
"""Of those trained on that are measured again: more would tell little, and take long."""


@dataclass(frozen=True)
class PreparedData:
    """Pictures, decoded and cut into splits."""

    data: Data
    shape: Shape
    dataset: Dataset
    groups: Indices
    """(N,) numbers that are equal for pictures kept together in one split; -1 for unreadable ones."""
    splits: dict[str, Indices]
    """Rows of the dataset's listing."""
    ood: OodPictures | None = None
    """Pictures of none of the classes, to measure on."""

    def measured(self, *, all_of_train: bool) -> dict[str, Indices]:
        """Return the rows that figures are of: all of each split, but a share of train unless all is asked."""
        most = len(self.splits["train"]) if all_of_train else MOST_TRAINING_PICTURES
        return {**self.splits, "train": evenly(self.splits["train"], most)}

    def leaks(self, split: str) -> Indices:
        """Return the rows of a split of which an earlier split has the like.

        Alike are equal pictures, near-duplicates, also where the recipe parts them, and those of one group, with
        all that are of a group with one of these. The parts are used in their order: what train and validation
        have tells nothing new in calibration.
        """
        names = list(self.splits)
        rows, earlier = (
            self.splits[split],
            np.concatenate([self.splits[name] for name in names[: names.index(split)]]),
        )
        near = self.dataset.near()
        is_alike = np.isin(near[rows], near[earlier]) | np.isin(self.groups[rows], self.groups[earlier])
        return rows[np.isin(self.groups[rows], self.groups[rows[is_alike]])]

    def unreadable_of(self, split: str) -> Indices:
        """Return the rows that could not be read of what the data itself declares to be a part."""
        declared = self.dataset.listing.splits
        if split == "test" and split not in declared and "validation" not in self.splits:
            split = "validation"  # which is held out, and all that is
        return np.array([row for row in sorted(self.dataset.unreadable) if declared[row] == split], np.int64)

    def to_calibrate(self) -> Indices:
        """Return the rows of the calibration split that thresholds are set by: all but its leaks."""
        return np.setdiff1d(self.splits["calibration"], self.leaks("calibration"))

    def described(self) -> DataTable:
        """Return what data.json holds."""
        listing = self.dataset.listing
        digest, of_groups = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        counts = {}
        for split, rows in self.splits.items():
            digest.update(split.encode() + rows.astype("<i8").tobytes())
            of_groups.update(split.encode() + self.groups[rows].astype("<i8").tobytes())
            numbers = np.bincount(listing.labels[rows], minlength=len(listing.classes))
            counts[split] = dict(zip(listing.classes, numbers.tolist(), strict=True))
        unreadable = self.dataset.unreadable.items()
        ood = self.ood and OodTable(source=self.ood.source, fingerprint=self.ood.dataset.fingerprint())
        return DataTable(
            source=self.data.source,
            fingerprint=self.dataset.fingerprint(),
            split_digest=digest.hexdigest(),
            classes=listing.classes,
            counts=counts,
            unreadable=tuple(Unreadable(path=listing.paths[row], reason=reason) for row, reason in unreadable),
            left_out=LeftOut(files=len(listing.left_out), first=listing.left_out[:NUM_LEFT_OUT_NAMED]),
            ood=ood,
            groups_digest=of_groups.hexdigest(),
            data_dir=None if self.data.data_dir is None else str(self.data.data_dir.absolute()),
        )

    def normalisation(self, normalise: str | Normalisation) -> Normalisation:
        """Return the figures that a recipe's `normalise` stands for."""
        if isinstance(normalise, Normalisation):
            return normalise
        if normalise == "data":
            mean, std = self.dataset.mean_and_std(self._rows_for_statistics())
            return Normalisation(mean=mean, std=std)
        mean_and_std = {"half": (0.5, 0.5), "none": (0.0, 1.0)}[normalise]
        mean, std = ((figure,) * self.shape.channels for figure in mean_and_std)
        return Normalisation(mean=mean, std=std)

    def _rows_for_statistics(self) -> Indices:
        """Return the store's rows whose mean and standard deviation normalise pictures.

        They are the training pictures; of classes taken out of a larger set, that set's, as the tutorials
        have it, less those that this run keeps to measure with.
        """
        rows = self.dataset.rows
        if self.data.named is None or self.data.named.classes is None:
            return rows[self.splits["train"]]
        training = np.flatnonzero(np.array(self.dataset.store.listing.splits) == "train")
        kept = [rows[numbers] for split, numbers in self.splits.items() if split != "train"]
        return np.setdiff1d(training, np.concatenate(kept))


def prepare(data: Data, pictures: Pictures, progress: Progress, ood: Data | None = None) -> PreparedData:
    """Find, decode and cut what a person named.

    Args:
        data: as it was understood.
        pictures: of a resolved recipe, so that the protocol is set.
        progress: where to say how far it is.
        ood: pictures of none of the classes.

    Raises:
        NotUnderstoodError: when out-of-distribution pictures are of one of the classes.
        SkysortError: when it is not there, cannot be read, or cannot be cut.
    """
    if pictures.protocol is None:
        raise ValueError("expected a resolved recipe, found one without a protocol")
    shape = data.shape(pictures.size, pictures.channels, pictures.resize)
    dataset = open_dataset(data, shape, progress, pictures.label_by)
    groups = groups_of(dataset, pictures, progress)
    splits = cut(dataset.listing, groups, pictures.protocol, pictures.seed, pictures.percentages)
    prepared = PreparedData(data, shape, dataset, groups, splits)
    if ood is None:
        return prepared
    classes = dataset.listing.classes
    return replace(prepared, ood=open_ood(ood, classes, shape, progress))


def smaller_than_they_are(prepared: PreparedData) -> str | None:
    """Return what to say where a network sees pictures at much less than their own size, else None."""
    size = prepared.shape.size
    median = median_size(prepared.dataset.source)
    if median is None or min(median) < MUCH_LARGER * size:
        return None
    width, height = median
    return (
        f"pictures are {width}x{height} in the median, and the network sees them at {size}x{size}; --set"
        f" pictures.size={2 * size} or more shows it finer marks, and takes longer"
    )


def evenly(rows: Indices, num: int) -> Indices:
    """Return at most `num` of (N,) rows, evenly apart."""
    chosen: Indices = rows[np.linspace(0, len(rows) - 1, min(num, len(rows))).astype(np.int64)]
    return chosen
