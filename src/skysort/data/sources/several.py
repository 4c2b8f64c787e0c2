"""Several sources of one data set, such as a folder and corrections: a later source corrects an earlier one."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.text import counted
from skysort.data.listing import Listing, natural
from skysort.data.sources.base import ArchiveSource, FolderSource, Reader
from skysort.data.sources.csv_table import TableSource

Indices = NDArray[np.int64]
PathSource = FolderSource | ArchiveSource | TableSource


@dataclass(frozen=True)
class SeveralSources:
    """Folders, archives and CSV files that make one data set."""

    sources: tuple[PathSource, ...]
    """In order; the label in a later source replaces that in an earlier one."""

    @property
    def identity(self) -> str:
        """The identities of all sources."""
        return "\n".join(source.identity for source in self.sources)

    def stamp(self) -> str:
        """Return the stamps of all sources."""
        return "\n".join(source.stamp() for source in self.sources)

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the joined listing and a reader of the pictures, which works inside the context."""
        with ExitStack() as opened:
            sources = [opened.enter_context(source.opened()) for source in self.sources]
            prefixes = _prefixes([source.path for source in self.sources])
            listing = _joined([listing for listing, _ in sources], prefixes)
            starts = np.cumsum([0, *(len(source_listing) for source_listing, _ in sources)])

            def read(row: int) -> bytes:
                number = int(np.searchsorted(starts, row, side="right")) - 1
                _, read_one = sources[number]
                content = read_one(row - int(starts[number]))
                assert isinstance(content, bytes)  # these sources read files
                return content

            yield listing, read


def _prefixes(paths: Sequence[Path]) -> list[str]:
    """Return the prefix of each source's paths: its name, with a number if an earlier source has the same name."""
    prefixes: list[str] = []
    times: Counter[str] = Counter()
    for path in paths:
        name = path.absolute().name
        times[name] += 1
        prefixes.append(f"{name}/" if times[name] == 1 else f"{name} ({times[name]})/")
    return prefixes


def _joined(listings: Sequence[Listing], prefixes: Sequence[str]) -> Listing:
    labels = [listing.classes[label] for listing in listings for label in listing.labels]
    classes = tuple(sorted(set(labels), key=natural))
    number = {name: index for index, name in enumerate(classes)}
    splits = [split for listing in listings for split in listing.splits]
    if set(splits) & {
        "validation",
        "calibration",
        "test",
    }:  # the sources declare the held-out splits, so the rest is for training
        splits = [split or "train" for split in splits]
    groups = [name for listing in listings for name in listing.groups or ("",) * len(listing)]
    with_prefix = list(zip(listings, prefixes, strict=True))
    return Listing(
        tuple(_below(prefix, path) for listing, prefix in with_prefix for path in listing.paths),
        np.array([number[name] for name in labels], np.int64),
        classes,
        tuple(splits),
        tuple(_below(prefix, path) for listing, prefix in with_prefix for path in listing.left_out),
        tuple(groups) if any(groups) else None,
        tuple(remark for listing in listings for remark in listing.remarks),
        tuple(index for index, listing in enumerate(listings) for _ in listing.paths),
    )


def _below(prefix: str, path: str) -> str:
    """Return a path with its prefix. An absolute path, as a CSV file may hold, stays as it is."""
    return path if Path(path).is_absolute() else prefix + path


def merge_repeated(listing: Listing, equal: Indices) -> tuple[Listing, Indices]:
    """Count a picture that is in several sources once: at its first place, with its newest label.

    If the first source gives the picture no split, it gets the split of a later source.

    Args:
        listing: the joined listing of several sources.
        equal: (N,) numbers that are equal for equal pictures; -1 for unreadable ones.

    Returns:
        The listing of the remaining rows, and these rows.
    """
    origins = np.array(listing.origins)
    first, last = np.full(equal.max(initial=-1) + 1, len(origins)), np.full(equal.max(initial=-1) + 1, -1)
    readable = equal >= 0
    np.minimum.at(first, equal[readable], origins[readable])
    np.maximum.at(last, equal[readable], origins[readable])
    is_shared = readable & (first != last)[equal]
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(is_shared).tolist():
        rows_of[int(equal[row])].append(row)

    labels, splits = listing.labels.copy(), list(listing.splits)
    groups = None if listing.groups is None else list(listing.groups)
    for same_picture in rows_of.values():
        newest = max(same_picture, key=lambda row: (origins[row], row))
        for row in same_picture:
            if origins[row] == origins[same_picture[0]]:
                labels[row] = labels[newest]
                splits[row] = splits[row] or splits[newest]
                if groups is not None:
                    groups[row] = groups[row] or groups[newest]
    is_kept = ~is_shared | (origins == first[equal])
    rows = np.flatnonzero(is_kept)
    num_corrected = int((labels != listing.labels)[rows].sum())
    corrected = replace(
        listing,
        labels=labels,
        splits=tuple(splits),
        groups=None if groups is None else tuple(groups),
        remarks=(*listing.remarks, *_remark(int((~is_kept).sum()), num_corrected)),
    )
    filled = {listing.classes[label] for label in labels[rows]}
    classes = tuple(name for name in listing.classes if name in filled)
    number = np.array([classes.index(name) if name in filled else -1 for name in listing.classes])
    return replace(corrected.at(rows), labels=number[labels[rows]], classes=classes), rows


def _remark(num_repeated: int, num_corrected: int) -> list[str]:
    if not num_repeated:
        return []
    are = "picture is" if num_repeated == 1 else "pictures are"
    return [
        f"{num_repeated:,} {are} in more than one source and count{'s' if num_repeated == 1 else ''} once;"
        f" {counted(num_corrected, 'picture has', 'pictures have')} a new label"
    ]
