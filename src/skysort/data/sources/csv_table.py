"""A CSV file that lists pictures: columns `path` and `label`, and optionally `split` and `group`."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from skysort.core.errors import SkysortError, suggestion
from skysort.data.listing import Listing, class_name, natural
from skysort.data.sources.base import Reader, read_file, size_and_times
from skysort.data.sources.split_names import SPLIT_WORDS, UNLABELLED, split_named

NEEDED = ("path", "label")
OPTIONAL = ("split", "group")
MOST_FAULTS = 10
"""Number of faults that a message lists."""

FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")

Fault = tuple[int, str]
"""A line number, and the problem in this line."""


@dataclass(frozen=True)
class TableSource:
    """The pictures that a CSV file lists, by absolute paths or paths relative to the file's folder."""

    path: Path

    @property
    def identity(self) -> str:
        """The file's absolute path."""
        return f"csv {self.path.resolve()}"

    def stamp(self) -> str:
        """Return the sizes and times of the CSV file and of all pictures that it lists."""
        pictures = (f"{row.path} {size_and_times(self._locate(row.path))}" for row in read_rows(self.path))
        return "\n".join((size_and_times(self.path), *pictures))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the listing, in the order of the file, and a reader, which works inside the context."""
        listing = _list(read_rows(self.path))
        yield listing, lambda row: read_file(self._locate(listing.paths[row]))

    def _locate(self, path: str) -> Path:
        """Return the path of a picture, as it is written or as another system would write it.

        Windows writes backslashes, and macOS writes accented letters as two characters.
        """
        spellings = (path, path.replace("\\", "/"))
        others = [
            self.path.parent / unicodedata.normalize(form, spelling) for form in FORMS for spelling in spellings
        ]
        return next((other for other in (self.path.parent / path, *others) if os.path.lexists(other)), others[0])


@dataclass(frozen=True)
class CsvRow:
    """One row of the file, which is one picture."""

    line: int
    path: str
    label: str
    split: str
    """Empty if the file has no splits."""
    group: str
    """Empty for a picture without a group."""
    others: Mapping[str, str]
    """Cells of other columns, by the names of these."""


def read_rows(path: Path) -> list[CsvRow]:
    """Read a CSV file.

    Raises:
        SkysortError: if it cannot be read or has faults. The message names the lines.
    """
    faults: list[Fault] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, file, faults))
    except UnicodeDecodeError as error:
        reason = f"{error.reason} at byte {error.start:,}"
        raise SkysortError("bad-text", f"{path} is not UTF-8 text ({reason}); save it as UTF-8") from None
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    faults += [*_split_faults(rows), *_repetition_faults(rows), *_group_faults(rows)]
    if faults:
        raise SkysortError("invalid-table", _faults_message(path, sorted(faults)))
    if not rows:
        raise SkysortError(
            "invalid-table", f"{path} lists no pictures; expected one row per picture below the header"
        )
    return rows


def _faults_message(path: Path, faults: list[Fault]) -> str:
    lines = [f"line {line}: {problem}" for line, problem in faults[:MOST_FAULTS]]
    if len(faults) == 1:
        return f"{path}, {lines[0]}"
    lines += [f"and {len(faults) - MOST_FAULTS:,} more"] if len(faults) > MOST_FAULTS else []
    return "\n  ".join([f"{path} has {len(faults):,} faults:", *lines])


def _rows(path: Path, file: IO[str], faults: list[Fault]) -> Iterator[CsvRow]:
    """Yield the rows without faults of their own, and add the faults of the others to `faults`."""
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
    except csv.Error as error:  # it is unknown where the next line begins
        faults.append((lines.line_num, str(error)))


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    if missing:
        columns = ",".join(header) or "nothing"
        has_other_delimiter = set(NEEDED) <= set(re.split(r"[;\t]", columns))
        raise SkysortError(
            "invalid-table",
            f"{path}, line 1: expected a header with path,label and optionally split,group; found {columns}"
            f"{'; save it with commas between the cells' if has_other_delimiter else ''}",
        )
    for name in header:
        if header.count(name) > 1:
            raise SkysortError("invalid-table", f"{path}, line 1: two columns have the name '{name}'")
        # Other columns are allowed, but a typing error in `split` or `group` would change the figures.
        close = suggestion(name, OPTIONAL)
        if name not in NEEDED + OPTIONAL and close.startswith("did you mean"):
            raise SkysortError("invalid-table", f"{path}, line 1: no column '{name}'; {close}")


def _row(line: int, header: list[str], cells: list[str]) -> CsvRow:
    if len(cells) != len(header):
        raise ValueError(f"expected {len(header)} cells as in the header, found {len(cells)}")
    row = dict(zip(header, map(str.strip, cells), strict=True))
    for name in NEEDED:
        if not row[name]:
            raise ValueError(f"the cell '{name}' is empty")
    if "\0" in row["path"]:
        raise ValueError("the path holds a null character")
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
        {name: cell for name, cell in row.items() if name not in NEEDED + OPTIONAL},
    )


def _split_faults(rows: list[CsvRow]) -> Iterator[Fault]:
    without_split = next((row for row in rows if not row.split), None)
    with_split = next((row for row in rows if row.split), None)
    if without_split and with_split:
        yield without_split.line, f"no split, but line {with_split.line} has one; give all rows a split, or none"


def _repetition_faults(rows: list[CsvRow]) -> Iterator[Fault]:
    first: dict[str, CsvRow] = {}
    for row in rows:
        earlier = first.setdefault(os.path.normpath(row.path), row)
        if earlier is not row:
            labels = "" if earlier.label == row.label else f" as '{earlier.label}', and here as '{row.label}'"
            yield row.line, f"{row.path} is already in line {earlier.line}{labels}"


def _group_faults(rows: list[CsvRow]) -> Iterator[Fault]:
    first: dict[str, CsvRow] = {}
    reported = set()
    for row in rows:
        earlier = first.setdefault(row.group, row)
        if row.group and earlier.split != row.split and (row.group, row.split) not in reported:
            reported.add((row.group, row.split))
            yield (
                row.line,
                f"group '{row.group}' is in {row.split} here and in {earlier.split} in line {earlier.line};"
                " expected one split per group",
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
