"""The looks of an audit: its arrivals, where their pictures are, and what people said about them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.core.text import printable
from skysort.data.listing import class_name
from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.names import absolute_picture

COLUMNS = ("path", "label")


@dataclass(frozen=True)
class Look:
    """An arrival of an audit. A person is asked to look at it if its row `is_drawn`."""

    row: JournalEntry
    place: Path
    """Where the picture is now, according to the journal."""
    label: str | None
    """The answer that counts: a class, `other` or `?`. None before there is one."""


@dataclass(frozen=True)
class NewAnswers:
    """Answers that were written into the journal."""

    drawn: int
    """Answers to pictures that were drawn."""
    corrections: int
    """Answers to other pictures. They only train."""
    unchanged: int
    """Answers that were there already."""
    replaced: int
    """Answers that differ from an earlier one, which stays in the journal and no longer counts."""
    gone: tuple[Path, ...]
    """Places of answered pictures at which no file is any more."""


def looks(journal: Journal) -> list[Look]:
    """Return all arrivals of audits that are done, in their order.

    An answer to a picture counts, and so does a correction by undo; the later of the two if there are both.
    """
    undos = Undos(journal)
    labels = {row: (answer.answered, answer.label) for row, answer in journal.answers.latest().items()}
    for row in undos.corrections():
        number = undos.arrivals[row.id]
        labels[number] = max(labels.get(number, (0.0, "")), (row.done or 0.0, str(row.correction)))
    return [Look(row, undos.place(row), labels.get(row.id, (0.0, None))[1]) for row in journal.arrivals()]


class Undos:
    """The undos in a journal, and the undos of those, each with the row in which its picture arrived."""

    def __init__(self, journal: Journal) -> None:
        self.rows = journal.undoing()
        self.arrivals: dict[int, int] = {}
        """Number of the row in which a picture arrived, by the number of the undo."""
        self._places: dict[int, Path] = {}
        for row in self.rows:
            if row.undoes is not None:
                number = self.arrivals.get(row.undoes, row.undoes)
                self.arrivals[row.id] = number
                self._places[number] = row.place

    def place(self, arrival: JournalEntry) -> Path:
        """Return where the picture of an arrival is now, according to the journal."""
        return self._places.get(arrival.id, arrival.place)

    def corrections(self) -> list[JournalEntry]:
        """Return the undos that say what a picture shows, and were not undone."""
        undone = {row.undoes for row in self.rows}
        return [row for row in self.rows if row.correction is not None and row.id not in undone]


def answer(journal: Journal, file: Path, who: str) -> NewAnswers:
    """Write the answers of a CSV file with the columns `path,label` into the journal, all or none.

    A path is a file name, absolute, or relative to the file's folder. Rows without a label are left out.

    Args:
        journal: of the pictures.
        file: a CSV file.
        who: gave the answers.

    Raises:
        NotUnderstoodError: when a label is no class, or a path is not in the journal or means several pictures.
        SkysortError: when the file cannot be read.
    """
    undos = Undos(journal)
    labels = {row: answer.label for row, answer in journal.answers.latest().items()}
    num_drawn = num_unchanged = num_replaced = 0
    new: list[tuple[int, str]] = []
    gone: list[Path] = []
    for line, name, label in _answers_in(file):
        row = _arrival(journal, undos, file, line, name)
        _check_label(journal, row, label, f"{file}, line {line}")
        if labels.get(row.id) == label:
            num_unchanged += 1
            continue
        num_replaced += row.id in labels
        num_drawn += row.is_drawn
        labels[row.id] = label
        new.append((row.id, label))
        if not (place := undos.place(row)).exists():
            gone.append(place)
    journal.answers.add(new, who)
    return NewAnswers(num_drawn, len(new) - num_drawn, num_unchanged, num_replaced, tuple(gone))


def _answers_in(file: Path) -> list[tuple[int, str, str]]:
    """Return the lines of a CSV file that have a label, each with path and label."""
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            lines = csv.reader(opened, strict=True)
            header = [name.strip() for name in next(lines, [])]
            if not set(COLUMNS) <= set(header):
                raise SkysortError(
                    "invalid-table",
                    f"{file}, line 1: expected a header with path,label; found {','.join(header) or 'nothing'}",
                )
            at = [header.index(name) for name in COLUMNS]
            rows = [(lines.line_num, cells) for cells in lines if cells]
    except FileNotFoundError:
        raise NotUnderstoodError("path-not-found", f"{file}: no such file") from None
    except OSError as error:
        raise SkysortError("system", f"cannot read {file}: {error.strerror or error}") from None
    except csv.Error as error:
        raise SkysortError("invalid-table", f"{file}: {error}") from None
    for line, cells in rows:
        if len(cells) != len(header):
            raise SkysortError(
                "invalid-table", f"{file}, line {line}: expected {len(header)} cells, found {len(cells)}"
            )
    answers = [(line, cells[at[0]], class_name(cells[at[1]].strip())) for line, cells in rows]
    return [row for row in answers if row[2]]


def _arrival(journal: Journal, undos: Undos, file: Path, line: int, name: str) -> JournalEntry:
    """Return the row in which the picture with a name or path arrived: of several at a path, the last."""
    is_name = Path(name).name == name
    picture = name if is_name else absolute_picture(str(file.parent / name))
    rows = journal.rows(picture=picture)
    numbers = list(dict.fromkeys(undos.arrivals.get(row.id, row.id) for row in rows if row.done))
    if not numbers:
        raise NotUnderstoodError(
            "path-not-found", f"{file}, line {line}: the journal has no picture '{printable(name)}'"
        )
    if is_name and len(numbers) > 1:
        raise NotUnderstoodError(
            "ambiguous-picture",
            f"{file}, line {line}: {len(numbers):,} pictures are called '{printable(name)}'; give the path of one",
        )
    return journal.row(numbers[0])


def _check_label(journal: Journal, row: JournalEntry, label: str, where: str) -> None:
    classes = journal.settings(row.session).classes
    if label not in (*classes, OTHER, CANNOT_TELL):
        error = unknown("class", label, (*classes, OTHER, CANNOT_TELL))
        raise NotUnderstoodError(error.code, f"{where}: {error}")
