"""Accuracy on pictures that are shifted by a few pixels."""

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.core.progress import Progress
from skysort.data.dataset import Dataset
from skysort.data.decode import Pixels
from skysort.trust.evaluation import labels_in

CHUNK = 1_000
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def accuracy_when_shifted(
    classifier: Classifier, dataset: Dataset, rows: NDArray[np.int64], pixels: int, progress: Progress
) -> list[float]:
    """Return the accuracy on pictures shifted by 0, 1, 2 … pixels, each the mean over four directions.

    Args:
        classifier: its classes must hold all those of the dataset.
        dataset: decoded to the classifier's shape.
        rows: (N,) rows of readable pictures in the dataset's listing.
        pixels: largest shift.
        progress: reports each chunk.
    """
    truth = labels_in(classifier, dataset, rows)
    right = np.zeros(pixels + 1)
    with progress.step("Shifting", len(rows)) as tell:
        for start in range(0, len(rows), CHUNK):
            pictures = dataset.pixels(rows[start : start + CHUNK])
            labels = truth[start : start + CHUNK]
            for shift in range(pixels + 1):
                directions = DIRECTIONS if shift else DIRECTIONS[:1]
                for down, across in directions:
                    logits = classifier.logits(shifted(pictures, shift * down, shift * across))
                    right[shift] += (logits.argmax(axis=1) == labels).sum() / len(directions)
            tell(len(pictures), "")
    return (right / len(rows)).tolist()  # type: ignore[no-any-return]


def shifted(pictures: Pixels, down: int, across: int) -> Pixels:
    """Return (N, C, H, W) pictures shifted down and right, or up and left if negative. Black fills the gap."""
    height, width = pictures.shape[2:]
    down, across = max(-height, min(down, height)), max(-width, min(across, width))
    moved = np.zeros_like(pictures)
    moved[:, :, max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)] = pictures[
        :, :, max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)
    ]
    return moved
