"""A folder of pictures sorted into a subfolder a class, through the same journal as everything that is moved."""

from collections.abc import Iterator
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.errors import NotUnderstoodError, SkysortError
from skysort.files import locked, sync_folder, writing
from skysort.pictures.listing import natural
from skysort.pictures.parallel import groups
from skysort.work.attempts import Attempts
from skysort.work.drives import mount_of
from skysort.work.inbox import pictures_below
from skysort.work.journal import Journal
from skysort.work.journal_rows import Identity, Row, Settings, replaced
from skysort.work.judge import Judged, judge
from skysort.work.move import Outcome, act, moving
from skysort.work.names import free_place, identity
from skysort.work.order import lock_of

FORBIDDEN = frozenset('/\\:*?"<>|')
"""In the name of a folder, on one system or another."""


def sort_pictures(classifier: Classifier, folder: Path, to: Path, *, move: bool = False) -> Iterator[Outcome]:
    """Copy or move each picture below a folder into the subfolder of its class. What got no class stays.

    Interrupted, the same call goes on; done again, it does nothing.

    Yields:
        What came of each picture; those that got no class have a row of kind `stay`, which is not written down.
        One that was copied before, or that a person took back, comes with the journal's row, which is `done`.

    Raises:
        NotUnderstoodError: when there is no such folder, or both are in one another.
        SkysortError: when a class cannot be the name of a folder, or another process is at work.
    """
    if not folder.is_dir():
        raise NotUnderstoodError(f"{folder}: no such folder")
    folder, to = folder.resolve(), to.resolve()
    if folder.is_relative_to(to) or to.is_relative_to(folder):
        raise NotUnderstoodError(f"{to} and {folder} must not be in one another")
    for name in classifier.classes:
        if FORBIDDEN & set(name) or not name.isprintable() or name.strip(". ") != name:
            raise SkysortError(f"the class {name!r} cannot be the name of a folder")
    settings = Settings("sort", classifier.digest, classifier.classes, folders={"to": str(to)})
    with writing(to):
        to.mkdir(exist_ok=True)
        sync_folder(to.parent)
    with locked(lock_of(folder)), Journal(to, make=True) as journal:
        session = journal.session(settings)
        attempts = Attempts(journal.folder / "sorting.json")
        with moving(journal) as left:
            unsettled = {outcome.row.source: outcome for outcome in left if outcome.end is None}
        yield from unsettled.values()
        paths = sorted(set(pictures_below(folder)) - unsettled.keys(), key=lambda path: natural(str(path)))
        for some in groups(paths, classifier.batch_size):
            known = {path: row for path in some if (row := _sorted_before(path, journal, session))}
            yield from (Outcome(row, "done") for row in known.values())
            judged, failed = judge(classifier, [path for path in some if path not in known], attempts)
            with moving(journal) as left:  # by others, since it began
                settled = {outcome.row.source: outcome for outcome in left if outcome.end != "not done"}
                judged = [picture for picture in judged if picture.path not in settled]
                taken: set[Path] = set()
                rows = [_intended(picture, folder, to, taken, move=move) for picture in judged]
                rows = [replaced(row, session=session, by="sort") for row in rows]
                journal.note_mounts({where: mount_of(where) for where in (folder, to)})
                outcomes = act(journal, [row for row in rows if row.kind != "stay"])
            yield from (outcome for path, outcome in settled.items() if path in some)
            yield from outcomes
            yield from (Outcome(row, "done") for row in rows if row.kind == "stay")
            yield from (Outcome(_not_read(path), "not done", error) for path, error in failed.items())


def _sorted_before(path: Path, journal: Journal, session: int) -> Row | None:
    """Return the row by which a picture was copied before, or a person took it back."""
    put, copied = journal.put_at(path), journal.taken_from(path)
    rows = [row for row in (put, copied) if row]
    try:
        file = identity(path)
    except OSError:
        return None
    matching = (
        row
        for row in rows
        if (row.by == "undo" or (row.kind == "copy" and row.session == session))
        and (row.file.size, row.file.mtime_ns) == (file.size, file.mtime_ns)
    )
    return next(matching, None)


def _not_read(path: Path) -> Row:
    return Row("stay", path, path, "", Identity(0, 0, 0))


def _intended(picture: Judged, folder: Path, to: Path, taken: set[Path], *, move: bool) -> Row:
    label = picture.prediction.label
    if label is None:
        return picture.row("stay", picture.path)
    place = free_place(to / label / picture.path.relative_to(folder), taken)
    taken.add(place)
    return picture.row("move" if move else "copy", place)
