"""The rows of the journal: what is to be done with one picture, or was, as an object and as cells."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from skysort.classifier.decision import Action
from skysort.core.errors import SkysortError

Kind = Literal["move", "copy", "remove", "stay", "gone"]
"""`remove` takes a copy back: its source is the copy, its place the original. `stay` leaves a picture as it is.
`gone` was to be one of the first three, and somebody took the picture away meanwhile."""

By = Literal["watch", "sort", "undo", "redo"]

SIGNIFICANT_DIGITS = 9
BEYOND_ANY_TIME = 2.0**36
"""Seconds since 1970; in the year 4147."""
COLUMNS = (
    "session, planned, done, kind, by, source_name, source_folder, place_name, place_folder,"
    " digest, size, mtime_ns, inode, action, label, probabilities, reason, undoes, correction, copied"
)


class CellError(ValueError):
    """A cell of a journal is not what it must be."""


class JournalError(SkysortError):
    """The journal cannot be written or read now; what was not written was not done."""


class DamagedJournalError(SkysortError):
    """The journal is no journal, no whole one, or one of a newer Skysort: waiting does not help."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a file from another that takes its name."""

    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Settings:
    """What decided, and where pictures went: the same for all rows of a session."""

    by: By
    classifier: str = ""
    """SHA-256 of its network."""
    classes: tuple[str, ...] = ()
    decision: str | None = None
    """Name; None where no promise was made."""
    threshold: float | None = None
    """Of the decision."""
    unknown: float | None = None
    """From where on the classifier calls a picture unknown."""
    keep: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    unsure_below: float | None = None
    """Where the likeliest class has a smaller probability than this, a picture is to be looked at."""


@dataclass(frozen=True)
class JournalEntry:
    """What is to be done with one picture, or was."""

    kind: Kind
    source: Path
    place: Path
    """Where the picture is when it is done."""
    digest: str
    file: Identity
    action: str = ""
    label: str | None = None
    probabilities: Sequence[float] = ()
    reason: str = ""
    undoes: int | None = None
    correction: str | None = None
    copied: bool = False
    """Whether a whole copy was beside the place before it was renamed into it."""
    id: int = 0
    """0 until it is written."""
    mark: str = ""
    """What the names of its files under way begin with: no other row has it, nor another journal's."""
    session: int = 0
    by: By = "watch"
    planned: float = 0.0
    done: float | None = None


def replaced(row: JournalEntry, **values: Any) -> JournalEntry:
    """Return a row with other values; dataclasses.replace does the same in four times the time."""
    return JournalEntry(**vars(row) | values)


def split(path: Path) -> tuple[bytes, bytes]:
    """Return name and folder as bytes, for names that are no text."""
    return os.fsencode(path.name), os.fsencode(path.parent)


def joined(name: bytes, folder: bytes) -> Path:
    """Return the path of both."""
    return Path(os.fsdecode(folder), os.fsdecode(name))


def cells_of(row: JournalEntry) -> tuple[object, ...]:
    """Return a row as the journal holds it, in the order of COLUMNS."""
    probabilities = json.dumps([float(f"{share:.{SIGNIFICANT_DIGITS}g}") for share in row.probabilities])
    return (
        row.session, row.planned, row.done, row.kind, row.by, *split(row.source), *split(row.place),
        row.digest, row.file.size, row.file.mtime_ns, row.file.inode,
        row.action, row.label, probabilities, row.reason, row.undoes, row.correction, row.copied,
    )  # fmt: skip


def row_of(cells: Sequence[Any], token: str) -> JournalEntry:
    """Return the row with these cells, which its id follows, in the journal with a token.

    Raises:
        CellError: when a cell is not what it must be.
    """
    for (column, expected, fits), cell in zip(CELLS, cells, strict=True):
        if not fits(cell):
            raise CellError(f"row {cells[-1]!r}, column {column}: expected {expected}, found {cell!r:.80}")
    session, planned, done, kind, by, source_name, source_folder, place_name, place_folder, *rest = cells
    digest, size, mtime_ns, inode, action, label, text, reason, undoes, correction, copied, number = rest
    probabilities = tuple(json.loads(text))
    if label is not None and not probabilities:
        raise CellError(f"row {number}, column probabilities: expected those of the label {label!r}, found none")
    return JournalEntry(
        kind, joined(source_name, source_folder), joined(place_name, place_folder), digest,
        Identity(inode, size, mtime_ns), action, label, probabilities, reason, undoes,
        correction, bool(copied), number, mark_of(token, number), session, by, planned, done,
    )  # fmt: skip


def settings_of(session: int, text: object) -> Settings:
    """Return settings from their JSON text.

    Raises:
        CellError: when they are damaged.
    """
    try:
        if not isinstance(text, str):
            raise ValueError(f"expected JSON, found {text!r:.80}")
        return TypeAdapter(Settings).validate_json(text, strict=True)
    except ValueError as error:
        why = " ".join(str(error).split())
        raise CellError(f"session {session!r}, column settings: {why:.200}") from None


def token_of(rows: Sequence[Sequence[object]]) -> str:
    """Return the token of a journal from the rows that hold it.

    Raises:
        CellError: when there is not just one.
    """
    tokens = [cell for row in rows for cell in row]
    if len(tokens) == 1 and isinstance(token := tokens[0], str) and re.fullmatch(r"[0-9a-f]{12}", token):
        return token
    raise CellError(f"token: expected 12 hexadecimal digits, found {tokens!r:.80}")


def is_folder(cell: object) -> bool:
    """Tell whether a cell holds an absolute path."""
    return isinstance(cell, bytes) and b"\0" not in cell and Path(os.fsdecode(cell)).is_absolute()


def _is_name(cell: object) -> bool:
    return (
        isinstance(cell, bytes) and b"\0" not in cell and Path(os.fsdecode(cell)).name == os.fsdecode(cell) != ""
    )


def _is_time(cell: object) -> bool:
    return isinstance(cell, float) and 0 <= cell < BEYOND_ANY_TIME


def _is_count(cell: object) -> bool:
    return isinstance(cell, int) and cell >= 0


def _is_text(cell: object) -> bool:
    return isinstance(cell, str)


def _is_digest(cell: object) -> bool:
    return isinstance(cell, str) and re.fullmatch(r"[0-9a-f]{64}", cell) is not None


def _are_shares(cell: object) -> bool:
    try:
        found = json.loads(cell) if isinstance(cell, str) else None
    except ValueError:
        return False
    return isinstance(found, list) and all(type(share) in (int, float) and 0 <= share <= 1 for share in found)


def _one_of(kind: Any, *more: str) -> Callable[[object], bool]:
    names = {*get_args(kind), *more}
    return lambda cell: isinstance(cell, str) and cell in names


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda cell: cell is None or fits(cell)


CELLS: Sequence[tuple[str, str, Callable[[object], bool]]] = (
    ("session", "a number", _is_count),
    ("planned", "seconds since 1970", _is_time),
    ("done", "seconds since 1970, or nothing", _or_none(_is_time)),
    ("kind", "a kind of act", _one_of(Kind)),
    ("by", "who acted", _one_of(By)),
    ("source_name", "a file name", _is_name),
    ("source_folder", "an absolute path", is_folder),
    ("place_name", "a file name", _is_name),
    ("place_folder", "an absolute path", is_folder),
    ("digest", "64 hexadecimal digits", _is_digest),
    ("size", "a number of bytes", _is_count),
    ("mtime_ns", "nanoseconds since 1970", lambda cell: isinstance(cell, int)),
    ("inode", "a number", _is_count),
    ("action", "an action", _one_of(Action, "")),
    ("label", "a class, or nothing", _or_none(_is_text)),
    ("probabilities", "a JSON list of numbers from 0 to 1", _are_shares),
    ("reason", "text", _is_text),
    ("undoes", "the number of a row, or nothing", _or_none(_is_count)),
    ("correction", "a class, or nothing", _or_none(_is_text)),
    ("copied", "0 or 1", lambda cell: type(cell) is int and cell in (0, 1)),
    ("id", "a number", _is_count),
)
"""What the cells of a row must be: the columns in their order, and the number of the row."""


def mark_of(token: str, number: int) -> str:
    """Return what the names of a row's files under way begin with."""
    return f".skysort-{token}-{number}"
