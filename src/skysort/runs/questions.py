"""The pictures of an audit that wait for a look, put to a person one after the other.

An answer measures only if nothing leads it. So neither the classifier's label nor the folder that the picture went
to is shown, and the system's viewer opens a copy that is called by its number.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from skysort.runs.audit import report_of
from skysort.work.journal import Journal


@dataclass(frozen=True)
class Question:
    """A picture that waits for a look."""

    row: int
    """Number of the row in which it arrived."""
    path: Path
    classes: tuple[str, ...]
    """Of the classifier that sorted it."""


class Questions:
    """The pictures that wait for a look, oldest first. Every answer is in the journal at once.

    Args:
        journal: of the pictures.
        who: answers.

    Raises:
        SkysortError: when nothing arrived under an audit, or the journal cannot be written.
    """

    def __init__(self, journal: Journal, who: str) -> None:
        report = report_of(journal)
        self.questions = [
            Question(look.row.id, path, journal.settings(look.row.session).classes)
            for look in report.due
            if (path := report.found.places.get(look.row.id))
        ]
        self.number = 1
        """Of the current question."""
        self._journal, self._who = journal, who
        self._answers: list[int] = []
        """Number of the answer to each question before the current one."""

    @property
    def current(self) -> Question | None:
        """The question to answer now; None once all are answered."""
        return self.questions[self.number - 1] if self.number <= len(self.questions) else None

    @property
    def num_answers(self) -> int:
        """The answers that were given and not taken back."""
        return len(self._answers)

    def answer(self, label: str) -> None:
        """Write the answer to the current question into the journal, and go on to the next."""
        self._answers += self._journal.answers.add([(self.questions[self.number - 1].row, label)], self._who)
        self.number += 1

    def take_back(self) -> None:
        """Take the last answer back, and return to its question."""
        self._journal.answers.withdraw(self._answers.pop())
        self.number -= 1


def open_copy(picture: Path, copy: Path) -> bool:
    """Copy a picture and open the copy by the system's viewer; tell whether there is one.

    Raises:
        OSError: when the picture cannot be copied.
    """
    shutil.copyfile(picture, copy)
    if sys.platform == "win32":
        os.startfile(copy)
        return True
    opener, silent = "open" if sys.platform == "darwin" else "xdg-open", subprocess.DEVNULL
    try:
        return not subprocess.run([opener, copy], stdin=silent, stdout=silent, stderr=silent).returncode
    except OSError:
        return False
