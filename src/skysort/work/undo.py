"""Taking back what was done with pictures, which is done, and written down, like everything else."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skysort.errors import SkysortError, unknown
from skysort.files import sha256
from skysort.pictures.parallel import groups
from skysort.work.drives import Drives
from skysort.work.journal import Journal
from skysort.work.journal_rows import By, Kind, Row, Settings, replaced
from skysort.work.move import act, moving
from skysort.work.names import identity

AT_A_TIME = 200

OPPOSITE: dict[Kind, Kind] = {"move": "move", "copy": "remove", "remove": "copy"}


@dataclass(frozen=True)
class TakenBack:
    """What came of taking back a row."""

    row: Row
    """That was to be taken back."""
    problem: str = ""
    """Why it was not; empty when it was."""
    correction: str | None = None
    """What the picture is held for since."""


def take_back(journal: Journal, rows: Iterable[Row], by: By, label: str | None = None) -> Iterator[TakenBack]:
    """Take back what rows did, in the order given: pictures return to where they were, if nothing stands there.

    Args:
        journal: that the rows are from.
        rows: in effect; may be many.
        by: `undo`, or `redo` for taking back what was undone.
        label: what a person says that the pictures are; else what their having been taken back tells.

    Raises:
        NotUnderstoodError: when the label is no class of the classifier that judged them.
    """
    settings: dict[int, Settings] = {}
    drives = Drives(journal.mounts())
    for some in groups(rows, AT_A_TIME):
        for row in some:
            if row.session not in settings:
                settings[row.session] = journal.settings(row.session)
                if label is not None and label not in settings[row.session].classes:
                    raise unknown("class", label, settings[row.session].classes)
        with moving(journal) as left:
            begun = {outcome.row.undoes: outcome.error for outcome in left if outcome.end is None}
            taken: set[Path] = set()
            back: list[Row] = []
            problems: list[TakenBack] = []
            for row in some:
                corrected = None if by == "redo" else label or corrected_label(row, settings[row.session])
                try:
                    for path in (row.source, row.place):
                        drives.check_of(path)
                    if error := begun.get(row.id):
                        raise error
                    back.append(_opposite(row, by, corrected, taken))
                except (OSError, SkysortError) as error:
                    problems.append(TakenBack(row, getattr(error, "strerror", None) or str(error)))
            outcomes = {outcome.row.undoes: outcome for outcome in act(journal, back)}
        yield from problems
        for row in some:
            if outcome := outcomes.get(row.id):
                problem = "" if outcome.end == "done" else str(outcome.error or "it was taken away by somebody")
                yield TakenBack(row, problem, None if problem else outcome.row.correction)


def corrected_label(row: Row, settings: Settings) -> str | None:
    """Return what a picture must be, if what was done with it was wrong; None when that leaves several classes.

    What was set aside is one of the classes to keep; what was kept is none of them; what was sorted is of another
    class than that.
    """
    if row.label is None or row.action == "look":
        return None
    left: Sequence[str]
    if row.action == "set-aside":
        left = settings.keep
    elif row.action == "keep":
        left = [name for name in settings.classes if name not in settings.keep]
    else:
        left = [name for name in settings.classes if name != row.label]
    return left[0] if len(left) == 1 else None


def _opposite(row: Row, by: By, correction: str | None, taken: set[Path]) -> Row:
    """Return the row that takes one back.

    Raises:
        OSError: when the picture is no longer where it was put, or its place is taken.
    """
    kind = OPPOSITE[row.kind]
    try:
        file = identity(row.place)
        digest = sha256(row.place)
    except FileNotFoundError:
        raise OSError(f"it is no longer at {row.place}") from None
    if digest != row.digest:
        raise OSError(f"what is at {row.place} is not what was put there")
    if kind != "remove":
        if row.source in taken or os.path.lexists(row.source):
            raise OSError(f"something else stands at {row.source}; it stays at {row.place}")
        taken.add(row.source)
    return replaced(
        row, kind=kind, source=row.place, place=row.source, file=file, digest=digest, by=by, undoes=row.id,
        correction=correction, id=0, done=None,
    )  # fmt: skip
