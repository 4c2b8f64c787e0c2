"""What a classifier makes of pictures of none of its classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import Unknown
from skysort.classifier.unknown import scores
from skysort.pictures.outside import Outside
from skysort.progress import Progress
from skysort.trust.evaluation import Evaluation, logits_of
from skysort.trust.intervals import NORMAL_QUANTILE
from skysort.trust.metrics import share_of


def measure_outside(
    classifier: Classifier, unknown: Unknown, outside: Outside, test: Evaluation, progress: Progress
) -> dict[str, Any]:
    """Run a classifier over outside pictures and return their figures, as metrics.json holds them.

    Args:
        classifier: that has the threshold.
        unknown: the threshold.
        outside: decoded to the classifier's shape.
        test: the test part, against which the outside pictures are told apart.
        progress: where to say how far it is.

    Returns:
        source, fingerprint, pictures, unreadable; false_accepts, those that are not called unknown, with share and
        interval; auroc, the probability that an outside picture has a lower score than one of the test part, with
        its interval and the number of these, test_pictures.

    Raises:
        SkysortError: when none of the pictures could be read.
    """
    readable, logits = logits_of(classifier, "outside pictures", outside.collection, outside.rows, progress)
    found = scores(logits)
    auroc, interval = auroc_of(scores(test.logits), found)
    return {
        "source": outside.source,
        "fingerprint": outside.collection.fingerprint(),
        "pictures": len(readable),
        "unreadable": len(outside.rows) - len(readable),
        "false_accepts": share_of(int((found >= unknown.threshold).sum()), len(found)),
        "auroc": auroc,
        "auroc_interval95": interval,
        "test_pictures": len(test.logits),
    }


def auroc_of(known: NDArray[np.float64], outside: NDArray[np.float64]) -> tuple[float, list[float] | None]:
    """Return the area under the receiver operating characteristic, and its 95 % interval.

    The variance is that of the placements of each kind among the other (DeLong, DeLong, Clarke-Pearson, Comparing
    the areas under two or more correlated ROC curves, 1988), by ranks (Sun, Xu, 2014).

    Args:
        known: (N,) scores that should be higher.
        outside: (M,) scores that should be lower; ties count half.

    Returns:
        The area, and its interval; None of fewer than two of a kind, or where nothing overlaps, which tells no
        variance.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, outside]))
    below = (ranks[: len(known)] - rankdata(known)) / len(outside)  # (N,) share of outside below each
    above = 1 - (ranks[len(known) :] - rankdata(outside)) / len(known)  # (M,) share of known above each
    area = float(below.mean())
    if min(len(known), len(outside)) < 2 or below.std() == above.std() == 0:
        return area, None
    margin = NORMAL_QUANTILE * float(below.var(ddof=1) / len(known) + above.var(ddof=1) / len(outside)) ** 0.5
    return area, [max(0.0, area - margin), min(1.0, area + margin)]
