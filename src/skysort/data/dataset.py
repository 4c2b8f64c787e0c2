"""The data that a person named, and the dataset that Skysort lists and decodes from it."""

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
from skysort.data.sources.several import SeveralSources, merge_repeated
from skysort.data.store import Store, open_store

DEFAULT_SIZE = 32
DEFAULT_CHANNELS: Literal[3] = 3


@dataclass(frozen=True)
class Data:
    """The data that a person named: a built-in data set, or one or more paths."""

    source: str | tuple[str, ...]
    """Name of a built-in data set, an absolute path, or several absolute paths of one data set."""
    named: NamedData | None
    data_dir: Path | None = None
    """Folder of built-in data sets; None: $SKYSORT_DATA, else the cache folder."""

    @classmethod
    def find(cls, source: str | Sequence[str], data_dir: str | PathLike[str] | None = None) -> "Data":
        """Find data by name or path. A built-in data set wins over a folder of its name; `./skies` means the
        folder.

        Args:
            source: a name or a path, or several paths of one data set, where later ones correct earlier ones.
            data_dir: folder of built-in data sets, for downloads too; else $SKYSORT_DATA, else the cache folder.

        Raises:
            NotUnderstoodError: if no built-in data set has the name, and nothing is at the path.
        """
        folder = None if data_dir is None else Path(data_dir)
        if not isinstance(source, str):
            parts = [cls.find(part, folder) for part in source]
            for part in parts:
                if part.named and len(parts) > 1:
                    raise NotUnderstoodError(
                        "unsupported-data",
                        f"only folders, archives and .csv files can be combined, and '{part.name}' is a built-in"
                        " data set",
                    )
            return parts[0] if len(parts) == 1 else cls(tuple(part.name for part in parts), None, folder)
        named = find_named(source)
        if named:
            return cls(source, named, folder)
        path = Path(source)
        if path.exists():
            return cls(str(path.absolute()), None, folder)
        if len(path.parts) > 1 or path.suffix:
            raise NotUnderstoodError("path-not-found", f"there is no folder or file {source}")
        raise NotUnderstoodError(
            "unknown-data-set", f"no data set and no folder '{source}'; {suggestion(source, NAMED)}"
        )

    @property
    def name(self) -> str:
        """The name or the paths, in one text."""
        return source_name(self.source)

    def shape(
        self, size: int | None, channels: Literal[1, 3] | None, resize: Literal["stretch", "crop", "pad"]
    ) -> Shape:
        """Return the shape that the recipe sets, else that of the built-in data set, else 32x32 RGB."""
        own_size = self.named.size if self.named else DEFAULT_SIZE
        own_channels = self.named.channels if self.named else DEFAULT_CHANNELS
        return Shape(size or own_size, channels or own_channels, resize)

    def open_source(self, shape: Shape, progress: Progress, label_by: str | None = None) -> Source:
        """Return the source of the pictures. A built-in data set is downloaded if it is missing.

        Raises:
            NotUnderstoodError: if `label_by` is given for data that has its own labels.
        """
        if self.named:
            if label_by is not None:
                raise NotUnderstoodError(
                    "options-conflict",
                    f"'{self.name}' has its own labels; --label-by works only with folders and archives",
                )
            return self.named.open_or_download(data_folder(self.data_dir), shape.size, progress)
        if isinstance(self.source, str):
            return path_source(Path(self.source), label_by)
        # A CSV file has its own labels, even beside a folder with labels in the file names.
        return SeveralSources(
            tuple(path_source(Path(path), None if _is_table(path) else label_by) for path in self.source)
        )


def source_name(source: str | Sequence[str]) -> str:
    """Return the name of a source, or of several, in one text."""
    return source if isinstance(source, str) else " + ".join(source)


def _is_table(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".csv"


def path_source(path: Path, label_by: str | None = None) -> FolderSource | ArchiveSource | TableSource:
    """Return the source for a folder, an archive or a CSV file.

    Raises:
        NotUnderstoodError: if the path is none of these, or `label_by` is given for a CSV file.
    """
    if path.is_dir():
        return FolderSource(path, label_by)
    check_not_special(path)
    if _is_table(path):
        if label_by is not None:
            raise NotUnderstoodError(
                "options-conflict", f"{path} has a column 'label'; --label-by works only with folders and archives"
            )
        return TableSource(path)
    if is_archive(path):
        return ArchiveSource(path, label_by)
    raise NotUnderstoodError(
        "unsupported-data", f"{path} is neither a folder, a zip or tar archive, nor a .csv file"
    )


@dataclass(frozen=True)
class Dataset:
    """Listed and decoded pictures of some classes."""

    listing: Listing
    rows: NDArray[np.int64]
    """(N,) the store's row of each picture. The store may hold other classes too."""
    store: Store
    source: Source

    @property
    def positions(self) -> NDArray[np.int64]:
        """(N,) position of each picture in the store's pixels; -1 for unreadable ones."""
        return self.store.positions[self.rows]

    @property
    def unreadable(self) -> dict[int, str]:
        """Reasons of unreadable pictures, by row of the listing."""
        missing = np.flatnonzero(self.positions < 0)
        return {int(row): self.store.unreadable[int(self.rows[row])] for row in missing}

    def pixels(self, rows: NDArray[np.int64]) -> Pixels:
        """Return a copy of readable pictures, (N, C, H, W) uint8."""
        return self.store.copy(self.store.positions[self.rows[rows]])

    def equal(self) -> NDArray[np.int64]:
        """Return (N,) numbers that are equal for equal pictures; -1 for unreadable ones."""
        return self._by_row(self.store.first_equal)

    def near(self) -> NDArray[np.int64]:
        """Return (N,) numbers that are equal for equal pictures and near-duplicates; -1 for unreadable ones."""
        return self._by_row(self.store.first_near)

    def _by_row(self, first: NDArray[np.int64]) -> NDArray[np.int64]:
        positions = self.positions
        return np.where(positions >= 0, first[positions], -1)

    def rows_of_test(self) -> NDArray[np.int64]:
        """Return the rows of the data's own test split, or all rows if it has none."""
        declared = np.array(self.listing.splits) == "test"
        return np.flatnonzero(declared) if declared.any() else np.arange(len(declared))

    def fingerprint(self) -> str:
        """Return a digest of everything that training sees: paths, classes, splits and pixels."""
        digest = hashlib.blake2b(digest_size=16)
        text = "\0".join((*self.listing.classes, *self.listing.paths, *self.listing.splits))
        digest.update(text.encode("utf-8", "surrogateescape"))
        digest.update(self.listing.labels.astype("<i8").tobytes())
        positions = self.positions
        digest.update((positions >= 0).tobytes())
        digest.update(self.store.digests[positions[positions >= 0]].tobytes())
        return digest.hexdigest()

    def mean_and_std(self, rows: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation per channel of some pictures, with pixels scaled to 0 … 1.

        Args:
            rows: rows of the store's listing; unreadable pictures are skipped.
        """
        positions = self.store.positions[rows]
        positions = positions[positions >= 0]
        sums, squares = self.store.sums[positions].sum(axis=0).T.tolist()
        num = len(positions) * self.store.pixels[0, 0].size
        mean = tuple(total / (255 * num) for total in sums)
        # Integers up to the root, so that nothing cancels.
        pairs = zip(sums, squares, strict=True)
        std = tuple(math.sqrt(num * square - total**2) / (255 * num) for total, square in pairs)
        # A constant channel has a standard deviation of 0, which cannot scale it.
        return mean, tuple(deviation or 1.0 for deviation in std)


def open_dataset(data: Data, shape: Shape, progress: Progress, label_by: str | None = None) -> Dataset:
    """List and decode data.

    Args:
        data: the data that a person named.
        shape: size and channels of the decoded pictures.
        progress: receives the progress.
        label_by: regular expression for labels, as `pictures.label_by` of a recipe.

    Raises:
        NotUnderstoodError: if `label_by` is given for data that has its own labels.
        SkysortError: if the data is missing or cannot be read.
    """
    source = data.open_source(shape, progress, label_by)
    store = open_store(source, shape, progress)
    listing, rows = store.listing, np.arange(len(store.listing))
    if data.named and data.named.classes:
        listing, rows = listing.only(data.named.classes)
    elif listing.origins is not None:
        equal = np.where(store.positions >= 0, store.first_equal[store.positions], -1)
        listing, rows = merge_repeated(listing, equal)
    for remark in listing.remarks:
        progress.say(remark)
    return Dataset(listing, rows, store, source)
