"""The pictures of a watcher that wait for a person, and the answers to them.

Answers go the way of `skysort audit --answers`, and their marks that of `skysort audit`: no rule is written twice.
An answer measures only if nothing leads it. So pages do not get the classifier's label of a drawn picture, and the
order does not tell it.
"""

import csv
import getpass
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.runs.audit import AuditReport, judge, report_of
from skysort.web.thumbnails import Thumbnails
from skysort.web.words import _, number
from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.journal import Journal
from skysort.work.looks import COLUMNS, Look, answer, find
from skysort.work.pictures import Pictures

MOST_SHOWN = 200
"""Pictures of one page. Their bytes are read to find where they are."""

Why = Literal["drawn", "unknown", "unsure"]
ORDER: tuple[Why, ...] = ("drawn", "unknown", "unsure")


def titles() -> dict[Why, str]:
    """Return why pictures wait, in words."""
    return {
        "drawn": _(
            "Drawn at random for the audit. Your answer counts for or against the promise of the decision. The"
            " page hides the classifier's label, so that it does not lead you."
        ),
        "unknown": _("Like none of the classes. Your answer is a correction: it can train, and it tests nothing."),
        "unsure": _("The classifier is unsure. Your answer is a correction: it can train, and it tests nothing."),
    }


@dataclass(frozen=True)
class WaitingPicture:
    """A picture that a person is asked about."""

    picture: str
    """Its name in pages."""
    file: str
    """The name of its file, for people."""
    why: Why
    label: str | None
    """The likeliest class; None for a drawn picture."""
    confidence: float | None
    """Its probability; None for a drawn picture."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """What waits for a person."""

    pictures: tuple[WaitingPicture, ...]
    """Those that are drawn first; at most `MOST_SHOWN`."""
    num: int
    """Of all that wait."""
    num_gone: int
    """Pictures among the first that are no longer where the journal says."""


class Review:
    """The pictures beside one watcher's folder. Threads may share it.

    Args:
        aside: the folder.
        thumbnails: names the pictures.

    Raises:
        NotUnderstoodError: when the folder has no journal.
        SkysortError: when the journal is damaged.
    """

    def __init__(self, aside: Path, thumbnails: Thumbnails) -> None:
        self.aside, self._thumbnails = aside, thumbnails
        self._rows: dict[str, tuple[int, str]] = {}
        self._given: list[int] = []
        self._lock = threading.Lock()
        Journal(aside).close()

    def waiting(self) -> Waiting:
        """Return what waits now."""
        with Journal(self.aside) as journal:
            due = _due(journal)
            first = due[:MOST_SHOWN]
            places = find(journal, first).places
            shown = tuple(
                self._shown(journal, look, places[look.row.id]) for look in first if look.row.id in places
            )
        return Waiting(shown, len(due), len(first) - len(shown))

    def answer(self, answers: Sequence[tuple[str, str]]) -> str:
        """Write answers, all or none, and return a sentence about the promise.

        Args:
            answers: names of pictures, each with a class, `other` or `?`.

        Raises:
            NotUnderstoodError: when a picture or a label is unknown.
            SkysortError: when the journal is damaged or cannot be written now.
        """
        rows = []
        for picture, label in answers:
            if picture not in self._rows:
                raise NotUnderstoodError("path-not-found", "no such picture; load the page again")
            number, name = self._rows[picture]
            rows.append((str(number), name, label))
        with self._lock, tempfile.TemporaryDirectory() as folder, Journal(self.aside) as journal:
            file = Path(folder, "answers.csv")
            with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
                csv.writer(opened).writerows([COLUMNS, *rows])
            self._given += answer(journal, file, _who()).numbers
            return _promise(journal, judge)

    def take_back(self) -> tuple[WaitingPicture | None, str]:
        """Take back the last answer that was given here. Return its picture, if it is still there, and a sentence.

        Raises:
            NotUnderstoodError: when there is none.
        """
        with self._lock, Journal(self.aside) as journal:
            taken = None
            while self._given and taken is None:
                taken = journal.answers.withdraw(self._given.pop())
            if taken is None:
                raise NotUnderstoodError(
                    "nothing-to-undo",
                    "no answer was given here that counts; skysort audit --undo 1 takes back those from elsewhere",
                )
            pictures = _pictures(journal)
            row = journal.row(pictures.arrival_of(taken.row))
            look = Look(row, pictures.last(row), None, pictures.is_drawn(row))
            places = find(journal, [look]).places
            shown = self._shown(journal, look, places[row.id]) if row.id in places else None
            return shown, _promise(journal, judge)

    def promise(self) -> str:
        """Return a sentence about the promise of the decision, by the answers so far. It changes nothing."""
        with Journal(self.aside) as journal:
            return _promise(journal, report_of)

    def _shown(self, journal: Journal, look: Look, place: Path) -> WaitingPicture:
        row, classes = look.row, journal.settings(look.row.session).classes
        name = self._thumbnails.name(place, row.digest, row.id)
        self._rows[name] = (row.id, row.source.name)
        file = place.name.encode("utf-8", "backslashreplace").decode()
        if (why := _why(look)) == "drawn":
            return WaitingPicture(name, file, why, None, None, classes)
        best = int(np.argmax(row.probabilities))
        return WaitingPicture(name, file, why, classes[best], row.probabilities[best], classes)


def _pictures(journal: Journal) -> Pictures:
    """Return the pictures that a classifier judged, with those of audits among them."""
    rows = {row.id: row for row in (*journal.arrivals(), *journal.classifications())}
    return Pictures(journal, [rows[number] for number in sorted(rows)])


def _due(journal: Journal) -> list[Look]:
    """Return the pictures that wait: those drawn as they came, then by reason and class.

    Within a class the odd one comes first: the picture whose features are least like those of training pictures.
    The journal has that likeness from when the classifier judged the picture; else the surest comes first.
    """
    pictures = _pictures(journal)
    due = [
        Look(row, pictures.last(row), None, pictures.is_drawn(row))
        for row in pictures.arrivals
        if (pictures.is_drawn(row) or row.action == "review")
        and row.probabilities
        and row.id not in pictures.labels
    ]

    def key(look: Look) -> tuple[int, int, float]:
        if (why := _why(look)) == "drawn":
            return ORDER.index(why), 0, look.row.id
        best = int(np.argmax(look.row.probabilities))
        likeness = look.row.similarity
        return ORDER.index(why), best, -look.row.probabilities[best] if likeness is None else likeness

    return sorted(due, key=key)


def _why(look: Look) -> Why:
    if look.is_drawn:
        return "drawn"
    return "unsure" if look.row.label is not None else "unknown"


def _promise(journal: Journal, look: Callable[[Journal], AuditReport]) -> str:
    """Return what the answers say about the promise.

    Args:
        journal: of the answers.
        look: `judge`, which marks or clears the decision in the journal, or `report_of`, which changes nothing.
    """
    try:
        report = look(journal)
    except SkysortError as error:
        if error.code == "no-pictures":
            return _("No audit runs here: start skysort watch with --audit to have pictures drawn.")
        raise
    done = {
        "done": number(report.result.done), "drawn": number(report.result.drawn), "decision": report.decision,
    }  # fmt: skip
    if report.stale_since is not None:
        return _(
            "%(done)s of %(drawn)s looks done: the promise of %(decision)s is BROKEN. Decide anew with skysort"
            " decide.",
            **done,
        )
    if not report.result.done:
        return _("%(done)s of %(drawn)s looks done: the promise of %(decision)s is not tested yet.", **done)
    return _("%(done)s of %(drawn)s looks done: the promise of %(decision)s is not broken.", **done)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


ANSWERS_FOR_ALL = (OTHER, CANNOT_TELL)
"""Answers that fit every classifier."""
