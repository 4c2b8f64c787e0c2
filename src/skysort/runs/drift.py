"""Are the pictures that a watcher sorts like its first ones? The journal says, and trust ranks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.trust.camera_faults import FaultName, begins_burst, light_faults, time_faults
from skysort.trust.drift import Drift, drift
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings
from skysort.work.looks import Look, find
from skysort.work.pictures import Pictures

REFERENCE = 500
"""First arrivals that later ones are compared with."""
FEWEST = 20
NUM_LOUDEST = 12
MOST_DOZENS = 10
"""How many dozens of pictures are looked for, if many are no longer there."""
SCORES = ("confidence", "similarity to training pictures")


@dataclass(frozen=True)
class LoudPicture:
    """A picture that speaks loudly for a drift, and is still there."""

    row: JournalEntry
    path: Path


@dataclass(frozen=True)
class CameraFault:
    """A fault of the camera."""

    name: FaultName
    pictures: int
    """Number of pictures that show it; one per burst if it is about light, and 0 if there are no pictures."""
    first: JournalEntry
    """The first picture that shows it; the last one before the silence if there are none."""
    last: JournalEntry


@dataclass(frozen=True)
class DriftReport:
    """Whether the pictures since the reference are like it, and what is wrong with the camera."""

    num_pictures: int
    """Of the classifier of the newest."""
    rows: tuple[JournalEntry, ...]
    """In which they arrived, oldest first, one per burst."""
    num_reference: int
    """How many of the rows are the reference."""
    scores: tuple[str, ...]
    """What is compared: confidence and, where the classifier has features of training pictures, similarity."""
    result: Drift
    """Of the rows after the reference."""
    faults: tuple[CameraFault, ...]
    loudest: tuple[LoudPicture, ...]

    @property
    def is_early(self) -> bool:
        """Whether all pictures so far are the reference, so that there is nothing to compare."""
        return len(self.rows) <= self.num_reference

    @property
    def says_look(self) -> bool:
        """Whether a person should look: at a drift, or at the camera."""
        return self.result.is_alarm or bool(self.faults)

    @property
    def changed(self) -> float | None:
        """When the first picture since the change arrived, in seconds since 1970; None without a drift."""
        at = self.result.change_at
        return None if at is None else self.rows[self.num_reference + at].planned

    @property
    def noticed(self) -> float | None:
        """When the picture arrived that gave enough evidence, in seconds since 1970; None without a drift."""
        at = self.result.alarm_at
        return None if at is None else self.rows[self.num_reference + at].planned

    @property
    def directions(self) -> dict[str, str]:
        """Scores that are lower or higher since the change, each with that word."""
        signs = zip(self.scores, self.result.directions(), strict=True)
        return {score: "lower" if sign < 0 else "higher" for score, sign in signs if sign}


def drift_folder(
    aside: str | PathLike[str],
    *,
    reference: int = REFERENCE,
    since: float | None = None,
    now: float | None = None,
) -> DriftReport:
    """Compare the pictures that a watcher sorted with the first ones of the same classifier.

    Args:
        aside: the watcher's folder for pictures that are not kept.
        reference: number of first arrivals that the others are compared with.
        since: leave out pictures that arrived earlier, in seconds since 1970.
        now: the time now in seconds since 1970; None for the clock's.

    Raises:
        NotUnderstoodError: when the folder has no journal, or the reference is too small.
        SkysortError: when no picture arrived, or the journal is damaged.
    """
    if reference < FEWEST:
        raise NotUnderstoodError("wrong-value", f"--reference takes at least {FEWEST} pictures, got {reference}")
    with Journal(Path(aside)) as journal:
        pictures = Pictures(journal, journal.classifications(), under=_classifier_of)
        of_camera = _of_newest_classifier(journal, pictures.arrivals, since)
        rows = [
            row for row, begins in zip(of_camera, begins_burst(_column(of_camera, "taken")), strict=True) if begins
        ]
        scores = _scores(rows)
        result = drift([score[:reference] for score in scores], [score[reference:] for score in scores])
        loud = (rows[reference + number] for number in result.loudest())
        loudest = _still_there(journal, (Look(row, pictures.last(row), None, False) for row in loud))
    faults = _faults(of_camera, rows, reference, time.time() if now is None else now)
    return DriftReport(len(of_camera), tuple(rows), reference, SCORES[: len(scores)], result, faults, loudest)


def _faults(
    of_camera: list[JournalEntry], rows: list[JournalEntry], num_reference: int, now: float
) -> tuple[CameraFault, ...]:
    arrived, taken, brightness, sharpness = (
        _column(of_camera, name) for name in ("planned", "taken", "brightness", "sharpness")
    )
    of_time = time_faults(arrived, taken, brightness, sharpness, now)
    of_light = light_faults(_column(rows, "brightness"), _column(rows, "sharpness"), num_reference)
    return tuple(
        CameraFault(fault.name, fault.pictures, among[fault.first], among[fault.last])
        for among, of_kind in ((rows, of_light), (of_camera, of_time))
        for fault in of_kind
    )


def _classifier_of(settings: Settings) -> tuple[object, ...]:
    return settings.classifier, settings.classes


def _of_newest_classifier(
    journal: Journal, arrivals: list[JournalEntry], since: float | None
) -> list[JournalEntry]:
    """Return the arrivals that the classifier of the newest one judged first: another one has other confidences.

    A new classifier sorts the pictures again that its predecessor left in the inbox. These are no sample of what
    the camera takes: the others are gone.
    """
    classifiers = {row.session: _classifier_of(journal.settings(row.session)) for row in arrivals}
    newest = classifiers[arrivals[-1].session] if arrivals else ()
    before = {(row.digest, row.source) for row in arrivals if classifiers[row.session] != newest}
    rows = [
        row
        for row in arrivals
        if classifiers[row.session] == newest
        and (row.digest, row.source) not in before
        and (since is None or row.planned >= since)
    ]
    if not rows:
        raise SkysortError(
            "no-pictures",
            f"no new picture has arrived beside {journal.folder}{'' if since is None else ' since then'};"
            " skysort watch lets them arrive",
        )
    return rows


def _scores(rows: list[JournalEntry]) -> list[NDArray[np.float64]]:
    """Return the scores of arrivals, in the order of SCORES: those that all arrivals have."""
    scores = [np.array([max(row.probabilities) for row in rows])]
    similarities = [row.similarity for row in rows if row.similarity is not None]
    return [*scores, np.array(similarities)] if len(similarities) == len(rows) else scores


def _column(rows: list[JournalEntry], name: str) -> NDArray[np.float64]:
    """Return (N,) values of an attribute; NaN where it is not recorded."""
    return np.array([getattr(row, name) for row in rows], float)


def _still_there(journal: Journal, looks: Iterator[Look]) -> tuple[LoudPicture, ...]:
    """Return the first dozen pictures that are where the journal says, or were dragged from there."""
    loud: list[LoudPicture] = []
    for _ in range(MOST_DOZENS):
        dozen = list(islice(looks, NUM_LOUDEST))
        places = find(journal, dozen).places
        loud += [LoudPicture(look.row, places[look.row.id]) for look in dozen if look.row.id in places]
        if not dozen or len(loud) >= NUM_LOUDEST:
            break
    return tuple(loud[:NUM_LOUDEST])
