"""The answered pictures of a journal: corrections to learn from, and audited pictures to measure with.

Audited pictures were drawn at random. They calibrate or test, by a second coin, and nothing learns from them.
Where the rates of an audit differ, or have changed, the drawn pictures are no uniform sample of those that came.
Those whose first coin is below the lowest rate are: each picture is one of them with that rate, whatever was
done with it and whenever it came. Only these are used.

A picture that stays in the inbox arrives again under a new decision, and one that was set aside does not. So only
the first arrival of a picture counts, with or without an audit. Else kept pictures would be drawn more often.

After an alarm, only later arrivals count. Earlier ones show a time that is over. Besides, the alarm came when they
spoke most against the old classifier, so a test with them would be unfair.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from skysort.work.answers import CANNOT_TELL, names_class
from skysort.work.coins import coin_of, read_seed, second_coin_of
from skysort.work.groups import Group
from skysort.work.journal import Journal
from skysort.work.journal_entries import DamagedJournalError, JournalEntry
from skysort.work.journal_export import corrections_of
from skysort.work.looks import Look, find
from skysort.work.pictures import Pictures

SHARE_TO_TEST = 0.5
"""Of audited pictures, by the second coin. The others calibrate."""

Part = Literal["train", "calibration", "test"]


@dataclass(frozen=True)
class AnsweredPicture:
    """An answered picture."""

    row: JournalEntry
    """In which it arrived."""
    label: str
    """Its true class, which may be a new one."""
    part: Part
    place: Path
    """Where it is, if it is still there."""
    is_there: bool


@dataclass
class LeftOut:
    """How many answered or drawn pictures are not used, by the reason."""

    not_uniform: int = 0
    """Their coin is not below the lowest rate."""
    unanswered: int = 0
    """They have no answer, or another picture of their group has none."""
    cannot_tell: int = 0
    """The answer was `?`."""
    other: int = 0
    """The answer was `other`: no class."""
    before_alarm: int = 0
    tested_before: int = 0
    """They have compared classifiers, and do that once."""
    wrong_coin: int = 0
    """The coin is not that of the seed."""


@dataclass
class AnsweredPictures:
    """The answered pictures in a journal, and how many others there are."""

    pictures: list[AnsweredPicture] = field(default_factory=list)
    """At most one per picture and part."""
    left_out: LeftOut = field(default_factory=LeftOut)
    rate: float | None = None
    """The lower rate of the audit at the newest arrival; None without an audit."""


def answered_pictures(journal: Journal) -> AnsweredPictures:
    """Return the answered pictures in a journal.

    Raises:
        DamagedJournalError: when the journal is damaged, or the seed of its coins is missing.
    """
    pictures = Pictures(journal)
    answered = AnsweredPictures()
    corrected: dict[str, AnsweredPicture] = {}
    for correction in corrections_of(journal, pictures)[0]:  # newest first
        picture = AnsweredPicture(correction.row, correction.label, "train", correction.place, correction.is_there)
        before = corrected.setdefault(picture.row.digest, picture)
        is_copy_of_it = before.label == picture.label
        if is_copy_of_it and picture.is_there and not before.is_there:
            corrected[picture.row.digest] = picture
    answered.pictures.extend(corrected.values())
    _add_audited(journal, pictures, answered)
    return answered


def _add_audited(journal: Journal, pictures: Pictures, answered: AnsweredPictures) -> None:
    first: dict[str, int] = {}
    for row in journal.classifications():
        first.setdefault(row.digest, row.id)
    arrivals = [row for row in pictures.arrivals if first.get(row.digest) == row.id]
    newest_alarm, left_out = journal.alarms.newest_row(), answered.left_out
    lowest = min((_lower_rate(row) for row in arrivals if row.id > newest_alarm), default=0.0)
    drawn = [row for row in arrivals if pictures.is_drawn(row)]
    seed, tested = read_seed(journal.folder), journal.comparisons.digests()
    if drawn and seed is None:
        raise DamagedJournalError(
            "damaged-journal",
            f"{journal.folder} has lost audit-seed, which says what the answers are for. Restore it from a backup",
        )
    for row in drawn:
        label = pictures.labels.get(row.id)
        group = pictures.groups.by_row.get(row.id, Group([row]))
        assert seed is not None and group.coin is not None  # it is drawn
        if group.coin != coin_of(seed, group.first.coin_number, group.first.digest):
            left_out.wrong_coin += 1
        elif group.first.id <= newest_alarm:
            left_out.before_alarm += 1
        elif group.coin >= lowest:
            left_out.not_uniform += 1
        elif label is None or any(one.id not in pictures.labels for one in group.rows):
            left_out.unanswered += 1
        elif label == CANNOT_TELL:
            left_out.cannot_tell += 1
        elif not names_class(label, journal.settings(row.session).classes):
            left_out.other += 1
        else:
            second_coin = second_coin_of(seed, group.first.digest)
            part: Part = "test" if second_coin < SHARE_TO_TEST else "calibration"
            if part == "test" and row.digest in tested:
                left_out.tested_before += 1
                continue
            look = Look(row, pictures.last(row), label, is_drawn=True)
            place = find(journal, [look]).places.get(row.id)
            answered.pictures.append(AnsweredPicture(row, label, part, place or look.place, place is not None))
    if pictures.arrivals:
        answered.rate = _lower_rate(pictures.arrivals[-1])


def _lower_rate(row: JournalEntry) -> float:
    """Return the lower of the two rates with which an arrival could be drawn."""
    return min(row.audit_aside or 0.0, row.audit_keep or 0.0)
