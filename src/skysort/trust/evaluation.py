"""A classifier run on the pictures of a split: logits, figures, and one row per picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.classifier.format import OodThreshold
from skysort.classifier.ood import Similarities, is_unknown, scores, why_unknown
from skysort.classifier.predictions import Prediction, cells, header, labelled, softmax, unreadable, write_rows
from skysort.classifier.proof import Logits
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file
from skysort.core.progress import Progress
from skysort.data.dataset import Dataset
from skysort.trust.folds import folds_interval
from skysort.trust.guarantee import Scores, share_lost, share_set_aside
from skysort.trust.metrics import (
    LEAST_WIDENING,
    Effect,
    GroupCounts,
    Share,
    SplitFigures,
    measure,
    share_of,
)

CHUNK_BYTES = 2**24
"""Pixels to hand to the classifier at a time."""


@dataclass(frozen=True)
class Evaluation:
    """The answers of a classifier to the pictures of one split, and the true classes."""

    split: str
    dataset: Dataset
    classes: tuple[str, ...]
    """Classes of the classifier."""
    rows: NDArray[np.int64]
    """(N,) rows of the readable pictures in the dataset's listing."""
    truth: NDArray[np.int64]
    """(N,) indices into classes."""
    logits: Logits
    """(N, classes)."""
    unreadable: dict[int, str]
    """Reason by row, for the pictures of the split that could not be read."""
    temperature: float = 1.0
    """Temperature of the classifier. The logits are already divided by it."""
    unknown: OodThreshold | None = None
    """Threshold of the classifier; None if it has none."""
    similarities: Similarities | None = None
    """(N,) to the reference of the classifier; None if it has none."""

    def figures(self, groups: NDArray[np.int64]) -> SplitFigures:
        """Return the figures of the split.

        They count all readable pictures. Pictures called unknown count with their likeliest class.

        Args:
            groups: number of a group per row of the listing. Pictures of a group are not independent.

        Source: L. Kish, Survey Sampling, 1965, for the effect of groups on a variance.
        """
        _, sizes = np.unique(groups[self.rows], return_counts=True)
        widening = float(np.sqrt((sizes**2).sum() / sizes.sum()))
        is_wider, has_threshold = widening >= LEAST_WIDENING, self.unknown is not None
        figures = measure(self.logits, self.truth, self.classes, self.temperature)
        num_right, is_by_folds = int(self.is_right.sum()), self.split == "folds"
        return figures.model_copy(
            update={
                "interval95": folds_interval(num_right, figures.pictures) if is_by_folds else figures.interval95,
                "unreadable": len(self.unreadable),
                "grouped": GroupCounts(groups=len(sizes), widening=widening) if is_wider else None,
                "unknown": share_of(self.is_unknown) if has_threshold else None,
                "accepted": share_of(self.is_right[~self.is_unknown]) if has_threshold else None,
            }
        )

    def share_right(self) -> Share:
        """Return the share of pictures that are labelled right."""
        return share_of(self.is_right)

    def without(self, rows: NDArray[np.int64]) -> Self:
        """Return the evaluation without the pictures in these rows."""
        stays = ~np.isin(self.rows, rows)
        return replace(
            self,
            rows=self.rows[stays],
            truth=self.truth[stays],
            logits=self.logits[stays],
            similarities=None if self.similarities is None else self.similarities[stays],
        )

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """(N,) whether the likeliest class of each picture is the true one."""
        right: NDArray[np.bool_] = self.logits.argmax(axis=1) == self.truth
        return right

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """(N,) whether each picture is called unknown."""
        return is_unknown(self.unknown, self.logits, self.similarities)

    @property
    def ood_scores(self) -> NDArray[np.float64]:
        """(N,) scores for out-of-distribution pictures. A low score means unlike all classes."""
        return scores(self.logits, self.similarities)

    def scores(self, keep: Sequence[str], groups: NDArray[np.int64]) -> Scores:
        """Return the scores for a decision: for each picture, the probability that it is of no class to keep.

        A decision sets aside no unknown picture, so unknown pictures of the other classes score 0. Unknown
        pictures to keep score their probability: the threshold for unknown comes from the same calibration split,
        so the promise must hold without it.

        Args:
            keep: classes to keep.
            groups: number of a group per row of the listing. Pictures of a group are not independent.

        Raises:
            NotUnderstoodError: when a class to keep is unknown, or all classes are to keep.
        """
        is_kept = np.array([name in keep for name in self.classes])[self.truth]
        return self._scores(keep, groups, self.is_unknown & ~is_kept)

    def effect_of(self, decision: Decision, groups: NDArray[np.int64]) -> Effect:
        """Return how many of the split's pictures a decision sets aside."""
        scores = self._scores(decision.keep, groups, self.is_unknown)
        return Effect(
            lost=share_lost(scores, decision.threshold),
            set_aside=share_set_aside(scores.others, scores.other_groups, decision.threshold),
            keep=decision.keep,
            threshold=decision.threshold,
        )

    def _scores(self, keep: Sequence[str], groups: NDArray[np.int64], spared: NDArray[np.bool_]) -> Scores:
        return Scores.of(softmax(self.logits), self.truth, self.classes, keep, groups[self.rows], spared)

    def predictions(self) -> Iterator[tuple[str, Prediction]]:
        """Yield the true class and the prediction of each picture, in the order of the listing."""
        listing = self.dataset.listing
        number_of = {int(row): number for number, row in enumerate(self.rows)}
        shares, why = softmax(self.logits), why_unknown(self.unknown, self.logits, self.similarities)
        for row in sorted([*number_of, *self.unreadable]):
            truth = listing.classes[listing.labels[row]]
            if row in self.unreadable:
                yield truth, unreadable(listing.paths[row], self.unreadable[row])
            else:
                number = number_of[row]
                yield truth, labelled(listing.paths[row], shares[number], self.classes, why[number])

    def write_csv(self, path: Path) -> None:
        """Write one row per picture: `path,truth,label,confidence,status,reason,p:<class>,…`."""
        rows = ((truth, cells(prediction, self.classes)) for truth, prediction in self.predictions())
        with_header = chain([("truth", header(self.classes))], rows)
        with whole_file(path, newline="") as file:
            write_rows(((first, truth, *others) for truth, (first, *others) in with_header), file)


def labels_in(classifier: Classifier, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the true classes of (N,) rows of a dataset's listing, as (N,) indices into a classifier's classes."""
    number = np.array([classifier.classes.index(name) for name in dataset.listing.classes])
    labels: NDArray[np.int64] = number[dataset.listing.labels[rows]]
    return labels


def evaluate_split(
    classifier: Classifier, split: str, dataset: Dataset, rows: NDArray[np.int64], progress: Progress
) -> Evaluation:
    """Run a classifier over a split's pictures.

    Args:
        classifier: its classes must hold all those of the dataset.
        split: name of the split.
        dataset: decoded to the classifier's shape.
        rows: (N,) rows of the dataset's listing. Unreadable ones appear with their reasons.
        progress: reports each chunk.

    Raises:
        SkysortError: when none of the pictures could be read.
    """
    readable, logits, similarities = logits_of(classifier, split, dataset, rows, progress)
    return evaluation_of(classifier, split, dataset, rows, readable, logits, similarities)


def evaluation_of(
    classifier: Classifier,
    split: str,
    dataset: Dataset,
    rows: NDArray[np.int64],
    readable: NDArray[np.int64],
    logits: Logits,
    similarities: Similarities | None = None,
) -> Evaluation:
    """Return the evaluation of a split whose logits are known.

    Args:
        classifier: its classes must hold all those of the dataset.
        split: its name.
        dataset: of the pictures.
        rows: (N,) of the dataset's listing; unreadable ones are kept with their reasons.
        readable: (M,) those of the rows that can be read.
        logits: (M, classes).
        similarities: (M,) to the reference of the classifier; None if it has none.
    """
    reasons = dataset.unreadable
    return Evaluation(
        split,
        dataset,
        classifier.classes,
        readable,
        labels_in(classifier, dataset, readable),
        logits,
        {row: reasons[row] for row in rows.tolist() if row in reasons},
        classifier.table.temperature,
        classifier.table.unknown,
        similarities,
    )


def logits_of(
    classifier: Classifier, name: str, dataset: Dataset, rows: NDArray[np.int64], progress: Progress
) -> tuple[NDArray[np.int64], Logits, Similarities | None]:
    """Return the readable rows among (N,) rows of a dataset's listing, and what the classifier says of them.

    Returns:
        The (M,) readable rows, their (M, classes) logits, and their (M,) similarities or None.

    Raises:
        SkysortError: when none of the pictures could be read.
    """
    readable = rows[dataset.positions[rows] >= 0]
    if not len(readable):
        raise SkysortError(
            "no-readable-pictures", f"none of the {len(rows):,} pictures to measure on could be read"
        )
    chunk = max(1, CHUNK_BYTES // (classifier.shape.channels * classifier.shape.size**2))
    parts = []
    with progress.step(f"Measuring on {name}", len(readable)) as tell:
        for start in range(0, len(readable), chunk):
            batch = readable[start : start + chunk]
            parts.append(classifier.logits_and_similarities(dataset.pixels(batch)))
            tell(len(batch), "")
    logits, similarities = zip(*parts, strict=True)
    known = [part for part in similarities if part is not None]
    return readable, np.concatenate(logits), np.concatenate(known) if known else None
