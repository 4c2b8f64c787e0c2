"""The looks of an audit: its arrivals, where their pictures are, and what people said about them."""

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.core.text import printable
from skysort.data.listing import class_name
from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.dragged import dragged, is_at
from skysort.work.groups import Group
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.names import absolute_picture
from skysort.work.pictures import Pictures

BY_DRAGGING = "dragged"
"""Stands for the name of a person who dragged a picture, which nobody knows."""
COLUMNS = ("number", "path", "label")
"""Of a CSV file of looks. The number is that of the row in which the picture arrived."""


@dataclass(frozen=True)
class Look:
    """An arrival of an audit."""

    row: JournalEntry
    last: JournalEntry
    """The newest row of the picture: that of an undo, for instance."""
    label: str | None
    """The answer that counts: a class, `other` or `?`. None before there is one."""
    is_drawn: bool
    """Whether a person is asked to look at it."""
    group: Group | None = None
    """Of pictures that count once; None where the decision counts pictures."""

    @property
    def place(self) -> Path:
        """Where the picture is now, according to the journal."""
        return self.last.place


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
    """Places of answered pictures at which they are no more."""
    numbers: tuple[int, ...] = ()
    """Of the answers in the journal."""


class FoundLooks(NamedTuple):
    """Where the pictures of some looks are. Their bytes prove that they are the same ones."""

    places: dict[int, Path]
    """By the number of the row. Pictures that are not where the journal says are left out, unless dragged."""
    dragged: dict[int, str]
    """Those that a person dragged into the folder of a class, with that class."""

    def of(self, numbers: Collection[int]) -> "FoundLooks":
        """Return the part about the looks of some rows."""
        places = {number: path for number, path in self.places.items() if number in numbers}
        return FoundLooks(places, {number: label for number, label in self.dragged.items() if number in numbers})


def looks(journal: Journal) -> list[Look]:
    """Return all finished arrivals under an audit, in their order."""
    pictures = Pictures(journal)
    return [
        Look(
            row, pictures.last(row), pictures.labels.get(row.id), pictures.is_drawn(row),
            pictures.groups.by_row.get(row.id),
        )
        for row in pictures.arrivals
    ]  # fmt: skip


def find(journal: Journal, looks: Iterable[Look]) -> FoundLooks:
    """Return where the pictures of looks are."""
    places: dict[int, Path] = {}
    lost: dict[int, Look] = {}
    for look in looks:
        if is_at(look.place, look.last):
            places[look.row.id] = look.place
        else:
            lost[look.last.id] = look
    moved = (look.last for look in lost.values() if look.last.kind in ("move", "copy") and look.last.by != "undo")
    by_drag = {lost[row.id].row.id: (path, label) for path, (row, label) in dragged(journal, moved).items()}
    places |= {number: path for number, (path, _) in by_drag.items()}
    return FoundLooks(places, {number: label for number, (_, label) in by_drag.items()})


def answer_dragged(journal: Journal, labels: Mapping[int, str]) -> int:
    """Write the answers that people gave by dragging drawn pictures; return how many.

    If that answer was taken back, it is not given again.

    Args:
        journal: of the pictures.
        labels: of drawn pictures without an answer, by the numbers of their rows.
    """
    known = {(answer.row, answer.label) for answer in journal.answers.all() if answer.who == BY_DRAGGING}
    answers = [answer for answer in labels.items() if answer not in known]
    journal.answers.add(answers, BY_DRAGGING)
    return len(answers)


def answer(journal: Journal, file: Path, who: str, new_classes: Collection[str] = ()) -> NewAnswers:
    """Write the answers of a CSV file with the columns `path,label` into the journal, all or none.

    A path is a file name, absolute, or relative to the file's folder. Rows without a label are left out. A column
    `number` tells pictures apart that were at one path, one after the other. It holds the number of the row in
    which a picture arrived.

    Args:
        journal: of the pictures.
        file: a CSV file.
        who: gave the answers.
        new_classes: that the answers may name, too.

    Raises:
        NotUnderstoodError: when a label is no class, or a path or number is not in the journal, means several
            pictures, or is not of the same picture as the other.
        SkysortError: when the file cannot be read.
    """
    pictures = Pictures(journal)
    labels = dict(pictures.labels)
    num_drawn = num_unchanged = num_replaced = 0
    new: list[tuple[int, str]] = []
    gone: list[Path] = []
    for line, number, name, label in _answers_in(file):
        row = _arrival(journal, pictures, f"{file}, line {line}", number, _absolute(file, name))
        _check_label(journal, row, label, new_classes, f"{file}, line {line}")
        if labels.get(row.id) == label:
            num_unchanged += 1
            continue
        num_replaced += row.id in labels
        num_drawn += pictures.is_drawn(row)
        labels[row.id] = label
        new.append((row.id, label))
        if not is_at((last := pictures.last(row)).place, last):
            gone.append(last.place)
    numbers = journal.answers.add(new, who)
    return NewAnswers(num_drawn, len(new) - num_drawn, num_unchanged, num_replaced, tuple(gone), tuple(numbers))


def _answers_in(file: Path) -> list[tuple[int, str, str, str]]:
    """Return the lines of a CSV file that have a label, each with its number, the row's number, path and label."""
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            lines = csv.reader(opened, strict=True)
            header = [name.strip() for name in next(lines, [])]
            if not {"path", "label"} <= set(header):
                raise SkysortError(
                    "invalid-table",
                    f"{file}, line 1: expected a header with path,label; found {','.join(header) or 'nothing'}",
                )
            rows = [(lines.line_num, cells) for cells in lines if cells]
    except FileNotFoundError:
        raise NotUnderstoodError("path-not-found", f"{file}: no such file") from None
    except OSError as error:
        raise SkysortError("system", f"cannot read {file}: {error.strerror or error}") from None
    except csv.Error as error:
        raise SkysortError("invalid-table", f"{file}: {error}") from None
    answers = []
    for line, cells in rows:
        if len(cells) != len(header):
            raise SkysortError(
                "invalid-table", f"{file}, line {line}: expected {len(header)} cells, found {len(cells)}"
            )
        by_name = dict(zip(header, cells, strict=True))
        if label := class_name(by_name["label"].strip()):
            answers.append((line, by_name.get("number", "").strip(), by_name["path"], label))
    return answers


def _absolute(file: Path, name: str) -> str:
    """Return a file name as it is, and a path, which is relative to a file's folder, as an absolute one."""
    return name if Path(name).name == name else absolute_picture(str(file.parent.resolve() / name)) or name


def _arrival(journal: Journal, pictures: Pictures, where: str, number: str, picture: str) -> JournalEntry:
    """Return the row in which a picture arrived, by the number of its row, or else by its name or absolute path.

    Of several pictures at a path, it is the last.
    """
    if number:
        row = journal.find(int(number)) if number.isdecimal() and len(number) < 20 else None
        if row is None or not row.done:
            raise NotUnderstoodError("path-not-found", f"{where}: the journal has no row '{printable(number)}'")
        arrival = journal.row(pictures.arrival_of(row.id))
        if Path(picture).name not in (
            "",
            arrival.source.name,
            arrival.place.name,
            pictures.last(arrival).place.name,
        ):
            raise NotUnderstoodError(
                "wrong-value",
                f"{where}: row {number} is of '{printable(str(row.place))}', not of '{printable(picture)}'; leave"
                " the number out, or give the path of the same picture",
            )
        return arrival
    numbers = list(dict.fromkeys(pictures.arrival_of(row.id) for row in journal.rows(picture=picture) if row.done))
    if not numbers:
        raise NotUnderstoodError("path-not-found", f"{where}: the journal has no picture '{printable(picture)}'")
    if len(numbers) > 1 and not Path(picture).is_absolute():
        raise NotUnderstoodError(
            "ambiguous-picture",
            f"{where}: {len(numbers):,} pictures are called '{printable(picture)}'; give the path of one",
        )
    return journal.row(numbers[0])


def _check_label(
    journal: Journal, row: JournalEntry, label: str, new_classes: Collection[str], where: str
) -> None:
    labels = (*journal.settings(row.session).classes, *new_classes, OTHER, CANNOT_TELL)
    if label not in labels:
        error = unknown("class", label, labels)
        raise NotUnderstoodError(error.code, f"{where}: {error}; name a new class with --new-class")
