"""Answered pictures that are added to those of a run: corrections to learn from, and audited pictures.

The run's own pictures keep their splits. Corrections join the training split. Audited pictures were drawn at
random from those that came, and the run's own were not. So they join no split: they calibrate and test apart.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.progress import Progress
from skysort.data.cut import SPLITS
from skysort.data.dataset import Dataset
from skysort.data.decode import Shape
from skysort.data.listing import Listing, natural
from skysort.data.sources.base import Reader, Source
from skysort.data.sources.csv_table import TableSource
from skysort.data.sources.several import merge_repeated
from skysort.data.store import digest, open_store

Indices = NDArray[np.int64]

FOLDER, TABLE = "answers", "answers.csv"
AUDITED = ("calibration", "test")
"""The use of an audited picture."""
OWN, ADDED = 0, 1
"""Origins of pictures in a joined listing."""


@dataclass(frozen=True)
class Additions:
    """Pictures that are added to those of a run."""

    folder: Path
    """Holds the pictures and answers.csv, with the columns path,label,split: train, calibration or test."""
    splits: Mapping[str, str]
    """Split of each of the run's own readable pictures, by its path."""


@dataclass(frozen=True)
class JoinedPictures:
    """The pictures of a run and the added ones."""

    dataset: Dataset
    is_added: NDArray[np.bool_]
    """(N,) whether each picture of the listing was added."""
    parts: NDArray[np.str_]
    """(N,) the split of each: that of the run's own pictures, and for added ones that in answers.csv."""

    def splits(self, groups: Indices) -> dict[str, Indices]:
        """Return the sorted rows per split of the run's own pictures and of the corrections.

        Args:
            groups: (N,) numbers; -1 for unreadable pictures, which are in no split.
        """
        is_in_split = (groups >= 0) & ~(self.is_added & (self.parts != "train"))
        rows = {name: np.flatnonzero(is_in_split & (self.parts == name)) for name in SPLITS}
        return {name: of_split for name, of_split in rows.items() if len(of_split)}

    def audited(self, groups: Indices) -> dict[str, Indices]:
        """Return the sorted rows of the readable audited pictures that calibrate, and of those that test."""
        is_readable = self.is_added & (groups >= 0)
        return {part: np.flatnonzero(is_readable & (self.parts == part)) for part in AUDITED}


@dataclass(frozen=True)
class _JoinedSource:
    """The pictures of a dataset, and added ones after them."""

    own: Source
    listing: Listing
    """Of the dataset, whose pictures may be a part of the source's."""
    rows: Indices
    """Row of each of them in the source."""
    added: TableSource

    @property
    def identity(self) -> str:
        """That of the dataset's source, its classes, and the content of answers.csv, wherever that file is."""
        content = self.added.path.read_text("utf-8", "surrogateescape")
        return f"{self.own.identity}\nclasses {self.listing.classes}\nwith {digest(content)}"

    def stamp(self) -> str:
        """Return that of the dataset's source, and the sizes of the added pictures."""
        sizes = sorted(f"{file.name} {file.stat().st_size}" for file in self.added.path.parent.iterdir())
        return "\n".join((self.own.stamp(), *sizes))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the joined listing and a reader of the pictures, which works inside the context."""
        with self.own.opened() as (_, read_own), self.added.opened() as (added, read_added):
            num = len(self.listing)
            yield (
                _joined(self.listing, added),
                lambda row: read_own(int(self.rows[row])) if row < num else read_added(row - num),
            )


def _joined(own: Listing, added: Listing) -> Listing:
    """Return both listings as one. New classes come last, so that those of the run keep their numbers."""
    new = sorted(set(added.classes) - set(own.classes), key=natural)
    classes = (*own.classes, *new)
    number = np.array([classes.index(name) for name in added.classes], np.int64)
    return replace(
        own,
        paths=(*own.paths, *(f"{FOLDER}/{path}" for path in added.paths)),
        labels=np.concatenate([own.labels, number[added.labels]]),
        classes=classes,
        splits=(*own.splits, *added.splits),
        groups=None if own.groups is None else (*own.groups, *("" for _ in added.paths)),
        remarks=(),
        origins=(*(OWN for _ in own.paths), *(ADDED for _ in added.paths)),
    )


def with_additions(own: Dataset, additions: Additions, shape: Shape, progress: Progress) -> JoinedPictures:
    """Return a run's pictures with those that are added.

    A correction that equals one of the run's own pictures gives it a new label, and counts once.

    Raises:
        SkysortError: when answers.csv is missing or damaged, or the cache cannot be written.
    """
    table = TableSource(additions.folder / TABLE)
    source = _JoinedSource(own.source, own.listing, own.rows, table)
    store = open_store(source, shape, progress)
    equal = np.where(store.positions >= 0, store.first_equal[store.positions], -1)
    declared, is_added = np.array(store.listing.splits), np.array(store.listing.origins) == ADDED
    listing, rows = merge_repeated(store.listing, np.where(is_added & np.isin(declared, AUDITED), -1, equal))
    for remark in listing.remarks:
        progress.say(remark)
    is_added, declared = is_added[rows], declared[rows]
    own_parts = [additions.splits.get(path, "") for path in listing.paths]
    splits = tuple(np.where(is_added, "", np.array(listing.splits)).tolist())
    dataset = Dataset(replace(listing, splits=splits), rows, store, source)
    return JoinedPictures(dataset, is_added, np.where(is_added, declared, own_parts))
