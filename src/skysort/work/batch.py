"""Files whose classes are known, moved as one batch. `watch` and `sort` share this step; each has its own plan."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from skysort.work.classify import ClassifiedFile
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.moves import MoveResult, act, moving

Plan = Callable[[ClassifiedFile, set[Path]], JournalEntry | None]
"""Plans the move of a file to a place that is not in the set; None for a file that gets no row."""


def plan_and_move(
    journal: Journal, mounts: Mapping[Path, Path], files: Sequence[ClassifiedFile], plan: Plan
) -> tuple[list[MoveResult], dict[Path, MoveResult]]:
    """Plan a move for each file, and make the moves.

    A file with a move that an earlier process left unfinished gets no second one. Nor does a file whose move was
    finished just now: it was classified before that, and may be elsewhere.

    Args:
        journal: for the moves.
        mounts: the mount points of the folders that pictures come from and go to, for the journal.
        files: classified.
        plan: of one file.

    Returns:
        The results of the moves; and by their paths, the files that have an earlier move, with its result.
    """
    with moving(journal) as leftovers:
        journal.note_mounts(mounts)
        begun = leftovers.by_path()
        entries: list[JournalEntry] = []
        taken: set[Path] = set()
        for file in files:
            if file.path not in begun and (entry := plan(file, taken)):
                entries.append(entry)
                taken.add(entry.place)
        results = act(journal, entries)
    return results, {file.path: begun[file.path] for file in files if file.path in begun}
