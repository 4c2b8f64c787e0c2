"""The pictures in a journal: how each arrived, where it is now, and what people said that it shows."""

from collections.abc import Callable, Iterable
from heapq import merge
from pathlib import Path

from skysort.work.groups import GroupedArrivals
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings


class Pictures:
    """The pictures in a journal, each known by the number of the row in which it arrived.

    A picture that is sorted again where an earlier move left it, such as one that stayed in the inbox while the
    folders of the watcher changed, is the same arrival: under one decision, it counts once.

    Args:
        journal: whose rows and answers are read at once.
        rows: in which pictures arrived, oldest first; those of audits if not given.
        under: gives equal values for sessions that count as one for a picture; the promise if not given.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterable[JournalEntry] | None = None,
        under: Callable[[Settings], tuple[object, ...]] = lambda settings: settings.promise,
    ) -> None:
        self.arrivals: list[JournalEntry] = []
        """The arrivals, in their order."""
        self._under_session = under
        self._undoing = journal.undoing()
        self._arrival_of: dict[int, int] = {}
        self._settings: dict[int, Settings] = {}
        self._under: dict[int, tuple[object, ...]] = {}
        """The promise that each arrival came under."""
        self.groups = GroupedArrivals()
        """Of the arrivals under decisions that count groups."""
        self._here: dict[tuple[tuple[object, ...], str, Path], int] = {}
        """The arrival of the picture that is at a path, by promise, digest and path."""
        self._last: dict[int, JournalEntry] = {}
        for row in merge(journal.arrivals() if rows is None else rows, self._undoing, key=lambda row: row.id):
            self._add(journal, row)
        self.labels = self._labels(journal)
        """The answer that counts for each picture that has one, a class, `other` or `?`: newest answers first."""

    def arrival_of(self, number: int) -> int:
        """Return the number of the row in which the picture of a row arrived."""
        return self._arrival_of.get(number, number)

    def is_drawn(self, arrival: JournalEntry) -> bool:
        """Tell whether a person is asked to look at an arrival, or at its group."""
        group = self.groups.by_row.get(arrival.id)
        return arrival.is_drawn if group is None else group.is_drawn

    def last(self, arrival: JournalEntry) -> JournalEntry:
        """Return the newest row of the picture of an arrival."""
        return self._last.get(arrival.id, arrival)

    def _add(self, journal: Journal, row: JournalEntry) -> None:
        """Add an arrival or an undo. All earlier ones are there."""
        if row.undoes is not None:
            number = self.arrival_of(row.undoes)
        else:
            if row.session not in self._settings:
                self._settings[row.session] = journal.settings(row.session)
            settings = self._settings[row.session]
            promise = self._under_session(settings)
            number = self._here.get((promise, row.digest, row.source), row.id)
            if number == row.id:
                self.arrivals.append(row)
                self._under[number] = promise
                self.groups.add(row, settings)
        if number != row.id:
            self._arrival_of[row.id] = number
            self._last[number] = row
        if number in self._under:
            self._follow(self._under[number], number, row)

    def _follow(self, promise: tuple[object, ...], number: int, row: JournalEntry) -> None:
        """Note where the picture of an arrival is after a row."""
        if row.kind == "copy":
            self._here[promise, row.digest, row.source] = number
        else:
            self._here.pop((promise, row.digest, row.source), None)
        self._here[promise, row.digest, row.place] = number

    def _labels(self, journal: Journal) -> dict[int, str]:
        """Return the answers that count.

        An answer to a picture counts, and so does a correction by undo: the later of the two if there are both.
        The numbers of rows say which that is, since a clock may be set back.
        """
        labels: dict[int, tuple[tuple[int, int], str]] = {}
        undone = {row.undoes for row in self._undoing}
        for row in self._undoing:
            if row.correction is not None and row.id not in undone:
                labels[self.arrival_of(row.id)] = ((row.id, 0), row.correction)
        for answer in sorted(journal.answers.latest().values(), key=lambda answer: answer.id):
            number, event = self.arrival_of(answer.row), (answer.after, answer.id)
            if number not in labels or event > labels[number][0]:
                labels[number] = (event, answer.label)
        newest_first = sorted(labels.items(), key=lambda item: item[1][0], reverse=True)
        return {number: label for number, (_, label) in newest_first}
