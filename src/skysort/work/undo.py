"""Taking back what was done with pictures, which is done, and written down, like everything else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import SkysortError, unknown
from skysort.core.files import sha256
from skysort.data.parallel import groups
from skysort.work.journal import Journal
from skysort.work.journal_entries import By, JournalEntry, Kind, Settings, replaced
from skysort.work.mounts import Mounts
from skysort.work.moves import act, moving
from skysort.work.names import free_place, identity, stands
from skysort.work.settle import has_grown

AT_A_TIME = 200

OPPOSITE: dict[Kind, Kind] = {"move": "move", "copy": "remove", "remove": "copy"}


@dataclass(frozen=True)
class UndoResult:
    """What came of taking back a row."""

    row: JournalEntry
    """That was to be taken back."""
    problem: str = ""
    """Why it was not; empty when it was."""
    place: Path | None = None
    """Where the picture is since."""
    correction: str | None = None
    """What the picture is held for since."""
    num_bytes_more: int = 0
    """By how much the file has grown since it was put where it was."""


@dataclass(frozen=True)
class UndoRequest:
    """How to take back rows."""

    by: By = "undo"
    """`undo`, or `redo` for taking back what was undone."""
    is_correction: bool = False
    """Whether a person picked each picture, which says that what was done with it was wrong."""
    label: str | None = None
    """What a person says that the pictures are."""
    keep: bool = False
    """Send pictures that the watcher did not keep to where it puts those to keep, not back to the inbox."""


def take_back(journal: Journal, rows: Iterable[JournalEntry], wish: UndoRequest) -> Iterator[UndoResult]:
    """Take back what rows did, in the order given: pictures return to where they were, if nothing stands there.

    Args:
        journal: that the rows are from.
        rows: in effect; may be many.
        wish: how.

    Raises:
        NotUnderstoodError: when the label is no class of the classifier that judged them.
    """
    settings: dict[int, Settings] = {}
    drives = Mounts(journal.mounts())
    for some in groups(rows, AT_A_TIME):
        for row in some:
            if row.session not in settings:
                settings[row.session] = journal.settings(row.session)
                if wish.label is not None and wish.label not in settings[row.session].classes:
                    raise unknown("class", wish.label, settings[row.session].classes)
        with moving(journal) as left:
            begun = {outcome.row.undoes: outcome.error for outcome in left if outcome.end is None}
            taken: set[Path] = set()
            back: list[JournalEntry] = []
            problems: list[UndoResult] = []
            for row in some:
                try:
                    for path in (row.place,) if wish.keep else (row.place, row.source):
                        drives.check_of(path)
                    if error := begun.get(row.id):
                        raise error
                    opposite = _opposite(row, wish, settings[row.session], taken)
                    drives.check_of(opposite.place)
                    taken.add(opposite.place)
                    back.append(opposite)
                except (OSError, SkysortError) as error:
                    problems.append(UndoResult(row, getattr(error, "strerror", None) or str(error)))
            outcomes = {outcome.row.undoes: outcome for outcome in act(journal, back)}
        yield from problems
        for row in some:
            if outcome := outcomes.get(row.id):
                new = outcome.row
                if outcome.end != "done":
                    yield UndoResult(row, str(outcome.error or "it was taken away by somebody"))
                else:
                    yield UndoResult(row, "", new.place, new.correction, new.file.size - row.file.size)


def corrected_label(row: JournalEntry, settings: Settings) -> str | None:
    """Return what a picture must be, if what was done with it was wrong; None when that leaves several classes.

    What was set aside is one of the classes to keep; what was kept is none of them; what was sorted is of another
    class than that.
    """
    if row.label is None or row.action == "review":
        return None
    left: Sequence[str]
    if row.action == "set-aside":
        left = settings.keep
    elif row.action == "keep":
        left = [name for name in settings.classes if name not in settings.keep]
    else:
        left = [name for name in settings.classes if name != row.label]
    return left[0] if len(left) == 1 else None


def _opposite(row: JournalEntry, wish: UndoRequest, settings: Settings, taken: set[Path]) -> JournalEntry:
    """Return the row that takes one back.

    Raises:
        OSError: when the picture is no longer where it was put, or its place is taken.
        SkysortError: when pictures to keep have no folder of their own.
    """
    kind = OPPOSITE[row.kind]
    try:
        file = identity(row.place)
        digest = sha256(row.place)
    except FileNotFoundError:
        raise OSError(f"it is no longer at {row.place}") from None
    if digest != row.digest and (kind != "move" or not has_grown(row.place, row)):
        raise OSError(f"what is at {row.place} is not what was put there")
    place = row.source
    if wish.keep:
        kind, place = "move", free_place(_place_to_keep(row, settings), taken)
    elif kind != "remove" and (place in taken or stands(place)):
        raise OSError(f"something else stands at {place}; it stays at {row.place}")
    correction = wish.label or (corrected_label(row, settings) if wish.is_correction else None)
    return replaced(
        row, kind=kind, source=row.place, place=place, file=file, digest=digest, by=wish.by, undoes=row.id,
        correction=correction, id=0, done=None, copied=False,
    )  # fmt: skip


def _place_to_keep(row: JournalEntry, settings: Settings) -> Path:
    """Return where a picture would have gone, had it been one to keep."""
    folders = {"set-aside": settings.folders.get("aside"), "review": settings.folders.get("review")}
    put_into, keep_to = folders.get(row.action), settings.folders.get("keep-to")
    if keep_to is None:
        raise SkysortError(
            "options-conflict", "that watch had no --keep-to; take it back without --keep: it returns to the inbox"
        )
    if put_into is None or not row.place.is_relative_to(put_into):
        raise SkysortError("nothing-to-undo", f"it was kept already, at {row.place}")
    return Path(keep_to, row.place.relative_to(put_into))
