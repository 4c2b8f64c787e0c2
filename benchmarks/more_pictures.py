"""What do twice as many photographs bring, and what did the learning curve of the first half say?

    python benchmarks/more_pictures.py birds20.zip --output runs/bench/more_pictures.json

A draw takes so many photographs of each class, and its learning curve says what twice as many would bring.
Then a head learns from as many, and the photographs in neither half measure it.
"""

import argparse
from pathlib import Path

import numpy as np
from measuring import report
from numpy.typing import NDArray

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.transfer.backbones import find_backbone
from skysort.transfer.features import compute_features
from skysort.transfer.head import fit_linear
from skysort.transfer.learning_curve import accuracies_by_size
from skysort.trust.learning_curve import LearningCurve, Size

BACKBONE = "efficientnet-lite0"
STRENGTH = 0.1
NUM_FOLDS = 5
PER_CLASS = (6, 10, 14, 20)


def drawn(
    features: NDArray[np.float64], labels: NDArray[np.int64], per_class: int, seed: int
) -> tuple[float | None, float]:
    """Return the forecast of a learning curve, and the accuracy that twice as many pictures brought."""
    order = np.random.default_rng(seed).permutation(len(labels))
    num_classes = int(labels.max()) + 1
    of_class = [order[labels[order] == label] for label in range(num_classes)]
    half = np.concatenate([rows[:per_class] for rows in of_class])
    twice = np.concatenate([rows[: 2 * per_class] for rows in of_class])
    rest = np.setdiff1d(order, twice)
    found = accuracies_by_size(
        features[half],
        labels[half],
        np.arange(len(half)),
        num_classes,
        class_weights="none",
        strength=STRENGTH,
        num_folds=NUM_FOLDS,
        seed=seed,
    )
    sizes = tuple(Size(per_class=size, accuracies=accuracies) for size, accuracies in found.items())
    # Twice as many as the last head of the curve, which learned from the training part of a fold.
    learned = np.concatenate([rows[: 2 * sizes[-1].per_class] for rows in of_class])
    head = fit_linear(features[learned], labels[learned], num_classes, "none", STRENGTH)
    answers = (features[rest] @ head.weight.T + head.bias).argmax(axis=1)
    return LearningCurve(sizes=sizes).twice_as_many(), float((answers == labels[rest]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="photographs, at least 41 of each class")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    backbone, progress = find_backbone(BACKBONE), SilentProgress()
    dataset = open_dataset(Data.find(asked.data), Shape(backbone.size, 3, "stretch"), progress)
    rows = np.arange(len(dataset.listing))
    features = compute_features(dataset, backbone, progress, flip=False).of(rows)
    figures = {}
    for per_class in PER_CLASS:
        draws = [drawn(features, dataset.listing.labels, per_class, seed) for seed in range(asked.draws)]
        told = [(forecast, accuracy) for forecast, accuracy in draws if forecast is not None]
        figures[str(per_class)] = {
            "draws": len(draws),
            "forecasts": len(told),
            "not above the forecast": sum(accuracy <= forecast for forecast, accuracy in told),
            "mean forecast": float(np.mean([forecast for forecast, _ in told])) if told else None,
            "mean accuracy there": float(np.mean([accuracy for _, accuracy in told])) if told else None,
        }
    question = "what did twice as many photographs bring, and what did the learning curve of the first half say?"
    report(question, {"data": dataset.fingerprint(), "by_pictures_per_class": figures}, asked.output)


if __name__ == "__main__":
    main()
