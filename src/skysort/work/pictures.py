"""The pictures in a journal: how each arrived, where it is now, and what people said that it shows."""

from heapq import merge

from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry


class Pictures:
    """The pictures in a journal, each known by the number of the row in which it arrived.

    Args:
        journal: whose rows and answers are read at once.
    """

    def __init__(self, journal: Journal) -> None:
        self.arrivals: list[JournalEntry] = []
        """The arrivals of audits, in their order."""
        self._undoing = journal.undoing()
        self._arrival_of: dict[int, int] = {}
        self._last: dict[int, JournalEntry] = {}
        for row in merge(journal.arrivals(), self._undoing, key=lambda row: row.id):
            self._add(row)
        self.labels = self._labels(journal)
        """The answer that counts for each picture that has one, a class, `other` or `?`: newest answers first."""

    def arrival_of(self, number: int) -> int:
        """Return the number of the row in which the picture of a row arrived."""
        return self._arrival_of.get(number, number)

    def last(self, arrival: JournalEntry) -> JournalEntry:
        """Return the newest row of the picture of an arrival."""
        return self._last.get(arrival.id, arrival)

    def _add(self, row: JournalEntry) -> None:
        """Add an arrival or an undo. All earlier ones are there."""
        if row.undoes is None:
            self.arrivals.append(row)
            return
        number = self.arrival_of(row.undoes)
        self._arrival_of[row.id] = number
        self._last[number] = row

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
