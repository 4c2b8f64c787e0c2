"""A learning curve over pictures per class, and what twice as many pictures would bring."""

import math
from typing import Literal

import numpy as np

from skysort.core.models import FrozenModel


class Size(FrozenModel):
    """The accuracies of the heads that learned from one number of pictures per class."""

    per_class: int
    accuracies: tuple[float, ...]
    """One per fold, on the pictures of that fold."""

    @property
    def mean(self) -> float:
        """The mean accuracy over the folds."""
        return float(np.mean(self.accuracies))


class LearningCurve(FrozenModel):
    """The content of learning-curve.json in a run folder."""

    format: Literal[1] = 1
    sizes: tuple[Size, ...]
    """Fewest pictures first, each with about twice the pictures of the one before. Empty if there are too few."""

    def twice_as_many(self) -> float | None:
        """Return the accuracy with twice as many pictures if the curve goes on; None if chance explains it.

        The last doubling divided the error by some factor, and the next one does so again if errors follow a power
        law. Source: J. Hestness et al., Deep learning scaling is predictable, empirically, 2017. Curves
        flatten near the errors that no pictures mend, so this is hopeful: in 48 draws of 6 to 20 photographs per
        species of birds20 there were 21 forecasts, 0.967 in the mean, and twice as many photographs brought 0.952
        (benchmarks/more_pictures.py).

        Chance explains the curve if the 95 % interval of the last gain, by Student's t over the folds, reaches 0.
        The folds share training pictures, so this interval is approximate.
        """
        if len(self.sizes) < 2:
            return None
        from scipy.special import stdtrit

        before, last = (np.array(size.accuracies) for size in self.sizes[-2:])
        gains = last - before
        margin = stdtrit(len(gains) - 1, 0.975) * gains.std(ddof=1) / math.sqrt(len(gains))
        if gains.mean() <= margin:
            return None
        error = 1 - self.sizes[-1].mean
        return 1 - error * error / float(1 - before.mean())


def is_it_enough(curve: LearningCurve) -> str:
    """Return what the curve says about more pictures, in a sentence or two."""
    if len(curve.sizes) < 2:
        return "There are too few pictures per class to say what more of them would bring."
    last = curve.sizes[-1]
    step = (
        f"With {_listed([f'{size.per_class:,}' for size in curve.sizes])} pictures per class, the accuracy was"
        f" {_listed([f'{100 * size.mean:.1f}' for size in curve.sizes])} %"
    )
    if last.mean == 1:
        return f"{step}. No mistake is left from which to tell what more pictures would bring."
    forecast = curve.twice_as_many()
    if forecast is None:
        return (
            f"{step}. Chance alone can explain the last difference, so the curve does not tell what more pictures"
            " would bring."
        )
    return (
        f"{step}. If it goes on like this, twice as many pictures would bring it to about {100 * forecast:.1f} %."
        " Such curves flatten, so expect somewhat less."
    )


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
