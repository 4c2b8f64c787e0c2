"""Undo: moves in the opposite direction, made and written down like all others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.core.files import sha256
from skysort.data.parallel import groups
from skysort.work.journal import Journal
from skysort.work.journal_entries import By, JournalEntry, Kind, Settings, replaced
from skysort.work.mounts import Mounts
from skysort.work.moves import MoveResult, act, moving
from skysort.work.names import exists, free_place, identity
from skysort.work.settle import has_grown

ROWS_PER_BATCH = 200

OPPOSITE: dict[Kind, Kind] = {"move": "move", "copy": "remove", "remove": "copy"}


@dataclass(frozen=True)
class UndoResult:
    """The result of undoing a row."""

    row: JournalEntry
    """The row that was to be undone."""
    problem: str = ""
    """Why it was not undone; empty if it was."""
    place: Path | None = None
    """Where the picture is now."""
    correction: str | None = None
    """The true class, if the undo says it."""
    num_bytes_more: int = 0
    """How much the file has grown since the move."""


@dataclass(frozen=True)
class UndoRequest:
    """How to undo rows."""

    by: By = "undo"
    """`undo`, or `redo` for undoing an undo."""
    is_correction: bool = False
    """Whether a person picked each picture, which says that its move was wrong."""
    label: str | None = None
    """The true class of the pictures, according to a person."""
    is_new_class: bool = False
    """Whether the label may be a class that the classifier does not have."""
    keep: bool = False
    """Send pictures that the watcher did not keep on to its folder for pictures to keep, not back to the inbox."""


def take_back(journal: Journal, rows: Iterable[JournalEntry], request: UndoRequest) -> Iterator[UndoResult]:
    """Undo the moves of rows, in the order given. A picture returns to its old path if that is free.

    Args:
        journal: of the rows.
        rows: in effect. There may be many.
        request: how to undo them.

    Raises:
        NotUnderstoodError: when the label is no class of the classifier that labelled them.
    """
    settings: dict[int, Settings] = {}
    mounts = Mounts(journal.mounts())
    for batch in groups(rows, ROWS_PER_BATCH):
        for row in batch:
            if row.session not in settings:
                settings[row.session] = journal.settings(row.session)
                _check_label(request, settings[row.session].classes)
        with moving(journal) as leftovers:
            begun = {result.row.undoes: result.error for result in leftovers.unfinished}
            opposites: list[JournalEntry] = []
            taken: set[Path] = set()
            problems: list[UndoResult] = []
            for row in batch:
                try:
                    for path in (row.place,) if request.keep else row.paths:
                        mounts.check_above(path)
                    if error := begun.get(row.id):
                        raise error
                    opposite = _opposite(row, request, settings[row.session], taken)
                    mounts.check_above(opposite.place)
                    taken.add(opposite.place)
                    opposites.append(opposite)
                except (OSError, SkysortError) as error:
                    problems.append(UndoResult(row, getattr(error, "strerror", None) or str(error)))
            results = {result.row.undoes: result for result in act(journal, opposites)}
        yield from problems
        yield from (_undo_result(row, results[row.id]) for row in batch if row.id in results)


def _check_label(request: UndoRequest, classes: Sequence[str]) -> None:
    if request.label is not None and not request.is_new_class and request.label not in classes:
        error = unknown("class", request.label, classes)
        raise NotUnderstoodError(error.code, f"{error}; name a new class with --new-class instead of --label")


def _undo_result(row: JournalEntry, result: MoveResult) -> UndoResult:
    if result.end != "done":
        return UndoResult(row, str(result.error or "somebody took it away"))
    opposite = result.row
    return UndoResult(row, "", opposite.place, opposite.correction, opposite.file.size - row.file.size)


def corrected_label(row: JournalEntry, settings: Settings) -> str | None:
    """Return the true class of a picture whose move was wrong; None when several classes remain.

    A picture that was set aside is of a class to keep. One that was kept is of another class. One that was sorted
    is of any class but its label.
    """
    if row.label is None or row.action == "review":
        return None
    classes: Sequence[str]
    if row.action == "set-aside":
        classes = settings.keep
    elif row.action == "keep":
        classes = [name for name in settings.classes if name not in settings.keep]
    else:
        classes = [name for name in settings.classes if name != row.label]
    return classes[0] if len(classes) == 1 else None


def _opposite(row: JournalEntry, request: UndoRequest, settings: Settings, taken: set[Path]) -> JournalEntry:
    """Return the entry that undoes a row.

    Raises:
        OSError: when the picture is no longer where the row put it, or its old path is not free.
        SkysortError: when the watcher had no folder for pictures to keep.
    """
    kind = OPPOSITE[row.kind]
    try:
        file = identity(row.place)
        digest = sha256(row.place)
    except FileNotFoundError:
        raise OSError(f"it is no longer at {row.place}") from None
    if digest != row.digest and (kind != "move" or not has_grown(row.place, row)):
        raise OSError(f"another file is at {row.place}")
    place = row.source
    if request.keep:
        kind, place = "move", free_place(_place_to_keep(row, settings), taken)
    elif kind != "remove" and (place in taken or exists(place)):
        raise OSError(f"another file is at {place}; the picture stays at {row.place}")
    correction = request.label or (corrected_label(row, settings) if request.is_correction else None)
    return replaced(
        row, kind=kind, source=row.place, place=place, file=file, digest=digest, by=request.by, undoes=row.id,
        correction=correction, id=0, done=None, copied=False, audit_aside=None, audit_keep=None, coin=None,
        coin_row=None,
    )  # fmt: skip


def _place_to_keep(row: JournalEntry, settings: Settings) -> Path:
    """Return where the watcher would have put a picture to keep.

    Raises:
        SkysortError: when the watcher had no folder for those, or kept the picture already.
    """
    folders = {"set-aside": settings.folders.get("aside"), "review": settings.folders.get("review")}
    put_into, keep_to = folders.get(row.action), settings.folders.get("keep-to")
    if keep_to is None:
        raise SkysortError(
            "options-conflict", "that watch had no --keep-to; leave --keep out to return the picture to the inbox"
        )
    if put_into is None or not row.place.is_relative_to(put_into):
        raise SkysortError("nothing-to-undo", f"it was kept already, at {row.place}")
    return Path(keep_to, row.place.relative_to(put_into))
