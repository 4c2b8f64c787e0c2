"""A CSV file that says which pictures there are: `path,label`, and optionally `split` and `group`."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from skysort.core.errors import SkysortError, suggestion
from skysort.data.listing import Listing, class_name, natural
from skysort.data.sources.base import Reader, read_file, size_and_times
from skysort.data.sources.layout import SPLIT_WORDS, UNLABELLED, split_named

NEEDED = ("path", "label")
OPTIONAL = ("split", "group")
MOST_FAULTS = 10
"""That a message lists."""

FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")

Fault = tuple[int, str]
"""A line, and what is wrong there."""


@dataclass(frozen=True)
class TableSource:
    """Pictures that a CSV file names, anywhere: absolute paths, or relative to the file's folder."""

    path: Path

    @property
    def identity(self) -> str:
        """The file's absolute path."""
        return f"csv {self.path.resolve()}"

    def stamp(self) -> str:
        """Return sizes and times of the CSV file and of all pictures it names."""
        pictures = (f"{row.path} {size_and_times(self._place(row.path))}" for row in read_rows(self.path))
        return "\n".join((size_and_times(self.path), *pictures))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures in the order of the file, and read them while the context lasts."""
        listing = _list(read_rows(self.path))
        yield listing, lambda row: read_file(self._place(listing.paths[row]))

    def _place(self, path: str) -> Path:
        """Return where a picture is: as it is written, or as another system would write it.

        Windows writes backslashes, and macOS writes accented letters as two.
        """
        spellings = (path, path.replace("\\", "/"))
        places = [self.path.parent / unicodedata.normalize(form, each) for form in FORMS for each in spellings]
        return next((place for place in (self.path.parent / path, *places) if os.path.lexists(place)), places[0])


@dataclass(frozen=True)
class CsvRow:
    """One picture of the file."""

    line: int
    path: str
    label: str
    split: str
    """Empty where the file names no splits."""
    group: str
    """Empty for a picture on its own."""


def read_rows(path: Path) -> list[CsvRow]:
    """Read a CSV file.

    Raises:
        SkysortError: when it cannot be read or contradicts itself; the message names the lines.
    """
    faults: list[Fault] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, file, faults))
    except UnicodeDecodeError as error:
        where = f"{error.reason} at byte {error.start:,}"
        raise SkysortError("bad-text", f"{path} is not UTF-8 text: {where}; save it as UTF-8") from None
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    faults += [*_of_splits(rows), *_of_repetitions(rows), *_of_groups(rows)]
    if faults:
        raise SkysortError("invalid-table", _told(path, sorted(faults)))
    if not rows:
        raise SkysortError("invalid-table", f"{path} names no picture: expected a row for each below the header")
    return rows


def _told(path: Path, faults: list[Fault]) -> str:
    lines = [f"line {line}: {what}" for line, what in faults[:MOST_FAULTS]]
    if len(faults) == 1:
        return f"{path}, {lines[0]}"
    lines += [f"and {len(faults) - MOST_FAULTS:,} more"] if len(faults) > MOST_FAULTS else []
    return "\n  ".join([f"{path} has {len(faults):,} faults:", *lines])


def _rows(path: Path, file: IO[str], faults: list[Fault]) -> Iterator[CsvRow]:
    """Yield the rows that have no fault of their own, and add what is wrong with the others."""
    lines = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(path, header)
        for cells in lines:
            try:
                if cells:
                    yield _row(lines.line_num, header, cells)
            except ValueError as error:
                faults.append((lines.line_num, str(error)))
    except csv.Error as error:  # where the next line begins cannot be told
        faults.append((lines.line_num, str(error)))


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    if missing:
        found = ",".join(header) or "nothing"
        has_other_marks = set(NEEDED) <= set(re.split(r"[;\t]", found))
        raise SkysortError(
            "invalid-table",
            f"{path}, line 1: expected a header with the columns path,label and perhaps split,group; found {found}"
            f"{'; save it with commas between the cells' if has_other_marks else ''}",
        )
    for name in header:
        if header.count(name) > 1:
            raise SkysortError("invalid-table", f"{path}, line 1: two columns are called '{name}'")
        # Other columns are the owner's business, but a slip in one of ours would change what is measured.
        close = suggestion(name, OPTIONAL)
        if name not in NEEDED + OPTIONAL and close.startswith("did you mean"):
            raise SkysortError("invalid-table", f"{path}, line 1: no column '{name}'; {close}")


def _row(line: int, header: list[str], cells: list[str]) -> CsvRow:
    if len(cells) != len(header):
        raise ValueError(f"expected {len(header)} cells, as the header has, found {len(cells)}")
    row = dict(zip(header, map(str.strip, cells), strict=True))
    for name in NEEDED:
        if not row[name]:
            raise ValueError(f"no {name}")
    if "\0" in row["path"]:
        raise ValueError("a null character in the path")
    text = row.get("split", "")
    split = split_named(text)
    if text and split in ("", UNLABELLED):
        raise ValueError(f"no split '{text}'; {suggestion(text.casefold(), SPLIT_WORDS)}")
    return CsvRow(
        line,
        row["path"],
        class_name(row["label"]),
        split,
        row.get("group", ""),
    )


def _of_splits(rows: list[CsvRow]) -> Iterator[Fault]:
    without = next((row for row in rows if not row.split), None)
    having = next((row for row in rows if row.split), None)
    if without and having:
        yield without.line, f"no split, but line {having.line} has one; expected all rows or none"


def _of_repetitions(rows: list[CsvRow]) -> Iterator[Fault]:
    first: dict[str, CsvRow] = {}
    for row in rows:
        before = first.setdefault(os.path.normpath(row.path), row)
        if before is not row:
            labels = "" if before.label == row.label else f" as '{before.label}', and here as '{row.label}'"
            yield row.line, f"{row.path} stands in line {before.line} already{labels}"


def _of_groups(rows: list[CsvRow]) -> Iterator[Fault]:
    first: dict[str, CsvRow] = {}
    told = set()
    for row in rows:
        before = first.setdefault(row.group, row)
        if row.group and before.split != row.split and (row.group, row.split) not in told:
            told.add((row.group, row.split))
            yield (
                row.line,
                f"group '{row.group}' is in {row.split} here and in {before.split} in line {before.line};"
                " expected all of a group in one split",
            )


def _list(rows: list[CsvRow]) -> Listing:
    classes = tuple(sorted({row.label for row in rows}, key=natural))
    number = {name: index for index, name in enumerate(classes)}
    groups = tuple(row.group for row in rows)
    return Listing(
        tuple(row.path for row in rows),
        np.array([number[row.label] for row in rows], np.int64),
        classes,
        tuple(row.split for row in rows),
        groups=groups if any(groups) else None,
    )
