"""What pages say of a run: its figures, the pictures behind them, and the promises that it could make."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.report.run_page import headline
from skysort.report.wording import decision_sentences
from skysort.runs.decide import DecisionResult, check_calibration, decide
from skysort.runs.folder import Run
from skysort.runs.promises import Promise
from skysort.runs.rows import Row, read_rows
from skysort.trust.metrics import Metrics
from skysort.web.bounds import SECONDS_TO_RETRY
from skysort.web.errors import RequestError
from skysort.web.labels import Labels
from skysort.web.open_runs import OpenRun, OpenRuns

MOST_IN_CELL = 100
"""Pictures of one cell of the confusion matrix, the most confident first."""
SURE = 0.95
CONFIDENCES = (SURE, 0.99, 0.995, 0.999)


@dataclass(frozen=True)
class Confidence:
    """A confidence that a person may ask for."""

    value: float
    looks: int
    """Promises of which the best, picked by its result, still holds with `SURE` confidence (Bonferroni)."""


@dataclass(frozen=True)
class RunSummary:
    """A run in the list."""

    name: str
    headline: str


@dataclass(frozen=True)
class JudgedPicture:
    """A picture in a cell of the confusion matrix."""

    picture: str | None
    """Its name in pages; None if it cannot be shown."""
    path: str
    """For people."""
    confidence: float
    is_unknown: bool


@dataclass(frozen=True)
class Cell:
    """The pictures of one class with one label."""

    truth: str
    label: str
    num: int
    pictures: tuple[JudgedPicture, ...]
    """The most confident first; at most `MOST_IN_CELL`."""
    why_none: str
    """Why no picture is shown; empty if they are."""
    is_opening: bool
    """Whether the pictures are still being opened."""


@dataclass(frozen=True)
class PromiseStep:
    """A position of the slider, with its consequences."""

    lose_at_most: float
    threshold: float
    num: int
    """Calibration pictures to keep, or groups of them."""
    unit: str
    num_lost: int
    bound: float
    """Exact upper bound of the share lost."""
    set_aside: float | None
    """Share of the other pictures; None where there are none."""
    interval95: tuple[float, float] | None
    num_left: int
    num_all: int
    sentences: list[str]
    command: str


def confidences() -> list[Confidence]:
    """Return the confidences that a person may ask for, with what each allows."""
    return [Confidence(value, round((1 - SURE) / (1 - value))) for value in CONFIDENCES]


class Trust:
    """The finished runs of a folder.

    Args:
        runs: the runs.
    """

    def __init__(self, runs: OpenRuns) -> None:
        self.runs, self.labels = runs, Labels(runs)
        self._one_at_a_time = asyncio.Lock()

    @property
    def folder(self) -> Path:
        """The folder."""
        return self.runs.folder

    def summaries(self) -> list[RunSummary]:
        """Return the finished runs, the newest first. A damaged one has the reason for its headline."""
        return [RunSummary(name, _headline(Run(self.folder / name))) for name in self.runs.names()]

    async def cell(self, name: str, truth: int, label: int) -> Cell:
        """Return the pictures of a class that got a label.

        Args:
            name: of the run.
            truth: number of the true class.
            label: number of the label.

        Raises:
            NotUnderstoodError: when there is no such run or class.
            SkysortError: when a file of the run is damaged.
        """
        run = await asyncio.to_thread(self.runs.run, name)
        classes = tuple((await asyncio.to_thread(lambda: run.metrics)).held_out.classes)
        if not (0 <= truth < len(classes) and 0 <= label < len(classes)):
            raise NotUnderstoodError("unknown-class", f"the run has {len(classes)} classes")
        pair = classes[truth], classes[label]
        rows = [row for row in await asyncio.to_thread(read_rows, run, "predictions.csv") if _is_in(row, pair)]
        rows.sort(key=lambda row: -row.probabilities[row.label])
        opened, why_none = None, ""
        try:
            opened = await self.runs.opened(name)
        except SkysortError as error:
            why_none = str(error)
        shown = tuple(_judged(row, opened) for row in rows[:MOST_IN_CELL])
        return Cell(*pair, len(rows), shown, why_none, opened is None and not why_none)

    async def promises(self, name: str, keep: Sequence[str], confidence: float) -> list[PromiseStep]:
        """Return the promises that a run could make.

        Args:
            name: of the run.
            keep: classes to keep.
            confidence: probability that each promise holds by itself.

        Raises:
            NotUnderstoodError: when there is no such run, class or confidence.
            SkysortError: when no promise is possible, or a file is damaged.
            RequestError: while the pictures are being opened.
        """
        opened = await self.runs.opened(name)
        if opened is None:
            raise RequestError("busy", "the pictures are being read", 503, {"Retry-After": str(SECONDS_TO_RETRY)})
        return await asyncio.to_thread(_steps, opened, keep, confidence)

    async def decide(
        self, name: str, keep: Sequence[str], lose_at_most: float, confidence: float
    ) -> DecisionResult:
        """Make a decision, as `skysort decide` does.

        Raises:
            NotUnderstoodError: when there is no such run or class, or a share is out of range.
            SkysortError: when the run cannot promise this.
        """
        run = await asyncio.to_thread(self.runs.run, name)
        async with self._one_at_a_time:
            return await asyncio.to_thread(decide, run.path, keep, lose_at_most, confidence)


def why_no_decision(run: Run) -> str | None:
    """Return why a run can make no promise, and what gives it; None if it can."""
    if run.metrics.protocol == "folds":
        first = "The classifier learned from every picture, so none is left from which a threshold could be set. "
    else:
        first = ""
    try:
        check_calibration(run)
    except SkysortError as error:
        return f"{first}{error}"
    return None


def _headline(run: Run) -> str:
    try:
        return headline(run.metrics, is_own=True)
    except SkysortError as error:
        return str(error)


def _is_in(row: Row, pair: tuple[str, str]) -> bool:
    return (row.truth, row.label) == pair


def _judged(row: Row, opened: OpenRun | None) -> JudgedPicture:
    picture = opened.name(row.path) if opened else None
    return JudgedPicture(picture, row.path, row.probabilities[row.label], row.is_unknown)


def _steps(opened: OpenRun, keep: Sequence[str], confidence: float) -> list[PromiseStep]:
    promises = opened.calibration.promises(keep, confidence)
    return [_step(promise, opened) for promise in promises]


def _step(promise: Promise, opened: OpenRun) -> PromiseStep:
    decision, counts = promise.decision, promise.decision.calibration
    keep = [word for name in decision.keep for word in ("--keep", name)]
    lost, sure = (f"{100 * share:.10g}%" for share in (decision.lose_at_most, decision.confidence))
    command = ("skysort", "decide", str(opened.run.path), *keep, "--lose-at-most", lost, "--confidence", sure)
    return PromiseStep(
        lose_at_most=decision.lose_at_most,
        threshold=decision.threshold,
        num=counts.groups or counts.pictures,
        unit="pictures" if counts.groups is None else "groups of pictures",
        num_lost=counts.lost if counts.lost_groups is None else counts.lost_groups,
        bound=promise.bound,
        set_aside=decision.set_aside.share if decision.set_aside else None,
        interval95=decision.set_aside.interval95 if decision.set_aside else None,
        num_left=promise.num_left,
        num_all=promise.num,
        sentences=decision_sentences(decision, opened.calibration.classes),
        command=shlex.join(command),
    )


def matrix_of(metrics: Metrics) -> list[list[int]]:
    """Return the counts of the held-out pictures: one row per true class, one column per label."""
    rows: list[list[int]] = metrics.held_out.matrix().tolist()
    return rows
