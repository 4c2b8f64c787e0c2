"""A protocol in words, and a decision: the rule, the promise and the effect."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.classifier.decision import Calibration, Decision

PROTOCOLS = {
    "tutorial": "trained on the whole training split; test is what the data holds out",
    "four-way": "cut into train, validation, calibration and test; trained on train alone",
    "other pictures": "measured on other pictures than those of the classifier's own run",
    "seen pictures": "measured on pictures it was trained on, too: no figure for how it does on new ones",
}


def decision_sentences(decision: "Decision", classes: Sequence[str]) -> list[str]:
    """Return four sentences: the rule, the promise, the effect, and the pictures that the promise holds for.

    Args:
        decision: to describe.
        classes: the classifier's.
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
        return f"Set nothing aside: the classifier is certain that too many pictures of {kept} are not."
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
    """Return how many calibration pictures the promise comes from, and how many of them are lost."""
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
    """Return a share as a count and the power of ten that it is of, in whole numbers if a million suffices.

    >>> _rate(0.02, 1000), _rate(0.0005, 1000)
    (('20', '1,000'), ('5', '10,000'))
    """
    of = next((of for of in (base, 10**4, 10**5, 10**6) if abs(share * of - round(share * of)) < 1e-6), base)
    return f"{share * of:,.10g}", f"{of:,}"


def _probability(threshold: float) -> str:
    """Return a probability with the digits that tell it from 0 and from 1."""
    if threshold < 0.5 or threshold == 1:
        return f"{threshold:.3g}"
    return f"{threshold:.{max(3, 1 - math.floor(math.log10(1 - threshold)))}f}".rstrip("0")
