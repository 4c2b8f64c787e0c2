"""The columns of the journal's table `rows`: their types, the values that they may hold, and how to read them."""

import json
import math
import os
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, get_args

from skysort.classifier.decision import Action
from skysort.work.journal_entries import By, CellError, Identity, JournalEntry, Kind, mark_of

SIGNIFICANT_DIGITS = 9
YEAR_4147 = 2.0**36
"""In seconds since 1970. A later time is damage."""


class Column(NamedTuple):
    """One column of the table `rows`."""

    name: str
    sql: str
    """Type and constraints."""
    expected: str
    """Its values, in words: for errors, and for a comment in the schema."""
    is_valid: Callable[[object], bool]
    cell: Callable[[JournalEntry], object] | None = None
    """Returns the value to write for an entry; None where the entry has an attribute of this name."""


def cells_of(entry: JournalEntry) -> list[object]:
    """Return an entry as the journal holds it, in the order of COLUMNS."""
    return [column.cell(entry) if column.cell else getattr(entry, column.name) for column in COLUMNS]


def entry_of(cells: Sequence[Any], token: str) -> JournalEntry:
    """Return the entry with these cells.

    Args:
        cells: in the order of COLUMNS.
        token: of the journal.

    Raises:
        CellError: when a cell holds an invalid value.
    """
    for column, cell in zip(COLUMNS, cells, strict=True):
        if not column.is_valid(cell):
            raise CellError(
                f"row {cells[0]!r}, column {column.name}: expected {column.expected}, found {cell!r:.80}"
            )
    values = {column.name: cell for column, cell in zip(COLUMNS, cells, strict=True)}
    label, probabilities = values["label"], tuple(json.loads(values.pop("probabilities")))
    if label is not None and not probabilities:
        raise CellError(f"row {cells[0]}, column probabilities: expected those of the label {label!r}, found none")
    return JournalEntry(
        source=_path(values.pop("source_folder"), values.pop("source_name")),
        place=_path(values.pop("place_folder"), values.pop("place_name")),
        file=Identity(values.pop("inode"), values.pop("size"), values.pop("mtime_ns")),
        probabilities=probabilities,
        copied=bool(values.pop("copied")),
        mark=mark_of(token, values["id"]),
        **values,
    )


def split(path: Path) -> tuple[bytes, bytes]:
    """Return name and folder as bytes: a name need not be valid text."""
    return os.fsencode(path.name), os.fsencode(path.parent)


def is_folder(cell: object) -> bool:
    """Tell whether a cell holds an absolute path."""
    return isinstance(cell, bytes) and b"\0" not in cell and Path(os.fsdecode(cell)).is_absolute()


def _path(folder: bytes, name: bytes) -> Path:
    return Path(os.fsdecode(folder), os.fsdecode(name))


def _probabilities(entry: JournalEntry) -> str:
    return json.dumps([float(f"{share:.{SIGNIFICANT_DIGITS}g}") for share in entry.probabilities])


def _is_name(cell: object) -> bool:
    return (
        isinstance(cell, bytes) and b"\0" not in cell and Path(os.fsdecode(cell)).name == os.fsdecode(cell) != ""
    )


def is_time(cell: object) -> bool:
    """Tell whether a cell holds a time in seconds since 1970."""
    return isinstance(cell, float) and 0 <= cell < YEAR_4147


def _is_count(cell: object) -> bool:
    return isinstance(cell, int) and cell >= 0


def _is_integer(cell: object) -> bool:
    return isinstance(cell, int)


def _is_flag(cell: object) -> bool:
    return type(cell) is int and cell in (0, 1)


def _is_rate(cell: object) -> bool:
    return isinstance(cell, float) and 0 < cell <= 1


def _is_coin(cell: object) -> bool:
    return isinstance(cell, float) and 0 <= cell < 1


def _is_finite(cell: object) -> bool:
    return isinstance(cell, float) and math.isfinite(cell)


def _is_text(cell: object) -> bool:
    return isinstance(cell, str)


def _is_digest(cell: object) -> bool:
    return isinstance(cell, str) and re.fullmatch(r"[0-9a-f]{64}", cell) is not None


def _are_shares(cell: object) -> bool:
    try:
        shares = json.loads(cell) if isinstance(cell, str) else None
    except ValueError:
        return False
    return isinstance(shares, list) and all(type(share) in (int, float) and 0 <= share <= 1 for share in shares)


def _one_of(*names: str) -> Callable[[object], bool]:
    return lambda cell: isinstance(cell, str) and cell in names


def _or_null(is_valid: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda cell: cell is None or is_valid(cell)


KINDS, ACTORS, ACTIONS = get_args(Kind), get_args(By), get_args(Action)

COLUMNS = (
    Column(
        "id", "INTEGER PRIMARY KEY AUTOINCREMENT", "a number", _is_count, lambda _: None
    ),  # SQLite numbers rows
    Column("session", "INTEGER NOT NULL REFERENCES sessions(id)", "a number", _is_count),
    Column("planned", "REAL NOT NULL", "seconds since 1970", is_time),
    Column("done", "REAL", "seconds since 1970, or NULL before it is done", _or_null(is_time)),
    Column("kind", "TEXT NOT NULL", f"one of {', '.join(KINDS)}", _one_of(*KINDS)),
    Column("by", "TEXT NOT NULL", f"one of {', '.join(ACTORS)}", _one_of(*ACTORS)),
    Column("source_name", "BLOB NOT NULL", "a file name", _is_name, lambda entry: split(entry.source)[0]),
    Column("source_folder", "BLOB NOT NULL", "an absolute path", is_folder, lambda entry: split(entry.source)[1]),
    Column("place_name", "BLOB NOT NULL", "a file name", _is_name, lambda entry: split(entry.place)[0]),
    Column("place_folder", "BLOB NOT NULL", "an absolute path", is_folder, lambda entry: split(entry.place)[1]),
    Column("digest", "TEXT NOT NULL", "a SHA-256 in 64 hexadecimal digits", _is_digest),
    Column("size", "INTEGER NOT NULL", "a number of bytes", _is_count, attrgetter("file.size")),
    Column("mtime_ns", "INTEGER NOT NULL", "nanoseconds since 1970", _is_integer, attrgetter("file.mtime_ns")),
    Column("inode", "INTEGER NOT NULL", "a number", _is_count, attrgetter("file.inode")),
    Column("action", "TEXT NOT NULL", f"one of {', '.join(ACTIONS)}, or empty for sort", _one_of(*ACTIONS, "")),
    Column("label", "TEXT", "the likeliest class, or NULL", _or_null(_is_text)),
    Column("probabilities", "TEXT NOT NULL", "a JSON list of one number per class", _are_shares, _probabilities),
    Column("reason", "TEXT NOT NULL", "text", _is_text),
    Column("undoes", "INTEGER REFERENCES rows(id)", "the number of a row, or NULL", _or_null(_is_count)),
    Column("correction", "TEXT", "the true class according to a person, or NULL", _or_null(_is_text)),
    Column("copied", "INTEGER NOT NULL", "1 once a whole copy is beside the place, else 0", _is_flag),
    Column("audit_aside", "REAL", "a rate above 0 and at most 1, or NULL", _or_null(_is_rate)),
    Column("audit_keep", "REAL", "a rate above 0 and at most 1, or NULL", _or_null(_is_rate)),
    Column("coin", "REAL", "a number from 0 to below 1, or NULL", _or_null(_is_coin)),
    Column("coin_row", "INTEGER", "the number of a row, or NULL", _or_null(_is_count)),
    Column("similarity", "REAL", "a number, or NULL", _or_null(_is_finite)),
    Column("brightness", "REAL", "a number, or NULL", _or_null(_is_finite)),
    Column("sharpness", "REAL", "a number, or NULL", _or_null(_is_finite)),
    Column("taken", "REAL", "seconds since 1970, or NULL", _or_null(is_time)),
    Column("camera", "TEXT", "text, or NULL", _or_null(_is_text)),
)
"""In the order of the table."""
NAMES = ", ".join(column.name for column in COLUMNS)
