"""How often does the interval of protocol `folds` hold the accuracy that it is about?

    python benchmarks/folds.py pictures --output runs/bench/folds.json

A draw takes so many pictures of each class, judges them in folds as `skysort train` does, and learns a head
from all of them. The pictures that were not drawn tell the accuracy of that head. The same is done with points
drawn from Gaussians. The interval may be taken to be about two accuracies: that of the head of the draw, and the
mean accuracy of the heads of all draws, which is what the procedure comes to with so many pictures.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report
from numpy.typing import NDArray

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.transfer.backbones import find_backbone
from skysort.transfer.features import compute_features
from skysort.transfer.head import fit_head, make_folds
from skysort.trust.folds import folds_interval
from skysort.trust.intervals import Interval, wilson

BACKBONE = "efficientnet-lite0"
NUM_FOLDS = 5
PER_CLASS = (3, 5, 10, 30)
NUM_DIMENSIONS = 50
GAUSSIANS = ((2, 2.5), (10, 4.0))
"""Number of Gaussians, each with a covariance of 1, and the root mean square length of their means."""
POINTS_TO_TEST = 20_000
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Draw = tuple[Floats, Integers, Floats, Integers]
"""Features and labels to learn from, and those that tell the accuracy."""


def of_pictures(features: Floats, labels: Integers, per_class: int, rng: np.random.Generator) -> Draw:
    """Draw pictures; all others tell the accuracy."""
    order = rng.permutation(len(labels))
    drawn = np.concatenate([order[labels[order] == label][:per_class] for label in np.unique(labels)])
    rest = np.setdiff1d(order, drawn)
    return features[drawn], labels[drawn], features[rest], labels[rest]


def of_gaussians(num_classes: int, spread: float, per_class: int, rng: np.random.Generator) -> Draw:
    """Draw the means of Gaussians in 50 dimensions, always the same, and then points."""
    means = np.random.default_rng(0).normal(size=(num_classes, NUM_DIMENSIONS))
    means *= spread / np.sqrt(NUM_DIMENSIONS)

    def points(each: int) -> tuple[Floats, Integers]:
        labels = np.repeat(np.arange(num_classes), each)
        return means[labels] + rng.normal(size=(len(labels), NUM_DIMENSIONS)), labels

    return *points(per_class), *points(POINTS_TO_TEST // num_classes)


def judged(draw: Draw, seed: int) -> tuple[int, int, float]:
    """Return how many pictures the folds judge right, of how many, and the accuracy of the head that is kept."""
    features, labels, others, their_labels = draw
    num_classes, groups = int(labels.max()) + 1, np.arange(len(labels))
    num_right = 0
    for training, held_out in make_folds(labels, groups, NUM_FOLDS, seed):
        head = fit_head(features[training], labels[training], groups[training], num_classes, seed=seed).linear
        answers = (features[held_out] @ head.weight.T + head.bias).argmax(axis=1)
        num_right += int((answers == labels[held_out]).sum())
    kept = fit_head(features, labels, groups, num_classes, seed=seed).linear
    accuracy = float(((others @ kept.weight.T + kept.bias).argmax(axis=1) == their_labels).mean())
    return num_right, len(labels), accuracy


def figures_of(make: Callable[[np.random.Generator], Draw], draws: int) -> dict[str, Any]:
    """Return how the figures of folds compare with the accuracies, over many draws."""
    found = [judged(make(np.random.default_rng(seed)), seed) for seed in range(draws)]
    accuracies = np.array([accuracy for _, _, accuracy in found])
    shares = np.array([num_right / num for num_right, num, _ in found])
    mean = accuracies.mean()

    def coverage(interval: Callable[[int, int], Interval]) -> dict[str, float]:
        low, high = np.array([interval(num_right, num) for num_right, num, _ in found]).T
        return {
            "mean half width": float((high - low).mean() / 2),
            "holds the accuracy of the kept head": float(((low <= accuracies) & (accuracies <= high)).mean()),
            "the kept head is better": float((accuracies > high).mean()),
            "the kept head is worse": float((accuracies < low).mean()),
            "holds the mean accuracy": float(((low <= mean) & (mean <= high)).mean()),
        }

    return {
        "pictures": found[0][1],
        "mean accuracy by folds": float(shares.mean()),
        "mean accuracy": float(mean),
        "variance ratio": float(shares.var(ddof=1) / (shares.mean() * (1 - shares.mean()) / found[0][1])),
        "standard deviation of the accuracy": float(accuracies.std(ddof=1)),
        "interval": coverage(folds_interval),
        "interval of independent pictures": coverage(wilson),
    }


def scenes(pictures: str) -> Iterator[tuple[str, Callable[[int, np.random.Generator], Draw]]]:
    """Yield the name of each kind of data, and what draws so many per class of it."""
    backbone, progress = find_backbone(BACKBONE), SilentProgress()
    dataset = open_dataset(Data.find(pictures), Shape(backbone.size, 3, "stretch"), progress)
    labels = dataset.listing.labels
    features = compute_features(dataset, backbone, progress, flip=False).of(np.arange(len(labels)))
    yield "pictures", partial(of_pictures, features, labels)
    for num_classes, spread in GAUSSIANS:
        yield f"{num_classes} Gaussians", partial(of_gaussians, num_classes, spread)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="pictures, some hundred of each class")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    figures: dict[str, dict[str, Any]] = {}
    for name, make in scenes(asked.data):
        figures[name] = {}
        for per_class in PER_CLASS:
            figures[name][str(per_class)] = figures_of(partial(make, per_class), asked.draws)
            print(name, per_class, figures[name][str(per_class)], file=sys.stderr, flush=True)
    report("how often does the interval of folds hold the accuracy?", {"by_data": figures}, asked.output)


if __name__ == "__main__":
    main()
