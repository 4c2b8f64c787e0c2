"""Several sources of one data set, as a folder and later corrections: a later source corrects an earlier one."""

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
    """Folders, archives and CSV files that are one data set."""

    sources: tuple[PathSource, ...]
    """In order: what a later one says of a picture counts."""

    @property
    def identity(self) -> str:
        """Those of all sources."""
        return "\n".join(source.identity for source in self.sources)

    def stamp(self) -> str:
        """Return those of all sources."""
        return "\n".join(source.stamp() for source in self.sources)

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures of all sources, and read them while the context lasts."""
        with ExitStack() as opened:
            found = [opened.enter_context(source.opened()) for source in self.sources]
            prefixes = _prefixes([source.path for source in self.sources])
            listing = _joined([listing for listing, _ in found], prefixes)
            starts = np.cumsum([0, *(len(own) for own, _ in found)])

            def read(row: int) -> bytes:
                number = int(np.searchsorted(starts, row, side="right")) - 1
                content = found[number][1](row - int(starts[number]))
                assert isinstance(content, bytes)  # as files are
                return content

            yield listing, read


def _prefixes(paths: Sequence[Path]) -> list[str]:
    """Return what stands before the paths of each source: its name, and a number where another has the same."""
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
    if set(splits) & {"validation", "calibration", "test"}:  # what is held out is declared: the rest is not
        splits = [split or "train" for split in splits]
    groups = [name for listing in listings for name in listing.groups or ("",) * len(listing)]
    named = list(zip(listings, prefixes, strict=True))
    return Listing(
        tuple(_below(prefix, path) for listing, prefix in named for path in listing.paths),
        np.array([number[name] for name in labels], np.int64),
        classes,
        tuple(splits),
        tuple(_below(prefix, path) for listing, prefix in named for path in listing.left_out),
        tuple(groups) if any(groups) else None,
        tuple(remark for listing in listings for remark in listing.remarks),
        tuple(index for index, listing in enumerate(listings) for _ in listing.paths),
    )


def _below(prefix: str, path: str) -> str:
    """Return a path as the joined listing has it; an absolute one, as a CSV file may have, stays."""
    return path if Path(path).is_absolute() else prefix + path


def counted_once(listing: Listing, equal: Indices) -> tuple[Listing, Indices]:
    """Let each picture that stands in several sources count once, in its first place, with its newest label.

    A picture that its first source puts in no split goes to the split of a later one.

    Args:
        listing: of several sources.
        equal: (N,) numbers that are equal for equal pictures; -1 for unreadable ones.

    Returns:
        The listing of the rows that are kept, and these rows.
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
    for together in rows_of.values():
        newest = max(together, key=lambda row: (origins[row], row))
        for row in together:
            if origins[row] == origins[together[0]]:
                labels[row] = labels[newest]
                splits[row] = splits[row] or splits[newest]
                if groups is not None:
                    groups[row] = groups[row] or groups[newest]
    is_kept = ~is_shared | (origins == first[equal])
    rows = np.flatnonzero(is_kept)
    num_corrected = int((labels != listing.labels)[rows].sum())
    kept = replace(
        listing,
        labels=labels,
        splits=tuple(splits),
        groups=None if groups is None else tuple(groups),
        remarks=(*listing.remarks, *_remark(int((~is_kept).sum()), num_corrected)),
    )
    filled = {listing.classes[label] for label in labels[rows]}
    classes = tuple(name for name in listing.classes if name in filled)
    number = np.array([classes.index(name) if name in filled else -1 for name in listing.classes])
    return replace(kept.at(rows), labels=number[labels[rows]], classes=classes), rows


def _remark(num_again: int, num_corrected: int) -> list[str]:
    if not num_again:
        return []
    stand = "picture stands" if num_again == 1 else "pictures stand"
    return [
        f"{num_again:,} {stand} in more than one source and count{'s' if num_again == 1 else ''} once;"
        f" {counted(num_corrected, 'picture has', 'pictures have')} a new label"
    ]
