"""Out-of-distribution detection: a score for how much a picture is like the classes, and a threshold on it.

The score is the negative energy, the logarithm of the sum of the exponentials of the logits (Liu, Wang, Owens, Li,
Energy-based Out-of-distribution Detection, 2020). We chose it by the area under the receiver operating
characteristic (AUROC). The first column compares validation pictures with outsiders: the same pictures cut into
squares and shuffled (2x2, 4x4, 8x8), skies with and without a subject, pieces of two photographs, MNIST's digits,
and noise. It is the mean over kinds of outsiders (90 to 1,000 pictures of each) and then over five `swift`
classifiers: one of birds-vs-airplanes and two of cifar10, with 1,000 validation pictures each, and two of digits,
with 90. The second column is for networks that learned five of the ten digits of `digits`, against the other five:
the mean over the digits left out.

    negative energy                                0.835   0.94
    maximum logit (Hendrycks et al., 2022)         0.831   0.94
    maximum softmax probability                    0.827   0.94
    pooled features, no output of the model:
    tenth nearest neighbour (Sun et al., 2022)     0.838   0.91
    relative Mahalanobis (Ren et al., 2021)        0.824   0.89
    nearest class mean                             0.754   0.89
    Mahalanobis distance (Lee et al., 2018)        0.693   0.88

The nearest neighbours lead on noise and on MNIST's digits, which differ much from photographs, and fall behind
on the digits left out. A temperature from 1/4 to 4 changes the AUROC of the negative energy by less than 0.02.

A classifier of the recipe `photos` adds the similarity to its reference (classifier/reference.py, which has the
figures).
"""

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.format import OodThreshold
from skysort.classifier.proof import Logits

Similarities = NDArray[np.float64]
"""(N,) weighted similarities of pictures to those of a reference (classifier/reference.py)."""


def scores(logits: Logits, similarities: Similarities | None = None) -> NDArray[np.float64]:
    """Return (N,) scores. A low score means unlike all classes.

    Args:
        logits: (N, classes).
        similarities: (N,) of a classifier with a reference; None for another.
    """
    energies: NDArray[np.float64] = np.logaddexp.reduce(logits.astype(np.float64), axis=1)
    return energies if similarities is None else energies + similarities


def is_unknown(
    unknown: OodThreshold | None, logits: Logits, similarities: Similarities | None = None
) -> NDArray[np.bool_]:
    """Return an (N,) mask of unknown pictures, by the arguments of `scores`. No threshold: none."""
    threshold = -np.inf if unknown is None else unknown.threshold
    below: NDArray[np.bool_] = scores(logits, similarities) < threshold
    return below


def why_unknown(
    unknown: OodThreshold | None, logits: Logits, similarities: Similarities | None = None
) -> list[str]:
    """Return for each picture why it is unknown, by the arguments of `scores`; empty for one that is not."""
    if unknown is None:
        return [""] * len(logits)
    return [
        f"like none of the classes: its score {score:.3g} is below {unknown.threshold:.3g}"
        if score < unknown.threshold
        else ""
        for score in scores(logits, similarities).tolist()
    ]
