"""Promises that a run could make: each is the decision that `skysort decide` would make, and none is stored.

They come from calibration.csv, whose probabilities have nine digits. `skysort decide` computes them anew, so a
threshold may differ by less than the margin that every threshold has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.classifier.predictions import softmax
from skysort.core.errors import SkysortError
from skysort.core.progress import SilentProgress
from skysort.data.splits import PreparedData
from skysort.runs.decide import audited_evaluation, check_calibration
from skysort.runs.folder import Run
from skysort.runs.rows import again, read_rows
from skysort.trust import guarantee
from skysort.trust.guarantee import Scores

MOST = 0.5
"""Nobody promises to lose more."""
SHARES = (*range(1, 20), *range(20, 50, 5), *range(50, 200, 10), *range(200, 501, 50))
"""Shares to lose at most, in thousandths, that are tried beside the smallest possible one."""


@dataclass(frozen=True)
class Promise:
    """What a decision would promise and do."""

    decision: Decision
    bound: float
    """Exact upper bound of the share lost, by the calibration pictures; at most what is promised."""
    num_left: int
    """Calibration pictures that would not be set aside: a person may have to look at them."""
    num: int
    """Calibration pictures."""

    @property
    def gain(self) -> float:
        """The larger, the more is set aside: the share of the others or, if there are none, by the threshold."""
        aside = self.decision.set_aside
        return aside.share if aside else -self.decision.threshold


@dataclass(frozen=True)
class CalibrationPictures:
    """The classifier's answers to the pictures that a decision would be made from."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    """(N, classes)."""
    truth: NDArray[np.int64]
    """(N,) indices into classes."""
    is_unknown: NDArray[np.bool_]
    """(N,)."""
    groups: NDArray[np.int64]
    """(N,) numbers that are equal for pictures that are not independent of each other."""
    left_out: int
    """Pictures that are also in training or validation, or nearly so. They are not among the others."""

    @classmethod
    def of(cls, run: Run, prepared: PreparedData) -> Self:
        """Return those of a finished run.

        Args:
            run: the run.
            prepared: its pictures.

        Raises:
            SkysortError: when the run has no calibration split, or a file is damaged.
        """
        check_calibration(run)
        run.check_classifier()
        return cls._audited(run, prepared) if run.is_audited else cls._own(run, prepared)

    @classmethod
    def _own(cls, run: Run, prepared: PreparedData) -> Self:
        rows, leaks = read_rows(run, "calibration.csv"), prepared.leaks("calibration")
        number = {path: row for row, path in enumerate(prepared.dataset.listing.paths)}
        if {row.path for row in rows} - number.keys():
            path = run.path / "calibration.csv"
            raise SkysortError("damaged-run", f"{path} names pictures that are not those of the run; {again(run)}")
        used = [row for row in rows if number[row.path] not in set(leaks.tolist())]
        classes = tuple(run.metrics.held_out.classes)
        return cls(
            classes,
            np.array([[row.probabilities[name] for name in classes] for row in used]).reshape(-1, len(classes)),
            np.array([classes.index(row.truth) for row in used], np.int64),
            np.array([row.is_unknown for row in used], bool),
            prepared.groups[[number[row.path] for row in used]],
            len(leaks),
        )

    @classmethod
    def _audited(cls, run: Run, prepared: PreparedData) -> Self:
        evaluation, leaks = audited_evaluation(Classifier(run.classifier), prepared, SilentProgress())
        used = evaluation.without(leaks)
        groups = prepared.groups[used.rows]
        return cls(used.classes, softmax(used.logits), used.truth, used.is_unknown, groups, len(leaks))

    def promises(self, keep: Sequence[str], confidence: float) -> list[Promise]:
        """Return the promises that the pictures allow, from the strictest on. Each sets aside more than the last.

        Args:
            keep: classes to keep.
            confidence: probability that each promise holds, by itself, over the draw of the pictures.

        Raises:
            NotUnderstoodError: when a class is unknown, none or all are to keep, or the confidence is no share.
            TooFewError: when there are too few pictures to keep.
        """
        is_kept = np.isin(self.truth, [number for number, name in enumerate(self.classes) if name in keep])
        scores = Scores.of(
            self.probabilities, self.truth, self.classes, keep, self.groups, self.is_unknown & ~is_kept
        )
        num = len(scores.by_group())
        least = min(guarantee.least_possible(num, confidence), MOST)
        shares = sorted({least, *(share / 1000 for share in SHARES if share / 1000 > least)})
        promises: list[Promise] = []
        for share in shares:
            promise = self._promise(scores, share, confidence)
            if not promises or promise.gain > promises[-1].gain:
                promises.append(promise)
        return promises

    def _promise(self, scores: Scores, share: float, confidence: float) -> Promise:
        decision = guarantee.decide(scores, share, confidence, date.today().isoformat(), left_out=self.left_out)
        counts = decision.calibration
        num, lost = counts.groups or counts.pictures, counts.lost_groups or counts.lost
        aside = decision.set_aside
        num_aside = counts.lost + (round(aside.share * aside.pictures) if aside else 0)
        bound = float(guarantee.upper_bound(lost, num, confidence))
        return Promise(decision, bound, len(self.truth) - num_aside, len(self.truth))
