"""A collection: the pictures a person named, listed and decoded."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import NotUnderstoodError, suggestion
from skysort.core.files import check_not_special
from skysort.core.progress import Progress
from skysort.data.builtin.registry import NAMED, NamedData, data_folder, find_named
from skysort.data.decode import Pixels, Shape
from skysort.data.listing import Listing
from skysort.data.sources.archive import is_archive
from skysort.data.sources.base import ArchiveSource, FolderSource, Source
from skysort.data.sources.csv_table import TableSource
from skysort.data.sources.several import SeveralSources, counted_once
from skysort.data.store import Store, open_store

DEFAULT_SIZE = 32
DEFAULT_CHANNELS: Literal[3] = 3


@dataclass(frozen=True)
class Data:
    """What a person named: data with a name, or one or more paths."""

    source: str | tuple[str, ...]
    """A name or an absolute path; several absolute paths of one data set."""
    named: NamedData | None
    data_dir: Path | None = None
    """Where named data is looked for; None for $SKYSORT_DATA, else the cache folder."""

    @classmethod
    def find(cls, asked: str | Sequence[str], data_dir: str | PathLike[str] | None = None) -> "Data":
        """Understand what was asked for. A name wins over a folder so called, which `./skies` still means.

        Args:
            asked: a name or a path, or several paths of one data set, of which the later correct the earlier.
            data_dir: where named data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.

        Raises:
            NotUnderstoodError: when it is neither a name nor a path that is there.
        """
        folder = None if data_dir is None else Path(data_dir)
        if not isinstance(asked, str):
            each = [cls.find(one, folder) for one in asked]
            for one in each:
                if one.named and len(each) > 1:
                    raise NotUnderstoodError(
                        "unsupported-data",
                        f"several sources of one data set are folders, archives or .csv files;"
                        f" '{one.name}' is a name",
                    )
            return each[0] if len(each) == 1 else cls(tuple(one.name for one in each), None, folder)
        named = find_named(asked)
        if named:
            return cls(asked, named, folder)
        path = Path(asked)
        if path.exists():
            return cls(str(path.absolute()), None, folder)
        if len(path.parts) > 1 or path.suffix:
            raise NotUnderstoodError("path-not-found", f"{asked}: no such folder or file")
        raise NotUnderstoodError(
            "unknown-data-set", f"no data set and no folder '{asked}'; {suggestion(asked, NAMED)}"
        )

    @property
    def name(self) -> str:
        """The source in one text."""
        return source_name(self.source)

    def shape(
        self, size: int | None, channels: Literal[1, 3] | None, resize: Literal["stretch", "crop", "pad"]
    ) -> Shape:
        """Return the shape as a recipe sets it, else the data's own, else 32x32 RGB."""
        own_size = self.named.size if self.named else DEFAULT_SIZE
        own_channels = self.named.channels if self.named else DEFAULT_CHANNELS
        return Shape(size or own_size, channels or own_channels, resize)

    def open_source(self, shape: Shape, progress: Progress, label_by: str | None = None) -> Source:
        """Return where the pictures come from. Data with a name that is not there is downloaded.

        Raises:
            NotUnderstoodError: when `label_by` is given, and the pictures have their labels elsewhere.
        """
        if self.named:
            if label_by is not None:
                raise NotUnderstoodError(
                    "options-conflict", f"'{self.name}' has its own labels; --label-by is for folders and archives"
                )
            return self.named.open_or_download(data_folder(self.data_dir), shape.size, progress)
        if isinstance(self.source, str):
            return path_source(Path(self.source), label_by)
        # A CSV file of corrections beside a folder whose file names have the labels has its own.
        return SeveralSources(
            tuple(path_source(Path(one), None if _is_table(one) else label_by) for one in self.source)
        )


def source_name(source: str | Sequence[str]) -> str:
    """Return a source, or several, in one text."""
    return source if isinstance(source, str) else " + ".join(source)


def _is_table(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".csv"


def path_source(path: Path, label_by: str | None = None) -> FolderSource | ArchiveSource | TableSource:
    """Return the source for a folder, an archive or a CSV file.

    Raises:
        NotUnderstoodError: when it is none of these, or `label_by` is given for a CSV file.
    """
    if path.is_dir():
        return FolderSource(path, label_by)
    check_not_special(path)
    if _is_table(path):
        if label_by is not None:
            raise NotUnderstoodError(
                "options-conflict", f"{path} has a column 'label'; --label-by is for folders and archives"
            )
        return TableSource(path)
    if is_archive(path):
        return ArchiveSource(path, label_by)
    raise NotUnderstoodError(
        "unsupported-data", f"{path} is neither a folder, a zip or tar archive, nor a .csv file"
    )


@dataclass(frozen=True)
class Dataset:
    """Pictures of some classes, listed and decoded."""

    listing: Listing
    rows: NDArray[np.int64]
    """(N,) the store's row of each picture; the store may hold classes that are not asked for."""
    store: Store
    source: Source

    @property
    def positions(self) -> NDArray[np.int64]:
        """(N,) where each picture is in the store's pixels; -1 for an unreadable one."""
        return self.store.positions[self.rows]

    @property
    def unreadable(self) -> dict[int, str]:
        """Reasons by row of the listing."""
        missing = np.flatnonzero(self.positions < 0)
        return {int(row): self.store.unreadable[int(self.rows[row])] for row in missing}

    def pixels(self, rows: NDArray[np.int64]) -> Pixels:
        """Return readable pictures, (N, C, H, W) uint8, as a copy."""
        return self.store.copy(self.store.positions[self.rows[rows]])

    def equal(self) -> NDArray[np.int64]:
        """Return (N,) numbers that are equal for equal pictures; -1 for unreadable ones."""
        return self._numbered(self.store.first_equal)

    def near(self) -> NDArray[np.int64]:
        """Return (N,) numbers that are equal for equal pictures and near-duplicates; -1 for unreadable ones."""
        return self._numbered(self.store.first_near)

    def _numbered(self, first: NDArray[np.int64]) -> NDArray[np.int64]:
        positions = self.positions
        return np.where(positions >= 0, first[positions], -1)

    def rows_of_test(self) -> NDArray[np.int64]:
        """Return the rows of the test split that the data declares, or all of data that declares none."""
        declared = np.array(self.listing.splits) == "test"
        return np.flatnonzero(declared) if declared.any() else np.arange(len(declared))

    def fingerprint(self) -> str:
        """Return a digest of everything that training sees: paths, classes, parts and pixels."""
        digest = hashlib.blake2b(digest_size=16)
        text = "\0".join((*self.listing.classes, *self.listing.paths, *self.listing.splits))
        digest.update(text.encode("utf-8", "surrogateescape"))
        digest.update(self.listing.labels.astype("<i8").tobytes())
        positions = self.positions
        digest.update((positions >= 0).tobytes())
        digest.update(self.store.digests[positions[positions >= 0]].tobytes())
        return digest.hexdigest()

    def mean_and_std(self, rows: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation a channel of some pictures, pixels scaled to 0 … 1.

        Args:
            rows: of the store's listing.
        """
        positions = self.store.positions[rows]
        positions = positions[positions >= 0]
        sums, squares = self.store.sums[positions].sum(axis=0).T.tolist()
        num = len(positions) * self.store.pixels[0, 0].size
        mean = tuple(total / (255 * num) for total in sums)
        # In whole numbers up to the root: nothing cancels.
        pairs = zip(sums, squares, strict=True)
        std = tuple(math.sqrt(num * square - total**2) / (255 * num) for total, square in pairs)
        # A channel that never changes has nothing to be scaled by.
        return mean, tuple(figure or 1.0 for figure in std)


def open_dataset(data: Data, shape: Shape, progress: Progress, label_by: str | None = None) -> Dataset:
    """List and decode what a person named.

    Args:
        data: as it was understood.
        shape: to decode the pictures to.
        progress: where to say how far it is.
        label_by: as `pictures.label_by` of a recipe.

    Raises:
        NotUnderstoodError: when `label_by` is given for data that has its own labels.
        SkysortError: when it is not there or cannot be read.
    """
    source = data.open_source(shape, progress, label_by)
    store = open_store(source, shape, progress)
    listing, rows = store.listing, np.arange(len(store.listing))
    if data.named and data.named.classes:
        listing, rows = listing.only(data.named.classes)
    elif listing.origins is not None:
        equal = np.where(store.positions >= 0, store.first_equal[store.positions], -1)
        listing, rows = counted_once(listing, equal)
    for remark in listing.remarks:
        progress.say(remark)
    return Dataset(listing, rows, store, source)
