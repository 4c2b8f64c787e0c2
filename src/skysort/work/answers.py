"""What people say that pictures show: answers, each an event of its own in the journal."""

import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from skysort.work.journal_columns import is_time
from skysort.work.journal_database import JournalDatabase
from skysort.work.journal_entries import CellError
from skysort.work.journal_file import journal_errors

CANNOT_TELL = "?"
OTHER = "other"
"""The answer for a picture of none of the classes, unless a class has this name."""


def names_class(label: str, classes: Collection[str]) -> bool:
    """Tell whether an answer names a class, which may be a new one.

    Args:
        label: the answer.
        classes: of the classifier that decided about the picture.
    """
    return label in classes or label not in (OTHER, CANNOT_TELL)


@dataclass(frozen=True)
class Answer:
    """One answer of a person to one picture."""

    id: int
    row: int
    """Number of the row in which the picture arrived."""
    label: str
    """The true class, `other` or `?`."""
    who: str
    answered: float
    """Seconds since 1970."""
    undone: float | None
    """When it was taken back, in seconds since 1970; None if it counts."""
    after: int
    """Number of the newest row when it was given: which of an answer and an undo is later, whatever the clock."""


class Answers:
    """The answers in a journal. None is ever deleted: the latest that was not taken back counts.

    Args:
        database: of the journal.
    """

    def __init__(self, database: JournalDatabase) -> None:
        self._database = database

    def add(self, labels: Iterable[tuple[int, str]], who: str) -> list[int]:
        """Write answers, all or none. They are on the disk when this returns.

        Args:
            labels: numbers of rows, each with its label.
            who: gave the answers.

        Returns:
            The numbers of the answers.
        """
        self._database.check_files()
        now = time.time()
        with self._database.transaction() as connection:
            (after,) = connection.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()
            insert = "INSERT INTO answers(row, label, who, answered, after) VALUES (?, ?, ?, ?, ?)"
            return [
                connection.execute(insert, (row, label, who, now, after)).lastrowid or 0 for row, label in labels
            ]

    def withdraw(self, number: int) -> Answer | None:
        """Take back one answer by its number; return it, or None if it was taken back before."""
        self._database.check_files()
        with self._database.transaction() as connection:
            query = "UPDATE answers SET undone = ? WHERE id = ? AND undone IS NULL RETURNING *"
            cells = connection.execute(query, (time.time(), number)).fetchone()
        return cells and _answer(cells)

    def take_back(self, last: int) -> list[Answer]:
        """Take back the last answers that count; return them, newest first."""
        self._database.check_files()
        now = time.time()
        with self._database.transaction() as connection:
            query = "SELECT * FROM answers WHERE undone IS NULL ORDER BY id DESC LIMIT ?"
            answers = [_answer(cells) for cells in connection.execute(query, (min(last, sys.maxsize),)).fetchall()]
            connection.executemany(
                "UPDATE answers SET undone = ? WHERE id = ?", [(now, answer.id) for answer in answers]
            )
        return answers

    def all(self) -> list[Answer]:
        """Return all answers, oldest first, also those that were taken back."""
        with journal_errors(self._database.path):
            rows = self._database.connection.execute("SELECT * FROM answers ORDER BY id").fetchall()
            return [_answer(cells) for cells in rows]

    def latest(self) -> dict[int, Answer]:
        """Return the answer that counts for each row that has one."""
        return {answer.row: answer for answer in self.all() if answer.undone is None}


def _answer(cells: Any) -> Answer:
    """Return the answer with these cells.

    Raises:
        CellError: when a cell holds an invalid value.
    """
    answer = Answer(*cells)
    are_valid = (
        isinstance(answer.row, int),
        isinstance(answer.label, str) and answer.label != "",
        isinstance(answer.who, str),
        is_time(answer.answered),
        answer.undone is None or is_time(answer.undone),
        isinstance(answer.after, int),
    )
    if not all(are_valid):
        raise CellError(f"answer {answer.id!r}: expected row, label, who and times, found {cells[1:]!r:.120}")
    return answer
