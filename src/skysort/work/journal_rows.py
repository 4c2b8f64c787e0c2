"""The rows of the journal: what is to be done with one picture, or was, as an object and as cells."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from skysort.errors import SkysortError

Kind = Literal["move", "copy", "remove", "stay", "gone"]
"""`remove` takes a copy back: its source is the copy, its place the original. `stay` leaves a picture as it is.
`gone` was to be one of the first three, and somebody took the picture away meanwhile."""

By = Literal["watch", "sort", "undo", "redo"]

SIGNIFICANT_DIGITS = 9
COLUMNS = (
    "session, planned, done, kind, by, source_name, source_folder, place_name, place_folder,"
    " digest, size, mtime_ns, inode, action, label, probabilities, reason, undoes, correction, copied"
)


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
class Row:
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


def replaced(row: Row, **values: Any) -> Row:
    """Return a row with other values; dataclasses.replace does the same in four times the time."""
    return Row(**vars(row) | values)


def split(path: Path) -> tuple[bytes, bytes]:
    """Return name and folder as bytes, for names that are no text."""
    return os.fsencode(path.name), os.fsencode(path.parent)


def joined(name: bytes, folder: bytes) -> Path:
    """Return the path of both."""
    return Path(os.fsdecode(folder), os.fsdecode(name))


def cells_of(row: Row) -> tuple[object, ...]:
    """Return a row as the journal holds it, in the order of COLUMNS."""
    probabilities = json.dumps([float(f"{share:.{SIGNIFICANT_DIGITS}g}") for share in row.probabilities])
    return (
        row.session, row.planned, row.done, row.kind, row.by, *split(row.source), *split(row.place),
        row.digest, row.file.size, row.file.mtime_ns, row.file.inode,
        row.action, row.label, probabilities, row.reason, row.undoes, row.correction, row.copied,
    )  # fmt: skip


def row_of(cells: Sequence[Any], token: str) -> Row:
    """Return the row with these cells, which its id follows, in the journal with a token."""
    session, planned, done, kind, by, source_name, source_folder, place_name, place_folder, *rest = cells
    digest, size, mtime_ns, inode, action, label, probabilities, reason, undoes, correction, copied, number = rest
    return Row(
        kind, joined(source_name, source_folder), joined(place_name, place_folder), digest,
        Identity(inode, size, mtime_ns), action, label, tuple(json.loads(probabilities)), reason, undoes,
        correction, bool(copied), number, mark_of(token, number), session, by, planned, done,
    )  # fmt: skip


def mark_of(token: str, number: int) -> str:
    """Return what the names of a row's files under way begin with."""
    return f".skysort-{token}-{number}"
