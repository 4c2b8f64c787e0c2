"""How right is the recipe `photos` on photographs, with many and with few of each class?

    python benchmarks/photographs.py birds20.zip --output runs/bench/photographs.json

First, a third of the photographs measures, and the others are cut as `skysort train` cuts data with a test split
of its own: 80/10/10. The head learns from train, or from train and validation once its penalty is chosen. Then so
many photographs of each class are drawn to learn from, and all others measure, except near-duplicates of those
drawn. The penalty is always chosen by cross-validation within the pictures to learn from.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from measuring import report

from skysort.core.progress import SilentProgress
from skysort.data.cut import Indices, cut
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.load import RECIPE_FOR_PHOTOGRAPHS
from skysort.recipe.schema import Recipe
from skysort.runs.resolve import resolved
from skysort.transfer.backbones import find_backbone
from skysort.transfer.features import PictureFeatures, compute_features
from skysort.transfer.head import fit_head, make_folds

PER_CLASS = (20, 10, 5, 3)


@dataclass(frozen=True)
class Photographs:
    """Photographs with their features."""

    recipe: Recipe
    prepared: PreparedData
    features: PictureFeatures

    def accuracy(self, choosing: Indices, learning: Indices, measuring: Indices) -> float:
        """Return the accuracy on some rows of a head whose penalty some rows chose, and that learned from more."""
        listing, transfer = self.prepared.dataset.listing, self.recipe.transfer
        others = np.setdiff1d(learning, choosing)
        head = fit_head(
            self.features.of(choosing),
            listing.labels[choosing],
            self.prepared.groups[choosing],
            len(listing.classes),
            num_folds=transfer.folds,
            seed=self.recipe.training.seed,
            more=(self.features.of(others), listing.labels[others]),
        ).linear
        answers = (self.features.of(measuring) @ head.weight.T + head.bias).argmax(axis=1)
        return float((answers == listing.labels[measuring]).mean())

    def split(self, seed: int) -> dict[str, Indices]:
        """Return the splits with a third of the photographs for testing."""
        listing, groups = self.prepared.dataset.listing, self.prepared.groups
        rows = np.flatnonzero(groups >= 0)
        _, held_out = next(make_folds(listing.labels[rows], groups[rows], 3, seed))
        is_test = np.isin(np.arange(len(listing)), rows[held_out])
        declared = replace(listing, splits=tuple("test" if test else "train" for test in is_test))
        return cut(declared, groups, "four-way", seed)

    def drawn(self, per_class: int, seed: int) -> tuple[Indices, Indices]:
        """Return the rows of so many photographs of each class, and of all that are not near-duplicates of one."""
        listing, groups = self.prepared.dataset.listing, self.prepared.groups
        order = np.random.default_rng(seed).permutation(np.flatnonzero(groups >= 0))
        of_class = (order[listing.labels[order] == label] for label in range(len(listing.classes)))
        learning = np.sort(np.concatenate([rows[:per_class] for rows in of_class]))
        return learning, np.sort(order[~np.isin(groups[order], groups[learning])])


def spread(accuracy: Callable[[int], float], num_draws: int) -> dict[str, float | list[float]]:
    accuracies = [accuracy(seed) for seed in range(num_draws)]
    return {"mean": float(np.mean(accuracies)), "std": float(np.std(accuracies, ddof=1)), "draws": accuracies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="photographs, more than 20 of each class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    data, progress = Data.find(asked.data), SilentProgress()
    recipe = resolved(Recipe.load(RECIPE_FOR_PHOTOGRAPHS), data)
    prepared = prepare(data, recipe.pictures, progress)
    backbone = find_backbone(recipe.transfer.backbone)
    features = compute_features(prepared.dataset, backbone, progress, flip=recipe.transfer.flip)
    photographs = Photographs(recipe, prepared, features)

    def of_a_third(learned: tuple[str, ...]) -> Callable[[int], float]:
        def accuracy(seed: int) -> float:
            splits = photographs.split(seed)
            learning = np.sort(np.concatenate([splits[split] for split in learned]))
            return photographs.accuracy(splits["train"], learning, splits["test"])

        return accuracy

    def of_few(per_class: int) -> Callable[[int], float]:
        def accuracy(seed: int) -> float:
            learning, measuring = photographs.drawn(per_class, seed)
            return photographs.accuracy(learning, learning, measuring)

        return accuracy

    figures = {
        "data": prepared.dataset.fingerprint(),
        "backbone": backbone.name,
        "pictures": {split: len(rows) for split, rows in photographs.split(0).items()},
        "learned from train": spread(of_a_third(("train",)), asked.draws),
        "learned from train and validation": spread(of_a_third(("train", "validation")), asked.draws),
        "by pictures per class": {
            str(per_class): {
                "measured": len(photographs.drawn(per_class, 0)[1]),
                **spread(of_few(per_class), asked.draws),
            }
            for per_class in PER_CLASS
        },
    }
    report("how right is the recipe photos, with many and with few photographs?", figures, asked.output)


if __name__ == "__main__":
    main()
