"""The journal as a table, as CSV, and as corrections to train on."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, NamedTuple

from skysort.classifier.predictions import write_rows
from skysort.core.log import iso_time
from skysort.core.text import printable
from skysort.work.answers import names_class
from skysort.work.dragged import dragged, is_at
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings
from skysort.work.pictures import Pictures

COLUMNS: Mapping[str, Callable[[JournalEntry, Settings], object]] = {
    "number": lambda row, _: row.id,
    "time": lambda row, _: iso_time(row.planned),
    "by": lambda row, _: row.by,
    "kind": lambda row, _: row.kind,
    "action": lambda row, _: row.action,
    "source": lambda row, _: row.source,
    "place": lambda row, _: row.place,
    "label": lambda row, _: row.label,
    "confidence": lambda row, _: None if row.label is None else f"{max(row.probabilities):.9g}",
    "probabilities": lambda row, session: json.dumps(dict(zip(session.classes, row.probabilities, strict=False))),
    "reason": lambda row, _: row.reason,
    "digest": lambda row, _: row.digest,
    "size": lambda row, _: row.file.size,
    "decision": lambda _, session: session.decision,
    "classifier": lambda _, session: session.classifier,
    "undoes": lambda row, _: row.undoes,
    "correction": lambda row, _: row.correction,
    "audit_aside": lambda row, _: row.audit_aside,
    "audit_keep": lambda row, _: row.audit_keep,
    "coin": lambda row, _: row.coin,
    "similarity": lambda row, _: row.similarity,
    "brightness": lambda row, _: row.brightness,
    "sharpness": lambda row, _: row.sharpness,
    "taken": lambda row, _: None if row.taken is None else iso_time(row.taken),
    "state": lambda row, _: "not finished" if row.done is None else "done",
}
"""The columns of the CSV file, each with its value for a row. None is an empty cell."""


def write_table(rows: Iterable[JournalEntry], _journal: Journal, file: IO[str]) -> None:
    """Write one line per row, for people, in this computer's time zone."""
    for row in rows:
        action = row.action if row.by == "watch" else row.by
        label = "" if row.label is None else f"{row.label} {max(row.probabilities):.3f}"
        where = str(row.source) if row.kind == "stay" else f"{row.source} -> {row.place}"
        notes = [row.reason] if row.reason else []
        notes += [f"remembered as {row.correction}"] if row.correction else []
        notes += ["not finished"] if row.done is None else []
        note = f"  ({printable('; '.join(notes))})" if notes else ""
        when = datetime.fromtimestamp(row.planned).isoformat(" ", "seconds")
        file.write(f"{when}  {action:<9}  {printable(label):<16}  {printable(where)}{note}\n")


def write_csv(rows: Iterable[JournalEntry], journal: Journal, file: IO[str], *, raw: bool = False) -> None:
    """Write one CSV row per row of the journal, with all of its fields.

    Args:
        rows: of the journal.
        journal: for the settings of each row's session.
        file: text.
        raw: leave cells as they are, even if a spreadsheet would take them for formulas.
    """
    sessions: dict[int, Settings] = {}

    def cells(row: JournalEntry) -> list[str]:
        if row.session not in sessions:
            sessions[row.session] = journal.settings(row.session)
        values = (value(row, sessions[row.session]) for value in COLUMNS.values())
        return ["" if value is None else str(value) for value in values]

    write_rows([list(COLUMNS)], file)
    write_rows(map(cells, rows), file, for_people=not raw)


class Correction(NamedTuple):
    """A picture that a person corrected, or whose label a person confirmed."""

    row: JournalEntry
    """In which it arrived."""
    label: str
    """Its true class, which may be a new one."""
    place: Path
    """Where it is, if it is still there."""
    is_there: bool


class Corrections(NamedTuple):
    """The pictures that people corrected, each with its true class, and how many are left out."""

    labels: dict[Path, str]
    num_gone: int
    """Pictures that are no longer where they were."""
    num_drawn: int
    """Pictures that an audit drew. Their answers measure, so nothing may learn from them."""


def corrected(journal: Journal) -> Corrections:
    """Return people's corrections by undo, by dragging, and by answers about pictures that no audit drew.

    The newest answer or undo of a picture counts. Dragging counts where there is neither, because nobody knows
    when it was.
    """
    pictures = Pictures(journal)
    corrections, num_drawn = corrections_of(journal, pictures)
    labels = {correction.place: correction.label for correction in corrections if correction.is_there}
    num_gone = sum(not correction.is_there for correction in corrections)
    return Corrections(labels, num_gone, num_drawn)


def corrections_of(journal: Journal, pictures: Pictures) -> tuple[list[Correction], int]:
    """Return the corrections of pictures that no audit drew, and how many are of drawn ones.

    Of several pictures that were at one place, the one with the newest answer counts.
    """
    drawn = {row.digest for row in pictures.arrivals if pictures.is_drawn(row)}
    places: dict[int, Path] = {}
    answers = dict(pictures.labels)
    for path, (row, label) in dragged(journal).items():
        number = pictures.arrival_of(row.id)
        places[number] = path
        answers.setdefault(number, label)
    corrections: list[Correction] = []
    taken: set[Path] = set()
    num_drawn = 0
    for number, label in answers.items():
        row = journal.row(number)
        last = pictures.last(row)
        place = places.get(number, last.place)
        is_class = names_class(label, journal.settings(row.session).classes)
        if row.digest in drawn:
            num_drawn += 1
        elif number in places or is_at(place, last):
            if is_class and place not in taken:
                corrections.append(Correction(row, label, place, is_there=True))
            taken.add(place)
        elif is_class:
            corrections.append(Correction(row, label, place, is_there=False))
    return corrections, num_drawn


def is_text(path: Path) -> bool:
    """Tell whether a path is valid UTF-8, as a CSV file to train on must be."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def write_corrections(corrections: Mapping[Path, str], file: IO[str], form: Literal["table", "csv"]) -> None:
    """Write corrections. `skysort train` takes the CSV.

    Their split is `train`: people correct pictures that they happen to see, which are no random sample to measure.
    """
    if form == "csv":
        write_rows([("path", "label", "split")], file)
        write_rows(((str(path), label, "train") for path, label in corrections.items()), file)
    else:
        file.writelines(f"{printable(label)}  {printable(str(path))}\n" for path, label in corrections.items())
