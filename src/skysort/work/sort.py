"""Sorting a folder of pictures into one subfolder per class, with a journal."""

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
from skysort.work.batch import plan_and_move
from skysort.work.classify import ClassifiedFile, check_bound, classify, is_unsure, why_unsure
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, Settings
from skysort.work.mounts import mount_of
from skysort.work.moves import MoveResult, moving
from skysort.work.names import free_place, identity
from skysort.work.watch_options import check_apart, lock_of

FORBIDDEN = frozenset('/\\:*?"<>|')
"""Characters that some system refuses in the name of a folder."""
UNSURE = "unsure"
"""Subfolder of the pictures whose confidence is below the bound."""
NUM_LEAST_SURE = 5


@dataclass
class UnsortedFiles(SkippedFiles):
    """The files of the folder that were not sorted."""

    links: list[Path] = field(default_factory=list)
    """Paths through links to pictures elsewhere, which `--move` leaves there."""
    same: list[Path] = field(default_factory=list)
    """Further names of pictures that were sorted under another name."""

    def remarks(self) -> list[str]:
        """Return the lines to print, one per kind of file."""
        lines = super().remarks()
        if self.links:
            lines.append(
                f"{counted(len(self.links), 'picture')} behind links left alone: --move takes nothing out of other"
                f" folders; the first is {self.links[0]}"
            )
        if self.same:
            lines.append(
                f"{counted(len(self.same), 'further name')} of pictures that were sorted under another name;"
                f" the first is {self.same[0]}"
            )
        return lines


@dataclass
class SortResult:
    """The counts of one `sort`."""

    sorted_to: Counter[str] = field(default_factory=Counter)
    """Pictures copied or moved now, by the name of their subfolder."""
    least_sure: list[MoveResult] = field(default_factory=list)
    """The five of them with the lowest confidence, lowest first."""
    staying: int = 0
    """Pictures that got no class, or could not be copied or moved."""
    as_before: int = 0
    """Pictures that an earlier call copied, or whose move a person undid."""
    passed: UnsortedFiles = field(default_factory=UnsortedFiles)

    def add(self, result: MoveResult) -> None:
        """Count the result of one picture."""
        row = result.row
        if row.done:
            self.as_before += 1
        elif result.end == "done" and row.kind != "stay":
            self.sorted_to[UNSURE if row.action == "review" else row.label or ""] += 1
            self.least_sure = nsmallest(
                NUM_LEAST_SURE, [*self.least_sure, result], key=lambda one: max(one.row.probabilities)
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

    After an interruption the same call continues. A second call does nothing. The journal beside `to` records
    every move, and `skysort undo` takes them back.

    Args:
        classifier: a run folder, its `classifier/` folder, a copy of that, or a loaded classifier.
        folder: where the pictures are, at any depth.
        to: folder for the subfolders.
        move: move pictures instead of copying them.
        unsure_below: pictures whose confidence is below this go to the subfolder `unsure`.
        on_result: called with the result of each picture at once.

    Raises:
        NotUnderstoodError: when the folder does not exist, one folder lies in the other or in a journal, or
            `unsure_below` is not from 0 to 1.
        SkysortError: when a class cannot name a folder, or another process is at work on the folder.
    """
    result = SortResult()
    loaded = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    for moved in sort_pictures(
        loaded, Path(folder), Path(to), move=move, unsure_below=unsure_below, passed=result.passed
    ):
        result.add(moved)
        if on_result:
            on_result(moved)
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
    """Do the work of `sort`, and yield the result of each picture.

    It follows links to copy, and leaves them alone to move.

    Args:
        classifier: for the pictures.
        folder: where the pictures are, at any depth.
        to: folder for the subfolders.
        move: move pictures instead of copying them.
        unsure_below: pictures whose confidence is below this go to the subfolder `unsure`.
        passed: collects the files that are not sorted.

    Yields:
        One result per picture. A picture without a class has a row of kind `stay`, which is not in the journal. A
        picture that was copied before, or whose move a person undid, has its old row, which is `done`.

    Raises:
        NotUnderstoodError: as `sort`.
        SkysortError: as `sort`.
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
        # One file per folder: several folders may be sorted into one at the same time.
        name = f"attempts-{sha256(os.fsencode(folder)).hexdigest()[:12]}.json"
        sorter = _Sorter(
            classifier, folder, to, move, unsure_below, journal, journal.session(settings),
            Attempts(journal.folder / name),
        )  # fmt: skip
        with moving(journal) as leftovers:
            unfinished = {result.row.source: result for result in leftovers.unfinished}
        yield from unfinished.values()
        yield from sorter.sort(
            [path for path in sorter.pictures(passed or UnsortedFiles()) if path not in unfinished]
        )


@dataclass
class _Sorter:
    """Sorts one folder into another."""

    classifier: Classifier
    folder: Path
    to: Path
    move: bool
    unsure_below: float | None
    journal: Journal
    session: int
    attempts: Attempts
    names: dict[Path, Path] = field(default_factory=dict)
    """The links, below the folder, to pictures that are elsewhere; by the path of the picture."""

    def pictures(self, passed: UnsortedFiles) -> list[Path]:
        """Return the pictures, and add the other files to `passed`.

        A picture that has several names comes once: under its real name if that is below the folder, otherwise
        rather through a linked folder than as a link.
        """
        by_real_path: dict[str, Path] = {}
        with ExitStack() as archives:
            for name, _ in image_files([self.folder], archives, passed):
                path, real = Path(name), os.path.realpath(name)
                if self.move and real != name:
                    passed.links.append(path)
                elif (other := by_real_path.get(real)) is None:
                    by_real_path[real] = path
                elif real == name or (other.is_symlink() and not path.is_symlink()):
                    passed.same.append(other)
                    by_real_path[real] = path
                else:
                    passed.same.append(path)
        pictures = []
        for real, path in by_real_path.items():
            if path.is_symlink():
                self.names[Path(real)] = path
                path = Path(real)
            pictures.append(path)
        return pictures

    def sort(self, paths: list[Path]) -> Iterator[MoveResult]:
        """Sort pictures batch by batch. Suspects come last, each alone; so do pictures that lacked memory."""
        suspects = {path for path in paths if self.is_suspect(path)}
        batches = deque(groups((path for path in paths if path not in suspects), self.classifier.batch_size))
        batches.extend([path] for path in suspects)
        while batches:
            batch = batches.popleft()
            try:
                for result in self.sort_batch(batch):
                    if isinstance(result.error, MemoryError) and len(batch) > 1:
                        batches.append([result.row.source])
                    else:
                        yield result
            except (SkysortError, OSError):
                raise
            except Exception as error:  # unforeseen: find the picture that it is about
                if len(batch) > 1:
                    batches.extendleft([path] for path in reversed(batch))
                else:
                    yield MoveResult(_unread(batch[0]), "not done", error)

    def is_suspect(self, path: Path) -> bool:
        """Tell whether a process died while it classified a picture."""
        try:
            return self.attempts.is_suspect(path, identity(path))
        except OSError:
            return False

    def sort_batch(self, batch: list[Path]) -> list[MoveResult]:
        """Classify a batch of pictures, plan their moves, make them; return one result per picture."""
        before = {path: row for path in batch if (row := self.sorted_before(path))}
        files, failed = classify(self.classifier, [path for path in batch if path not in before], self.attempts)
        mounts = {folder: mount_of(folder) for folder in (self.folder, self.to)}
        results, begun = plan_and_move(self.journal, mounts, files, self.plan)
        staying = [file for file in files if file.prediction.label is None and file.path not in begun]
        return [
            *results,
            *begun.values(),
            *(MoveResult(row, "done") for row in before.values()),
            *(MoveResult(file.entry("stay", file.path, self.session, "sort"), "done") for file in staying),
            *(MoveResult(_unread(path), "not done", error) for path, error in failed.items()),
        ]

    def sorted_before(self, path: Path) -> JournalEntry | None:
        """Return the row of an earlier copy of a picture, or of an undo that put it here."""
        try:
            file = identity(path)
        except OSError:
            return None
        for row in (self.journal.put_at(path), self.journal.taken_from(path)):
            is_settled = row and (row.by == "undo" or (row.kind == "copy" and row.session == self.session))
            if row and is_settled and (row.file.size, row.file.mtime_ns) == (file.size, file.mtime_ns):
                return row
        return None

    def plan(self, file: ClassifiedFile, taken: set[Path]) -> JournalEntry | None:
        """Plan the move of a file; None for one without a label, which stays and gets no row.

        Args:
            file: classified.
            taken: places of other files.
        """
        subfolder, action, reason = file.prediction.label, "", None
        if subfolder is None:
            return None
        if is_unsure(file.prediction, self.unsure_below):
            # Review: if somebody undoes it, that does not mean that the label was wrong.
            subfolder, action, reason = UNSURE, "review", why_unsure(file.prediction, self.unsure_below)
        name = self.names.get(file.path, file.path).relative_to(self.folder)
        place = free_place(self.to / subfolder / name, taken)
        return file.entry("move" if self.move else "copy", place, self.session, "sort", action, reason)


def _check_names(classifier: Classifier, unsure_below: float | None) -> None:
    """Make sure that every class can name a folder, and that none is called `unsure` if that folder is needed.

    Raises:
        NotUnderstoodError: when a class is called `unsure`.
        SkysortError: when a class cannot name a folder.
    """
    for name in classifier.classes:
        if FORBIDDEN & set(name) or not name.isprintable() or name.strip(". ") != name:
            raise SkysortError("class-not-a-folder-name", f"the class {name!r} cannot be the name of a folder")
        if unsure_below is not None and name.casefold() == UNSURE:
            raise NotUnderstoodError(
                "options-conflict",
                f"the class {name!r} has the name of the folder for unsure pictures; leave --unsure-below out",
            )


def _unread(path: Path) -> JournalEntry:
    """Return an entry that stands for a file that could not be read. It is never written."""
    return JournalEntry("stay", path, path, "", Identity(0, 0, 0))
