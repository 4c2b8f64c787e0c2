"""After how many pictures, and looks, does an audit notice that pictures have changed, and does drift before it?

    skysort train birds-vs-airplanes --recipe swift --budget 2m --run runs/swift
    skysort decide runs/swift --keep bird --lose-at-most 2%
    python benchmarks/broken_promise.py runs/swift $SKYSORT_DATA/cifar10.zip

A stream draws test pictures of birds and airplanes at random: 500 for the reference of drift, and 500 more. Then
they are darkened, or blurred, or every other one is of the other eight classes of CIFAR-10. The answers are the
truth, given at once. The watcher goes on setting aside. Pictures come again and again, since a promise that is
broken by a little takes more of them than there are.
"""

import argparse
from pathlib import Path

import numpy as np
from drift import CLASSES, Change, Floats, blurred, contents, darker, drift_after, same
from measuring import report
from numpy.typing import NDArray

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import probability_not_kept
from skysort.data.decode import decode
from skysort.trust.audit import DELTA, Arrivals, Verdict, log_wealth

REFERENCE, GOOD = 500, 500
OTHERS = ("automobile", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RATES = {"5%": (0.05, 0.05), "aside=10%,keep=2%": (0.1, 0.02), "100%": (1.0, 1.0)}


class Pictures:
    """The classifier's answers to some pictures."""

    def __init__(self, classifier: Classifier, archive: Path, classes: tuple[str, ...], most: int, change: Change):
        answers = []
        self.is_bird: NDArray[np.bool_] = np.zeros(0, bool)
        for name in classes:
            files = contents(archive, [name], most // len(classes))
            decoded = [("", change(decode(content, classifier.shape))) for content in files]
            for at in range(0, len(decoded), classifier.batch_size):
                answers += classifier.answer(decoded[at : at + classifier.batch_size])
            self.is_bird = np.append(self.is_bird, np.full(len(files), name == "bird"))
        shares = np.array([list(one.probabilities.values()) for one in answers])
        self.scores = probability_not_kept(shares, classifier.classes, ["bird"])
        similarity = [np.nan if one.similarity is None else one.similarity for one in answers]
        self.drift: Floats = np.array([shares.max(axis=1), similarity])  # (2, N)


def stream(good: Pictures, changed: Pictures, share: float, num: int, rng: np.random.Generator) -> list[Floats]:
    """Return scores, whether each is a bird, and drift's (2, N): good pictures, then changed ones in between."""
    of_good = rng.integers(0, len(good.scores), num)
    of_changed = rng.integers(0, len(changed.scores), num)
    is_changed = (np.arange(num) >= REFERENCE + GOOD) & (rng.random(num) < share)
    return [
        np.where(is_changed, new[..., of_changed], old[..., of_good])
        for old, new in (
            (good.scores, changed.scores), (good.is_bird, changed.is_bird), (good.drift, changed.drift)
        )
    ]  # fmt: skip


def alarm_of(
    scores: Floats, is_bird: Floats, threshold: float, alpha: float, rates: tuple[float, float], coins: Floats
) -> tuple[int, int] | None:
    """Return the number of the arrival that raises the alarm, and the looks since the change; None without one."""
    is_aside = scores >= threshold
    is_drawn = coins < np.where(is_aside, *rates)
    answers = np.where(is_bird, Verdict.PROTECTED, Verdict.OTHER)
    is_bet = np.flatnonzero(is_drawn & is_bird.astype(bool))
    logs = log_wealth(Arrivals.of(is_aside, is_drawn, answers, *rates), alpha)
    reached = np.flatnonzero(logs >= -np.log(DELTA))
    if not len(reached):
        return None
    at = int(is_bet[reached[0]])
    return at, int(is_drawn[REFERENCE + GOOD : at + 1].sum())


def summary(numbers: list[tuple[int, int] | None], num_streams: int) -> dict[str, object]:
    """Return medians, with 5 to 95 % of the streams that raise an alarm."""
    change = REFERENCE + GOOD
    late = [number for number in numbers if number and number[0] >= change]
    early = sum(number is not None and number[0] < change for number in numbers)
    figures: dict[str, object] = {"streams": num_streams, "before the change": early, "noticed": len(late)}
    if late:
        for name, values in (("pictures", [at - change + 1 for at, _ in late]), ("looks", [n for _, n in late])):
            low, median, high = np.quantile(values, [0.05, 0.5, 0.95]).round().astype(int).tolist()
            figures |= {name: median, f"{name}, 5 to 95 %": [low, high]}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="of birds and airplanes, with a decision keep-bird")
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("--pictures", type=int, default=2000, help="test pictures per kind, at most")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--length", type=int, default=20_000, help="arrivals per stream")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    classifier, rng = skysort.load(asked.run), np.random.default_rng(asked.seed)
    decision = classifier.decision("keep-bird")
    good = Pictures(classifier, asked.cifar10, CLASSES, asked.pictures, same)
    changes = {
        "none": (good, 1.0),
        "darkened to 50 %": (Pictures(classifier, asked.cifar10, CLASSES, asked.pictures, darker(0.5)), 1.0),
        "darkened to 30 %": (Pictures(classifier, asked.cifar10, CLASSES, asked.pictures, darker(0.3)), 1.0),
        "blurred by 1 pixel": (Pictures(classifier, asked.cifar10, CLASSES, asked.pictures, blurred(1)), 1.0),
        "half of the other eight classes": (
            Pictures(classifier, asked.cifar10, OTHERS, asked.pictures, same), 0.5,
        ),
    }  # fmt: skip
    figures: dict[str, object] = {}
    for name, (changed, share) in changes.items():
        found: dict[str, list[tuple[int, int] | None]] = {kind: [] for kind in ("drift", *RATES)}
        for seed in range(asked.streams):
            scores, is_bird, of_drift = stream(good, changed, share, asked.length, rng)
            arrivals = of_drift[:, REFERENCE : REFERENCE + GOOD + 4000]
            at = drift_after(of_drift[:, :REFERENCE], arrivals, seed)
            found["drift"].append(None if at is None else (REFERENCE + at, 0))
            for kind, rates in RATES.items():
                coins = rng.random(asked.length)
                found[kind].append(
                    alarm_of(scores, is_bird, decision.threshold, decision.lose_at_most, rates, coins)
                )
        lost = changed.scores[changed.is_bird] >= decision.threshold
        figures[name] = {
            "birds set aside": round(float(lost.mean()), 4) if len(lost) else None,
            **{kind: summary(numbers, asked.streams) for kind, numbers in found.items()},
        }
    facts = {"promise": decision.lose_at_most, "pictures": len(good.scores), "seed": asked.seed}
    report(__doc__ or "", facts | figures, asked.output)


if __name__ == "__main__":
    main()
