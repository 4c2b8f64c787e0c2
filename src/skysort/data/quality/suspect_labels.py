"""Labels that are likely wrong: those that classifiers of the other pictures find improbable."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysort.core.models import FrozenModel
from skysort.data.cut import Indices
from skysort.data.listing import Listing
from skysort.data.quality.findings import LOOK, NUM_EXAMPLES, Finding, as_findings

NAME = "suspect-labels"


class SuspectLabel(FrozenModel):
    """A label that is likely wrong."""

    path: str
    label: str
    """The label that the data gives."""
    probability: float
    """Of that label, by a classifier that learned from neither the picture nor its group."""
    likelier: str
    """The likeliest label, by the same classifier."""
    likelier_probability: float


class SuspectLabels(FrozenModel):
    """The content of suspect-labels.json in a run folder."""

    format: Literal[1] = 1
    labels: tuple[SuspectLabel, ...]
    """The most suspicious label comes first."""


def rank_suspects(probabilities: NDArray[np.floating], labels: Indices) -> Indices:
    """Return the (M,) numbers of the pictures whose label is not the likeliest, the most suspicious first.

    A label is the more suspicious, the lower its probability.

    Args:
        probabilities: (N, classes), by classifiers that did not learn from the picture.
        labels: (N,) class indices that the data gives.

    Source: the score `self_confidence` of C. Northcutt, L. Jiang, I. Chuang, Confident learning, 2021.
    """
    suspects = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    ranked: Indices = suspects[np.argsort(probabilities[suspects, labels[suspects]], kind="stable")]
    return ranked


def suspect_labels(
    listing: Listing, rows: Indices, probabilities: NDArray[np.floating]
) -> tuple[SuspectLabel, ...]:
    """Return the labels of pictures that are likely wrong, the most suspicious first.

    Args:
        listing: the pictures.
        rows: (N,) rows of the listing.
        probabilities: (N, classes) as for `rank_suspects`.
    """
    labels, likeliest = listing.labels[rows], probabilities.argmax(axis=1)
    return tuple(
        SuspectLabel(
            path=listing.paths[rows[number]],
            label=listing.classes[labels[number]],
            probability=float(probabilities[number, labels[number]]),
            likelier=listing.classes[likeliest[number]],
            likelier_probability=float(probabilities[number, likeliest[number]]),
        )
        for number in rank_suspects(probabilities, labels)
    )


def suspect_findings(suspects: tuple[SuspectLabel, ...]) -> list[Finding]:
    """Return one finding about the suspect labels in a list, or nothing if there are none."""
    examples: list[tuple[str, ...]] = [
        (
            suspect.path,
            f"{suspect.label} {suspect.probability:.1%}, {suspect.likelier} {suspect.likelier_probability:.1%}",
        )
        for suspect in suspects[:NUM_EXAMPLES]
    ]
    return as_findings(
        NAME,
        LOOK,
        len(suspects),
        examples,
        "A classifier that learned from the other pictures finds another label likelier; the most suspicious come"
        " first. Wrong labels and difficult pictures are among them. Look at each, and correct the wrong labels.",
    )
