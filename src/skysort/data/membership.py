"""pictures.csv: the split and the digest of each picture of a run."""

import csv
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.data.dataset import Dataset
from skysort.data.splits import PreparedData

COLUMNS = ("split", "class", "digest", "path")
HEX_DIGITS = 32


@dataclass(frozen=True)
class Member:
    """A picture of a run."""

    split: str
    name: str
    """Name of its class."""
    digest: str
    """Digest of its pixels at the network's size. Equal pictures have equal digests."""
    path: str
    """Path relative to the source of the pictures."""


def member_rows(prepared: PreparedData) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the file: the header, then one row per readable picture."""
    yield COLUMNS
    listing = prepared.dataset.listing
    for split, rows in prepared.splits.items():
        for row, digest in zip(rows.tolist(), digests_of(prepared.dataset, rows), strict=True):
            yield split, listing.classes[listing.labels[row]], digest, listing.paths[row]


def read_members(path: Path) -> Iterator[Member]:
    """Yield the pictures of a run from its pictures.csv.

    Raises:
        SkysortError: if the file is missing or damaged.
    """
    if not path.exists():
        raise SkysortError(
            "damaged-run",
            f"the list of the run's pictures, {path}, is missing; write it again with:"
            f" skysort evaluate {shlex.quote(str(path.parent))}",
        )
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.reader(file)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError(f"expected the columns {','.join(COLUMNS)}")
            for row in rows:
                if len(row) != len(COLUMNS) or len(row[2]) != HEX_DIGITS:
                    raise ValueError(f"line {rows.line_num} is not a row of a picture")
                yield Member(*row)
    except (OSError, ValueError, csv.Error) as error:
        raise damaged("damaged-run", path, error) from None


def digests_of(dataset: Dataset, rows: NDArray[np.int64]) -> list[str]:
    """Return the digests of readable pictures, 32 hexadecimal digits each.

    Args:
        dataset: the decoded pictures.
        rows: (N,) rows of its listing.
    """
    digests = dataset.store.digests[dataset.positions[rows]]
    return [digest.tobytes().hex() for digest in digests]


def learned_rows(
    dataset: Dataset, rows: NDArray[np.int64], groups: NDArray[np.int64], learned: frozenset[str]
) -> NDArray[np.int64]:
    """Return the rows of pictures that a run learned from, and of all pictures in a group with one of them.

    Args:
        dataset: pictures decoded to the run's shape.
        rows: (N,) rows of its readable pictures.
        groups: for each row of the listing, the number of its group.
        learned: digests of the pictures that the run learned from.
    """
    is_learned = np.array([digest in learned for digest in digests_of(dataset, rows)], bool)
    return rows[np.isin(groups[rows], groups[rows[is_learned]])]
