"""Sentences for protocols and decisions."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.classifier.decision import Calibration, Decision

PROTOCOLS = {
    "tutorial": "trained on the whole training split, tested on the test split of the data",
    "four-way": "split into train, validation, calibration and test; test has no part in training",
    "folds": "each picture judged by a classifier that has not seen it; the one that is kept has seen all of them",
    "other pictures": "measured on pictures that are not those of the classifier's run",
    "seen pictures": "measured on pictures of its training: no figure holds for new pictures",
}


def learned_from(learned: Mapping[str, int]) -> str:
    """Return how many pictures a classifier learned from.

    Args:
        learned: number of pictures by split, at least one split.

    >>> learned_from({"train": 821, "validation": 117})
    '938 pictures (train and validation)'
    """
    return f"{counted(sum(learned.values()), 'picture')} ({' and '.join(learned)})"


def decision_sentences(decision: "Decision", classes: Sequence[str]) -> list[str]:
    """Return four sentences: the rule, the promise, the effect, and the condition of the promise.

    Args:
        decision: decision to describe.
        classes: classes of the classifier.
    """
    kept = " or ".join(f"'{printable(name)}'" for name in decision.keep)
    others = [f"'{printable(name)}'" for name in classes if name not in decision.keep]
    unit = "pictures" if decision.calibration.groups is None else "groups of pictures"
    return [
        _rule(decision.threshold, kept),
        _promise(decision, kept),
        f"Effect: {_effect(decision, others[0] if len(others) == 1 else 'other classes')}.",
        f"The promise holds for new {unit} that are like the calibration {unit} and independent of each other. See"
        " docs/guarantee.md for what breaks it.",
    ]


def _rule(threshold: float, kept: str) -> str:
    if threshold > 1:
        return f"Set nothing aside: the classifier is sure that too many pictures of {kept} are of another class."
    return f"Set a picture aside if the probability that it is not {kept} is {_probability(threshold)} or more."


def _promise(decision: "Decision", kept: str) -> str:
    num, of = _rate(decision.lose_at_most, 1000)
    held, draws = _rate(decision.confidence, 100)
    counting = ""
    if decision.calibration.groups is not None:
        counting = (
            " Near-duplicates, and pictures of one group, count as one, which is set aside if any of them is."
        )
    return (
        f"Promise: on average, at most {num} in {of} pictures of {kept} {'is' if num == '1' else 'are'} set aside."
        f"{counting} A threshold chosen this way keeps the promise in at least {held} of {draws} draws of"
        f" calibration pictures. ({_counts(decision.calibration, decision.left_out, kept)}.)"
    )


def _counts(calibration: "Calibration", left_out: int, kept: str) -> str:
    """Return the numbers of calibration pictures, and of those that the decision loses."""
    pictures = f"{counted(calibration.pictures, 'picture')} of {kept}"
    if calibration.groups is None:
        counts = f"{pictures}, {calibration.lost:,} lost"
    else:
        counts = (
            f"{pictures}, counted as {calibration.groups:,}; {calibration.lost:,} lost,"
            f" counted as {calibration.lost_groups:,}"
        )
    if not left_out:
        return counts
    pictures = counted(left_out, "calibration picture")
    return f"{counts}; {pictures} left out, with a near-duplicate or group in train or validation"


def _effect(decision: "Decision", others: str) -> str:
    set_aside = decision.set_aside
    if set_aside is None:
        return "not known, since there is no calibration picture of another class"
    about, low, high = (f"{1000 * share:,.0f}" for share in (set_aside.share, *set_aside.interval95))
    effect = (
        f"of 1,000 pictures of {others}, about {about} {'is' if about == '1' else 'are'} set aside"
        f" (95 % interval {low} to {high}, from {counted(set_aside.pictures, 'picture')})"
    )
    if set_aside.interval95[0] > decision.lose_at_most:
        return effect
    num, of = _rate(decision.lose_at_most, 1000)
    return (
        f"{effect}. Warning: this may be no better than discarding {num} in {of} pictures at random. A better"
        " classifier, more calibration pictures or a looser promise sets more aside"
    )


def _rate(share: float, base: int) -> tuple[str, str]:
    """Return a share as a count per power of ten, in whole numbers if a million is enough.

    >>> _rate(0.02, 1000), _rate(0.0005, 1000)
    (('20', '1,000'), ('5', '10,000'))
    """
    of = next((of for of in (base, 10**4, 10**5, 10**6) if abs(share * of - round(share * of)) < 1e-6), base)
    return f"{share * of:,.10g}", f"{of:,}"


def _probability(threshold: float) -> str:
    """Return a probability with enough digits to tell it from 0 and from 1."""
    if threshold < 0.5 or threshold == 1:
        return f"{threshold:.3g}"
    return f"{threshold:.{max(3, 1 - math.floor(math.log10(1 - threshold)))}f}".rstrip("0")
