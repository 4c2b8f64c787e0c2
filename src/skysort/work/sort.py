"""A folder of pictures sorted into one subfolder per class, through the same journal as all that is moved."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import nsmallest
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import sync_folder, writing
from skysort.core.locks import locked
from skysort.core.text import counted
from skysort.data.parallel import groups
from skysort.data.sources.base import SkippedFiles, image_files
from skysort.work.attempts import Attempts
from skysort.work.classify import ClassifiedFile, check_bound, is_unsure, judge, why_unsure
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, Settings, replaced
from skysort.work.mounts import mount_of
from skysort.work.moves import MoveResult, act, moving
from skysort.work.names import free_place, identity
from skysort.work.watch_options import check_apart, lock_of

FORBIDDEN = frozenset('/\\:*?"<>|')
"""In the name of a folder, on one system or another."""
UNSURE = "unsure"
"""Folder of the pictures whose likeliest class is not likely enough."""
NUM_LEAST_SURE = 5


@dataclass
class UnsortedFiles(SkippedFiles):
    """What was found besides the pictures that are sorted."""

    links: list[Path] = field(default_factory=list)
    """Pictures that lie elsewhere, behind a link, and are not moved away from there."""
    same: list[Path] = field(default_factory=list)
    """Further names of pictures that are copied under another one."""

    def remarks(self) -> list[str]:
        """Return lines to print, none for nothing."""
        lines = super().remarks()
        if self.links:
            is_or_are = "lies" if len(self.links) == 1 else "lie"
            lines.append(
                f"{counted(len(self.links), 'picture')} {is_or_are} behind a link and stayed there, since --move"
                f" takes nothing out of other folders; the first is {self.links[0]}"
            )
        if self.same:
            leads = "name leads to a picture that is" if len(self.same) == 1 else "names lead to pictures that are"
            lines.append(
                f"{len(self.same):,} {leads} sorted under another name, and sorted once;"
                f" the first is {self.same[0]}"
            )
        return lines


@dataclass
class SortResult:
    """What `sort` did."""

    sorted_to: Counter[str] = field(default_factory=Counter)
    """Pictures copied or moved now, by the name of their subfolder."""
    least_sure: list[MoveResult] = field(default_factory=list)
    """Those of them with the least likely labels, the least likely first."""
    staying: int = 0
    """Pictures that got no class, or could not be copied or moved."""
    as_before: int = 0
    """Pictures that were copied before, or that a person took back."""
    passed: UnsortedFiles = field(default_factory=UnsortedFiles)

    def add(self, outcome: MoveResult) -> None:
        """Count what came of one picture."""
        row = outcome.row
        if row.done:
            self.as_before += 1
        elif outcome.end == "done" and row.kind != "stay":
            self.sorted_to[UNSURE if row.action == "review" else row.label or ""] += 1
            self.least_sure = nsmallest(
                NUM_LEAST_SURE, [*self.least_sure, outcome], key=lambda one: max(one.row.probabilities)
            )
        else:
            self.staying += 1


def sort(
    classifier: str | PathLike[str] | Classifier,
    folder: str | PathLike[str],
    to: str | PathLike[str],
    *,
    move: bool = False,
    unsure_below: float | None = None,
    on_result: Callable[[MoveResult], None] | None = None,
) -> SortResult:
    """Copy or move each picture below a folder into the subfolder of its class. Pictures without a class stay.

    Interrupted, the same call continues; done again, it does nothing. The journal beside `to` records every move,
    and `skysort undo` takes them back.

    Args:
        classifier: a run folder, its `classifier/` folder, a copy of that, or a loaded classifier.
        folder: where the pictures are, at any depth.
        to: folder for the subfolders.
        move: move pictures instead of copying them.
        unsure_below: pictures whose confidence is below this go to the subfolder `unsure`.
        on_result: called with what came of each picture, as it is done.

    Raises:
        NotUnderstoodError: when there is no such folder, one lies in the other or in a journal, or the bound is
            not from 0 to 1.
        SkysortError: when a class cannot be the name of a folder, or another process is at work.
    """
    result = SortResult()
    loaded = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    for outcome in sort_pictures(
        loaded, Path(folder), Path(to), move=move, unsure_below=unsure_below, passed=result.passed
    ):
        result.add(outcome)
        if on_result:
            on_result(outcome)
    return result


def sort_pictures(
    classifier: Classifier,
    folder: Path,
    to: Path,
    *,
    move: bool = False,
    unsure_below: float | None = None,
    passed: UnsortedFiles | None = None,
) -> Iterator[MoveResult]:
    """Copy or move each picture below a folder into the subfolder of its class. What got no class stays.

    Interrupted, the same call goes on; done again, it does nothing. Links are followed to copy, and left alone to
    move.

    Args:
        classifier: that says what is on a picture.
        folder: where pictures are, at any depth.
        to: where the subfolders are made.
        move: move pictures; else they are copied.
        unsure_below: where the likeliest class has a smaller probability than this, a picture goes to the
            subfolder `unsure`; None for none.
        passed: is filled with what was found besides.

    Yields:
        What came of each picture; those that got no class have a row of kind `stay`, which is not written down.
        One that was copied before, or that a person took back, comes with the journal's row, which is `done`.

    Raises:
        NotUnderstoodError: when there is no such folder, both are in one another or in a journal, or the bound is
            not from 0 to 1.
        SkysortError: when a class cannot be the name of a folder, or another process is at work.
    """
    if not folder.is_dir():
        raise NotUnderstoodError("path-not-found", f"{folder}: no such folder")
    folder, to = folder.resolve(), to.resolve()
    check_bound(unsure_below)
    check_apart({"the folder": folder, "--to": to}, to)
    _check_names(classifier, unsure_below)
    settings = Settings(
        "sort", classifier.digest, classifier.classes, folders={"to": str(to)}, unsure_below=unsure_below
    )
    with writing(to):
        to.mkdir(exist_ok=True)
        sync_folder(to.parent)
    with locked(lock_of(folder)), Journal(to, make=True) as journal:
        session = journal.session(settings)
        # One for each folder, since several may be sorted into one at the same time.
        attempts = Attempts(journal.folder / f"sorting-{sha256(os.fsencode(folder)).hexdigest()[:12]}.json")
        sorting = _Sorting(classifier, folder, to, move, unsure_below, journal, session, attempts)
        with moving(journal) as left:
            unsettled = {outcome.row.source: outcome for outcome in left if outcome.end is None}
        yield from unsettled.values()
        paths = [path for path in sorting.pictures(passed or UnsortedFiles()) if path not in unsettled]
        suspects = {path for path in paths if sorting.is_suspect(path)}
        bursts = deque(groups((path for path in paths if path not in suspects), classifier.batch_size))
        bursts.extend([path] for path in suspects)
        while bursts:
            burst = bursts.popleft()
            try:
                for outcome in sorting.sort(burst):
                    if isinstance(outcome.error, MemoryError) and len(burst) > 1:
                        bursts.append([outcome.row.source])  # again, alone and after the others
                    else:
                        yield outcome
            except (SkysortError, OSError):
                raise
            except Exception as error:  # nobody foresaw it, and it is one picture's
                if len(burst) > 1:
                    bursts.extendleft([path] for path in reversed(burst))
                else:
                    yield MoveResult(_not_read(burst[0]), "not done", error)


@dataclass
class _Sorting:
    """One folder sorted into another."""

    classifier: Classifier
    folder: Path
    to: Path
    move: bool
    unsure_below: float | None
    journal: Journal
    session: int
    attempts: Attempts
    names: dict[Path, Path] = field(default_factory=dict)
    """Under what path below the folder a picture is found that is not there itself, but behind a link."""

    def pictures(self, passed: UnsortedFiles) -> list[Path]:
        """Return the pictures; what is found besides is added to what was passed over.

        A picture that is found under several names comes once: under its real one if that is among them, else
        rather through a linked folder than as a link.
        """
        found: dict[str, Path] = {}
        with ExitStack() as archives:
            for name, _ in image_files([self.folder], archives, passed):
                path, real = Path(name), os.path.realpath(name)
                if self.move and real != name:
                    passed.links.append(path)
                elif (other := found.get(real)) is None:
                    found[real] = path
                elif real == name or (other.is_symlink() and not path.is_symlink()):
                    passed.same.append(other)
                    found[real] = path
                else:
                    passed.same.append(path)
        pictures = []
        for real, path in found.items():
            if path.is_symlink():
                self.names[Path(real)] = path
                path = Path(real)
            pictures.append(path)
        return pictures

    def is_suspect(self, path: Path) -> bool:
        """Tell whether a process died while it judged a picture."""
        try:
            return self.attempts.is_suspect(path, identity(path))
        except OSError:
            return False

    def sort(self, burst: list[Path]) -> list[MoveResult]:
        """Sort some pictures; return what came of each."""
        known = {path: row for path in burst if (row := self.sorted_before(path))}
        judged, failed = judge(self.classifier, [path for path in burst if path not in known], self.attempts)
        with moving(self.journal) as left:  # by others, since it began
            begun = {path: outcome for outcome in left for path in (outcome.row.source, outcome.row.place)}
            taken: set[Path] = set()
            rows = [self.intended(picture, taken) for picture in judged if picture.path not in begun]
            self.journal.note_mounts({where: mount_of(where) for where in (self.folder, self.to)})
            outcomes = act(self.journal, [row for row in rows if row.kind != "stay"])
        outcomes += [MoveResult(row, "done") for row in known.values()]
        outcomes += [begun[picture.path] for picture in judged if picture.path in begun]
        outcomes += [MoveResult(row, "done") for row in rows if row.kind == "stay"]
        return outcomes + [MoveResult(_not_read(path), "not done", error) for path, error in failed.items()]

    def sorted_before(self, path: Path) -> JournalEntry | None:
        """Return the row by which a picture was copied before, or a person took it back."""
        try:
            file = identity(path)
        except OSError:
            return None
        for row in (self.journal.put_at(path), self.journal.taken_from(path)):
            is_settled = row and (row.by == "undo" or (row.kind == "copy" and row.session == self.session))
            if row and is_settled and (row.file.size, row.file.mtime_ns) == (file.size, file.mtime_ns):
                return row
        return None

    def intended(self, picture: ClassifiedFile, taken: set[Path]) -> JournalEntry:
        """Return what to do with a picture; its place is added to those taken."""
        label, action, reason = picture.prediction.label, "", None
        if label is None:
            row = picture.row("stay", picture.path)
        else:
            if is_unsure(picture.prediction, self.unsure_below):
                # To look at: when it is taken back, nobody has said that the label was wrong.
                label, action, reason = UNSURE, "review", why_unsure(picture.prediction, self.unsure_below)
            name = self.names.get(picture.path, picture.path).relative_to(self.folder)
            place = free_place(self.to / label / name, taken)
            taken.add(place)
            row = picture.row("move" if self.move else "copy", place, action, reason)
        return replaced(row, session=self.session, by="sort")


def _check_names(classifier: Classifier, unsure_below: float | None) -> None:
    """Make sure that every class can be a folder, and that none is the folder of what is unsure."""
    for name in classifier.classes:
        if FORBIDDEN & set(name) or not name.isprintable() or name.strip(". ") != name:
            raise SkysortError("class-not-a-folder-name", f"the class {name!r} cannot be the name of a folder")
        if unsure_below is not None and name.casefold() == UNSURE:
            raise NotUnderstoodError(
                "options-conflict",
                f"the class {name!r} has the name of the folder that --unsure-below needs;"
                " leave --unsure-below out",
            )


def _not_read(path: Path) -> JournalEntry:
    return JournalEntry("stay", path, path, "", Identity(0, 0, 0))
