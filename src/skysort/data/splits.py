"""A run's pictures, decoded and cut into splits, and their description in data.json."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from skysort.core.models import FrozenModel
from skysort.core.progress import Progress
from skysort.data.additions import Additions, with_additions
from skysort.data.cut import Indices, cut, protocol_for
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.exif import median_size
from skysort.data.ood import OodPictures, open_ood
from skysort.data.quality.grouping import groups_of
from skysort.recipe.sections import Normalisation, Pictures, Protocol

NUM_LEFT_OUT_NAMED = 50
Source = Annotated[str, Field(min_length=1)]


class Unreadable(FrozenModel):
    """A picture that could not be read."""

    path: str
    reason: str


class LeftOutFiles(FrozenModel):
    """Files that are not pictures or have no label, and empty folders."""

    files: int
    """Number of files and folders."""
    first: tuple[str, ...]
    """Paths of the first ones."""


class OodTable(FrozenModel):
    """The out-of-distribution pictures."""

    source: Source
    """Name of a built-in data set, or an absolute path."""
    fingerprint: str


class DataTable(FrozenModel):
    """The content of data.json: the data that a run learned from."""

    format: Literal[1] = 1
    source: Source | Annotated[tuple[Source, ...], Field(min_length=2)]
    """Name of a built-in data set, an absolute path, or several absolute paths of one data set."""
    fingerprint: str
    """Digest of everything that training sees."""
    split_digest: str
    """Digest of the split of each picture."""
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    """Number of readable pictures per split and class."""
    unreadable: tuple[Unreadable, ...] = ()
    left_out: LeftOutFiles
    ood: OodTable | None = None
    groups_digest: str
    """Digest of the groups of the pictures."""
    data_dir: str | None = None
    """Folder of built-in data sets, if it was given."""


MUCH_LARGER = 3
"""Skysort gives advice if pictures are this many times larger than the size that the network sees."""
MOST_TRAINING_PICTURES = 2000
"""Number of training pictures that are measured after training. More would add little and take long."""


@dataclass(frozen=True)
class PreparedData:
    """Pictures, decoded and cut into splits."""

    data: Data
    shape: Shape
    dataset: Dataset
    groups: Indices
    """(N,) numbers that are equal for pictures of one group, which stay in one split; -1 for unreadable ones."""
    splits: dict[str, Indices]
    """Rows of the dataset's listing, per split."""
    protocol: Protocol
    """How they were cut."""
    ood: OodPictures | None = None
    """Out-of-distribution pictures, if there are any."""
    audited: Mapping[str, Indices] = field(default_factory=dict)
    """Rows of audited pictures, which are in no split, by what they are for: `calibration` or `test`."""

    def measured(self, *, all_of_train: bool) -> dict[str, Indices]:
        """Return the rows to measure on, per split: all of them, but only a sample of train unless
        `all_of_train`."""
        most = len(self.splits["train"]) if all_of_train else MOST_TRAINING_PICTURES
        return {**self.splits, "train": evenly_spaced(self.splits["train"], most)}

    def rows_of(self, splits: Sequence[str]) -> Indices:
        """Return the sorted rows of those of some splits that there are."""
        return np.sort(np.concatenate([self.splits[split] for split in splits if split in self.splits]))

    def leaks(self, split: str) -> Indices:
        """Return the rows of a split that leak: an earlier split has an identical picture or one like it.

        Leaks are identical pictures, near-duplicates (even if the recipe lets splits part them), pictures of one
        group, and all pictures in a group with one of these. The order of the splits counts: a picture that train
        or validation already has is no new evidence in calibration.
        """
        names = list(self.splits)
        if split not in names[1:]:  # with folds there is one split, so nothing leaks into another
            return np.empty(0, np.int64)
        return self._leaks(self.splits[split], self.rows_of(names[: names.index(split)]))

    def audited_to_use(self, part: str) -> Indices:
        """Return the rows of audited pictures that calibrate, or that test, without leaks.

        Leaks are as in `leaks`: into train and validation, and of test pictures also into those that calibrate.
        """
        rows, earlier = self.audited[part], self.rows_of(("train", "validation"))
        if part == "test":
            earlier = np.union1d(earlier, self.audited["calibration"])
        return np.setdiff1d(rows, self._leaks(rows, earlier))

    def _leaks(self, rows: Indices, earlier: Indices) -> Indices:
        near = self.dataset.near()
        is_leak = np.isin(near[rows], near[earlier]) | np.isin(self.groups[rows], self.groups[earlier])
        return rows[np.isin(self.groups[rows], self.groups[rows[is_leak]])]

    def unreadable_of(self, split: str) -> Indices:
        """Return the rows of unreadable pictures that the data declares to be in a split."""
        declared = self.dataset.listing.splits
        if split == "test" and split not in declared and "validation" not in self.splits:
            split = "validation"  # the only split that the data holds out
        return np.array([row for row in sorted(self.dataset.unreadable) if declared[row] == split], np.int64)

    def to_calibrate(self) -> Indices:
        """Return the rows of the calibration split that set thresholds: all except its leaks."""
        return np.setdiff1d(self.splits["calibration"], self.leaks("calibration"))

    def described(self) -> DataTable:
        """Return the content of data.json."""
        listing = self.dataset.listing
        split_digest, groups_digest = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        counts = {}
        for split, rows in self.splits.items():
            split_digest.update(split.encode() + rows.astype("<i8").tobytes())
            groups_digest.update(split.encode() + self.groups[rows].astype("<i8").tobytes())
            numbers = np.bincount(listing.labels[rows], minlength=len(listing.classes))
            counts[split] = dict(zip(listing.classes, numbers.tolist(), strict=True))
        unreadable = self.dataset.unreadable.items()
        ood = self.ood and OodTable(source=self.ood.source, fingerprint=self.ood.dataset.fingerprint())
        return DataTable(
            source=self.data.source,
            fingerprint=self.dataset.fingerprint(),
            split_digest=split_digest.hexdigest(),
            classes=listing.classes,
            counts=counts,
            unreadable=tuple(Unreadable(path=listing.paths[row], reason=reason) for row, reason in unreadable),
            left_out=LeftOutFiles(files=len(listing.left_out), first=listing.left_out[:NUM_LEFT_OUT_NAMED]),
            ood=ood,
            groups_digest=groups_digest.hexdigest(),
            data_dir=None if self.data.data_dir is None else str(self.data.data_dir.absolute()),
        )

    def normalisation(self, normalise: str | Normalisation) -> Normalisation:
        """Return the mean and standard deviation that a recipe's `normalise` stands for."""
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

        They are the training pictures. If the classes are part of a larger data set, they are the training
        pictures of that set, as in the tutorials, except those that this run measures on.
        """
        rows = self.dataset.rows
        if self.data.named is None or self.data.named.classes is None:
            return rows[self.splits["train"]]
        training = np.flatnonzero(np.array(self.dataset.store.listing.splits) == "train")
        held_out = [rows[numbers] for split, numbers in self.splits.items() if split != "train"]
        return np.setdiff1d(training, np.concatenate(held_out))


def prepare(
    data: Data,
    pictures: Pictures,
    progress: Progress,
    ood: Data | None = None,
    additions: Additions | None = None,
) -> PreparedData:
    """List and decode pictures, and cut them into splits.

    Args:
        data: the data that a person named.
        pictures: a section of a resolved recipe, so that the protocol is set.
        progress: receives the progress.
        ood: out-of-distribution pictures, if there are any.
        additions: answered pictures to add, and the splits of the others, which are then not cut again.

    Raises:
        NotUnderstoodError: if out-of-distribution pictures belong to one of the classes.
        SkysortError: if the data is missing, unreadable, or cannot be cut into splits.
    """
    shape = data.shape(pictures.size, pictures.channels, pictures.resize)
    dataset = open_dataset(data, shape, progress, pictures.label_by)
    joined = with_additions(dataset, additions, shape, progress) if additions else None
    dataset = joined.dataset if joined else dataset
    groups = groups_of(dataset, pictures, progress)
    protocol = pictures.protocol or protocol_for(dataset.listing, groups)
    if joined:
        splits, audited = joined.splits(groups), joined.audited(groups)
    else:
        splits, audited = cut(dataset.listing, groups, protocol, pictures.seed, pictures.percentages), {}
    prepared = PreparedData(data, shape, dataset, groups, splits, protocol, audited=audited)
    if ood is None:
        return prepared
    classes = dataset.listing.classes
    return replace(prepared, ood=open_ood(ood, classes, shape, progress))


def size_advice(prepared: PreparedData) -> str | None:
    """Return advice if pictures are much larger than the size that the network sees, else None."""
    size = prepared.shape.size
    median = median_size(prepared.dataset.source)
    if median is None or min(median) < MUCH_LARGER * size:
        return None
    width, height = median
    return (
        f"the median size of the pictures is {width}x{height}, and the network sees them at {size}x{size};"
        f" --set pictures.size={2 * size} or more shows finer details and takes longer"
    )


def evenly_spaced(rows: Indices, num: int) -> Indices:
    """Return at most `num` of (N,) rows, at even distances."""
    chosen: Indices = rows[np.linspace(0, len(rows) - 1, min(num, len(rows))).astype(np.int64)]
    return chosen
