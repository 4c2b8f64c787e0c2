import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom, norm

from skysort.classifier.decision import ABOVE_ALL, Decision
from skysort.classifier.ood import why_unknown
from skysort.classifier.predictions import labelled, softmax
from skysort.trust import guarantee
from skysort.trust.abstention import threshold_for_unknown
from skysort.trust.evaluation import Evaluation
from skysort.trust.guarantee import (
    Scores,
    curve,
    decide,
    lowest_threshold,
    most_lost,
    num_needed,
    share_lost,
    share_set_aside,
    upper_bound,
)
from tests.conftest import refused

Floats = NDArray[np.float64]
PAGE = Path(__file__).parents[2] / "docs" / "guarantee.md"
PROOF = PAGE.with_name("guarantee-details.md")
CLASSES = ("airplane", "bird", "gull")


def ungrouped(kept: Floats, others: Floats) -> Scores:
    return Scores(("bird",), kept, np.arange(len(kept)), others, np.arange(len(others)))


# How many may be lost: against the binomial distribution itself, of which the code sees only its bound.


@pytest.mark.parametrize(
    ("num", "alpha", "confidence", "expected"),
    [
        (299, 0.01, 0.95, 0),
        (472, 0.01, 0.95, 0),
        (473, 0.01, 0.95, 1),
        (628, 0.01, 0.95, 2),
        (500, 0.02, 0.95, 4),
        (59, 0.05, 0.95, 0),
        (45, 0.05, 0.9, 0),
        (1, 0.96, 0.95, 0),
        (2, 0.99, 0.95, 1),
        (3, 0.5, 0.5, 1),  # the two are equally likely to be above and below
        (100_000, 0.01, 0.99, 927),
    ],
)
def test_the_most_that_may_be_lost_of_known_numbers(
    num: int, alpha: float, confidence: float, expected: int
) -> None:
    found = most_lost(num, alpha, confidence)
    assert found == expected
    assert binom.cdf(found, num, alpha) <= 1 - confidence + 1e-12 < binom.cdf(found + 1, num, alpha)


SHARES = st.floats(0.001, 0.999)


@given(st.integers(1, 3_000), SHARES, SHARES)
def test_one_more_would_be_too_many(num: int, alpha: float, confidence: float) -> None:
    least = num_needed(alpha, confidence)
    if num < least:
        with refused("too-few-pictures", f" {least:,} ", f" {num:,}"):
            most_lost(num, alpha, confidence)
        found = -1
    else:
        found = most_lost(num, alpha, confidence)
    assert binom.cdf(found, num, alpha) <= (1 - confidence) * (1 + 1e-9)
    assert binom.cdf(found + 1, num, alpha) >= (1 - confidence) * (1 - 1e-9)
    assert found < num


@given(st.floats(1e-9, 0.999), SHARES)
def test_with_none_lost_the_number_needed_is_that_of_the_closed_form(alpha: float, confidence: float) -> None:
    exact = math.log1p(-confidence) / math.log1p(-alpha)
    assert math.ceil(exact * (1 - 1e-9)) <= num_needed(alpha, confidence) <= math.ceil(exact * (1 + 1e-9))


@pytest.mark.parametrize(
    ("alpha", "confidence", "expected"),
    # where the closed form is a whole number, or as near as doubles come
    [(0.5, 0.75, 2), (0.5, 0.5, 1), (0.1, 0.19, 2), (0.95, 0.95, 1), (0.25, 1 - 0.75**10, 10), (0.01, 0.95, 299)],
)
def test_the_number_needed_is_enough_and_one_fewer_is_not(alpha: float, confidence: float, expected: int) -> None:
    assert num_needed(alpha, confidence) == expected
    assert most_lost(expected, alpha, confidence) == 0
    with refused("too-few-pictures", f" {expected} ", f" {expected - 1}"):
        most_lost(expected - 1, alpha, confidence)


@pytest.mark.parametrize("num_lost", [1, 5, 40])
def test_the_number_needed_with_some_lost_is_the_least(num_lost: int) -> None:
    num = num_needed(0.03, 0.9, num_lost)
    assert binom.cdf(num_lost, num, 0.03) <= 0.1 < binom.cdf(num_lost, num - 1, 0.03)


def test_the_bound_is_the_share_at_which_so_few_are_lost_that_rarely() -> None:
    lost = np.arange(40)
    bounds = upper_bound(lost, 40, 0.9)
    np.testing.assert_allclose(binom.cdf(lost, 40, bounds), 0.1)
    assert upper_bound(40, 40, 0.9) == 1


@pytest.mark.parametrize(
    ("num", "alpha", "confidence", "facts"),
    [
        (298, 0.01, 0.95, ["1 %", "95 %", " 299 ", " 298", "1.01 %"]),
        (9, 1e-9, 0.95, ["0.0000001 %", "95 %", " 2,995,732,273 ", " 9", "28.32 %"]),
        (0, 0.07, 0.95, ["7 %", "95 %", " 42 ", " 0", "100 %"]),
    ],
)
def test_a_promise_that_takes_more_pictures_is_refused(
    num: int, alpha: float, confidence: float, facts: list[str]
) -> None:
    with refused("too-few-pictures", *facts):
        lowest_threshold(np.zeros(num), alpha, confidence)


@pytest.mark.parametrize(
    ("alpha", "confidence", "facts"),
    [(0.0, 0.95, ["lose", " 0 %", " 2 %"]), (0.01, 95.0, ["confidence", "9500 %", " 95 %"])],
)
def test_what_is_no_promise_is_refused(alpha: float, confidence: float, facts: list[str]) -> None:
    with refused("wrong-value", *facts, "0.0000001 % to 99.9999999 %", exit_code=2):
        lowest_threshold(np.zeros(9), alpha, confidence)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1, 1.1])
def test_a_score_that_is_no_probability_is_refused(wrong: float) -> None:
    scores = np.full(300, 0.5)
    with refused("wrong-value", "1 of 300 scores"):
        lowest_threshold(np.append(scores[1:], wrong), 0.1, 0.95)
    with refused("wrong-value", "1 of 300 scores"):
        decide(ungrouped(scores, np.append(scores[1:], wrong)), 0.1, 0.95, "2026-11-22")


# The threshold. Scores on a coarse grid have many ties, and none of two levels within the margin.

LEVELS = 20
PROMISES = st.sampled_from([(0.3, 0.5), (0.2, 0.9), (0.5, 0.95), (0.9, 0.2)])
SETS = st.lists(st.integers(0, LEVELS), min_size=11, max_size=60).map(lambda levels: np.array(levels) / LEVELS)


@given(SETS, PROMISES)
def test_no_lower_threshold_is_allowed_by_the_bound(scores: Floats, promise: tuple[float, float]) -> None:
    alpha, confidence = promise

    def is_allowed(threshold: float) -> bool:
        return bool(binom.cdf((scores >= threshold).sum(), len(scores), alpha) <= 1 - confidence)

    found = float(lowest_threshold(scores, alpha, confidence))
    assert is_allowed(found)
    # Between two levels all thresholds set aside the same: a level stands for those from the one below it on.
    lowest = min(level for level in (*np.arange(LEVELS + 1) / LEVELS, ABOVE_ALL) if is_allowed(level))
    assert lowest - 1 / LEVELS - 1e-9 < found <= lowest


@given(SETS, PROMISES, st.randoms())
def test_pictures_tied_with_the_first_that_is_kept_are_kept(
    scores: Floats, promise: tuple[float, float], random: Random
) -> None:
    found = float(lowest_threshold(scores, *promise))
    num_allowed = most_lost(len(scores), *promise)
    first_kept = np.sort(scores)[::-1][num_allowed]
    assert (scores >= found).sum() == (scores > first_kept).sum() <= num_allowed
    assert found == lowest_threshold(np.array(random.sample(scores.tolist(), len(scores))), *promise)


@given(SETS, st.tuples(SHARES, SHARES), st.tuples(SHARES, SHARES))
def test_a_looser_promise_never_has_a_higher_threshold(
    scores: Floats, alphas: tuple[float, float], confidences: tuple[float, float]
) -> None:
    strict, loose = (min(alphas), max(confidences)), (max(alphas), min(confidences))
    if len(scores) < num_needed(*strict):
        return
    assert lowest_threshold(scores, *loose) <= lowest_threshold(scores, *strict)


def test_where_the_classifier_is_wholly_sure_and_wrong_nothing_is_set_aside() -> None:
    decision = decide(ungrouped(np.ones(100), np.ones(10)), 0.05, 0.95, "2026-11-22")
    assert decision.threshold == ABOVE_ALL
    assert decision.calibration.lost == 0
    assert decision.set_aside is not None
    assert decision.set_aside.share == 0


def test_what_is_computed_again_with_rounded_logits_is_kept_again() -> None:
    rng = np.random.default_rng(0)
    odds = np.append(rng.normal(0, 10, 2_000), np.linspace(20, 27, 200)).repeat(3)  # up to 1 - 2e-12, with ties
    logits = np.stack([odds, np.zeros(len(odds))], axis=1)
    truth = np.ones(len(odds), np.int64)

    def computed() -> Floats:
        rounded = (logits + rng.uniform(-1e-3, 1e-3, logits.shape)).astype(np.float32)
        return Scores.of(softmax(rounded), truth, ("airplane", "bird"), ["bird"]).kept

    first, again = computed(), computed()
    for alpha in (0.01, 0.1, 0.3, 0.5, 0.9):
        threshold = lowest_threshold(first, alpha, 0.95)
        is_kept = first <= np.sort(first)[::-1][most_lost(len(first), alpha, 0.95)]
        assert (first < threshold)[is_kept].all()
        assert (again < threshold)[is_kept].all()
        assert threshold - first[is_kept].max() < 0.001


# The promise. A simulation draws many calibration parts from scores whose true share above any threshold is known.

NUM_DRAWS = 10_000
CHANCE = 1e-6
"""A count that is further out than this in its binomial distribution fails a test."""

Share = Callable[[Floats], Floats]


def uniform(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Share]:
    return rng.random(shape), lambda thresholds: np.maximum(0, 1 - thresholds)


def of_levels(**chances: float) -> Callable[[np.random.Generator, tuple[int, int]], tuple[Floats, Share]]:
    levels, weights = np.array([float(name[1:]) / 100 for name in chances]), np.array(list(chances.values()))

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Share]:
        scores = rng.choice(levels, shape, p=weights)
        return scores, lambda thresholds: (levels >= np.expand_dims(thresholds, -1)) @ weights

    return draw


tied = of_levels(_10=0.5, _40=0.3, _70=0.15, _90=0.03, _100=0.02)
two_levels = of_levels(_0=0.9, _100=0.1)
all_equal = of_levels(_30=1.0)


def half_saturated(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Share]:
    """Half of the scores are 0, a hundredth 1, and the others anywhere between."""
    place = rng.random(shape)
    scores = np.where(place < 0.5, 0.0, np.where(place > 0.99, 1.0, (place - 0.5) / 0.49))
    return scores, lambda thresholds: np.where(thresholds > 1, 0, 0.01 + 0.49 * (1 - thresholds))


def num_broken(draw: Callable[..., tuple[Floats, Share]], alpha: float, confidence: float, num: int) -> int:
    """Return how many of the draws of calibration pictures gave a threshold that loses more than promised."""
    scores, share_lost = draw(np.random.default_rng(num), (NUM_DRAWS, num))
    thresholds = lowest_threshold(scores, alpha, confidence)
    return int((share_lost(thresholds) > alpha * (1 + 1e-12)).sum())


def most_by_chance(confidence: float) -> int:
    return int(binom.isf(CHANCE, NUM_DRAWS, 1 - confidence))


SETTINGS = [
    (0.01, 0.95, 299),
    (0.02, 0.95, 500),
    (0.04, 0.95, 100),
    (0.05, 0.9, 60),
    (0.1, 0.99, 44),
    (0.3, 0.95, 9),
    (0.2, 0.8, 10),
    (0.5, 0.5, 3),
    (0.5, 0.5, 1),
    (0.96, 0.95, 1),
]


@pytest.mark.parametrize("draw", [uniform, tied, two_levels, all_equal, half_saturated])
@pytest.mark.parametrize(("alpha", "confidence", "num"), SETTINGS)
def test_the_promise_is_kept_as_often_as_promised(
    draw: Callable[..., tuple[Floats, Share]], alpha: float, confidence: float, num: int
) -> None:
    assert num_broken(draw, alpha, confidence, num) <= most_by_chance(confidence)


@pytest.mark.parametrize(("alpha", "confidence", "num"), SETTINGS)
def test_without_ties_it_is_broken_just_as_often_as_the_binomial_distribution_has_it(
    alpha: float, confidence: float, num: int
) -> None:
    chance = binom.cdf(most_lost(num, alpha, confidence), num, alpha)
    low, high = binom.isf([1 - CHANCE, CHANCE], NUM_DRAWS, chance)
    assert low <= num_broken(uniform, alpha, confidence, num) <= high


@pytest.mark.parametrize(("alpha", "confidence", "num"), [(0.01, 0.95, 299), (0.02, 0.95, 500), (0.2, 0.8, 10)])
def test_the_simulation_notices_a_bound_that_allows_one_more(
    monkeypatch: pytest.MonkeyPatch, alpha: float, confidence: float, num: int
) -> None:
    monkeypatch.setattr(guarantee, "most_lost", lambda *promise: most_lost(*promise) + 1)
    assert num_broken(uniform, alpha, confidence, num) > most_by_chance(confidence)


def test_the_simulation_notices_a_threshold_that_sets_ties_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert num_broken(tied, 0.04, 0.95, 100) <= most_by_chance(0.95)
    monkeypatch.setattr(guarantee, "_just_above", lambda scores: scores)
    assert num_broken(tied, 0.04, 0.95, 100) > most_by_chance(0.95)


# Groups.


def of_groups(rng: np.random.Generator, num_groups: int) -> Scores:
    """Draw groups of one to three pictures, whose scores are anywhere below a bound that each group draws."""
    sizes = rng.integers(1, 4, num_groups)
    groups = rng.permutation(np.repeat(np.arange(num_groups), sizes))
    kept = rng.random(len(groups)) * rng.random(num_groups)[groups]
    return replace(ungrouped(kept, np.zeros(1)), kept_groups=groups)


def share_of_groups_lost(threshold: float) -> float:
    """Return the chance that any of a group's pictures reaches a threshold, integrated over the group's bound."""
    t = threshold
    return 1 - ((t - t * math.log(t)) + (2 * t - t**2) + (3 * t - t**3) / 2) / 3


def test_of_groups_with_pictures_that_are_alike_the_promise_is_kept() -> None:
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(1_500):
        found = decide(of_groups(rng, 100), 0.04, 0.95, "2026-11-22")
        assert (found.calibration.groups, found.calibration.lost_groups) == (100, 0)
        broken += share_of_groups_lost(found.threshold) > 0.04
    chance = 0.96**100  # 0.017; the margin takes off a fiftieth of that
    low, high = binom.isf([1 - CHANCE, CHANCE], 1_500, chance)
    assert low <= broken <= high


def test_frames_of_a_visit_that_count_as_independent_break_the_promise() -> None:
    visits = np.random.default_rng(0).random((NUM_DRAWS, 30))
    thresholds = lowest_threshold(visits.repeat(10, axis=1), 0.02, 0.95)
    assert (1 - thresholds > 0.02).mean() > 0.5  # where 0.05 was promised
    as_groups = replace(ungrouped(visits[0].repeat(10), np.zeros(1)), kept_groups=np.arange(30).repeat(10))
    with refused("too-few-pictures", " 149 ", " 30"):
        decide(as_groups, 0.02, 0.95, "2026-11-22")


def test_groups_may_have_names_and_hold_other_classes() -> None:
    logits = np.log([[0.1, 0.9], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]]).astype(np.float32)
    groups = np.array(["noon", "dawn", "noon", "dusk", "dawn"])
    scores = Scores.of(softmax(logits), np.array([1, 1, 0, 1, 1]), ("airplane", "bird"), ["bird"], groups)
    np.testing.assert_allclose(scores.by_group(), [0.6, 0.7, 0.1], atol=1e-6)  # dawn, dusk, noon
    decision = decide(scores, 0.9, 0.95, "2026-11-22")
    assert decision.calibration.model_dump() == {"pictures": 4, "lost": 1, "groups": 3, "lost_groups": 1}
    assert 0.6 < decision.threshold < 0.61


def test_what_is_lost_is_counted_as_it_was_promised() -> None:
    scores = replace(
        ungrouped(np.array([0.9, 0.1, 0.9, 0.2, 0.3]), np.zeros(1)), kept_groups=np.array([7, 7, 7, 8, 9])
    )
    found, single = share_lost(scores, 0.5), share_set_aside(np.array([0.9, 0.2, 0.3]), np.arange(3), 0.5)
    assert found is not None and single is not None
    assert found == single.model_copy(update={"pictures": 5, "groups": 3})
    assert share_lost(replace(scores, kept_groups=np.arange(5)), 0.5) == share_set_aside(
        scores.kept, np.arange(5), 0.5
    )
    assert share_lost(ungrouped(np.empty(0), np.zeros(1)), 0.5) is None


def test_groups_of_one_picture_are_pictures() -> None:
    scores = ungrouped(np.linspace(0, 1, 100), np.zeros(1))
    decision = decide(scores, 0.1, 0.95, "2026-11-22")
    assert decision.calibration.groups is decision.calibration.lost_groups is None
    assert decision.calibration.lost == most_lost(100, 0.1, 0.95) == 4


# What is set aside of the others.


def test_the_share_set_aside_has_the_interval_of_so_many_pictures() -> None:
    found = share_set_aside(np.array([0.9] * 380 + [0.1] * 120), np.arange(500), 0.9)
    assert found is not None
    assert (found.pictures, found.share) == (500, 0.76)
    assert found.interval95 == pytest.approx((0.7207, 0.7953), abs=1e-4)
    assert share_set_aside(np.empty(0), np.empty(0), 0.9) is None


def test_pictures_that_are_alike_count_for_their_groups() -> None:
    scores = np.array([0.9] * 38 + [0.1] * 12)
    single = share_set_aside(scores, np.arange(50), 0.9)
    assert single is not None
    grouped = share_set_aside(scores.repeat(10), np.arange(50).repeat(10), 0.9)
    assert grouped == single.model_copy(update={"pictures": 500})


def test_unknown_pictures_count_as_prediction_acts_on_them() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(0, 3, (400, 3)).astype(np.float32), rng.integers(0, 3, 400)
    unknown, number = threshold_for_unknown(logits, 0.7), np.arange(400)
    evaluation = Evaluation("calibration", None, CLASSES, number, truth, logits, {}, 1.0, unknown)
    decision = decide(evaluation.scores(["bird"], number), 0.5, 0.9, "2026-11-22")
    shares, why = softmax(logits), why_unknown(unknown, logits)
    actions = np.array([
        decision.action(labelled("", share, CLASSES, reason)) for share, reason in zip(shares, why, strict=True)
    ])  # fmt: skip
    is_bird = truth == CLASSES.index("bird")
    is_set_aside = actions == "set-aside"
    effect = evaluation.effect_of(decision, number)
    assert decision.set_aside and effect.set_aside and effect.lost
    assert effect.set_aside.share == decision.set_aside.share == is_set_aside[~is_bird].mean()
    assert effect.lost.share == is_set_aside[is_bird].mean()
    # The promise is kept without that some are unknown.
    assert decision.calibration.lost > is_set_aside[is_bird].sum() > 0
    assert decision.calibration.lost == (1 - shares[is_bird, 1] >= decision.threshold).sum()


def test_the_interval_holds_the_share_of_groups_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([1, 1, 2, 4, 8] * 12)
    groups = np.repeat(np.arange(60), sizes)
    held = 0
    for _ in range(500):
        found = share_set_aside(rng.random(60)[groups], groups, 0.3)
        assert found is not None
        assert found.interval95[0] <= found.share <= found.interval95[1]
        held += found.interval95[0] <= 0.7 <= found.interval95[1]
    assert held >= binom.ppf(CHANCE, 500, 0.95)


# Decisions and their words.


def drawn_scores() -> Scores:
    """Return the example of the page: log odds at the quantiles of two normal distributions."""
    log_odds = norm.ppf((np.arange(500) + 0.5) / 500)
    return ungrouped(expit(2 * log_odds - 1), expit(2 * log_odds + 5))


def test_a_decision_holds_what_it_was_made_from() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]] * 50 + [[0.1, 0.3, 0.6]] * 40 + [[0.2, 0.6, 0.2]] * 60)
    truth = np.array([0] * 50 + [1] * 40 + [2] * 60)
    decision = decide(Scores.of(probabilities, truth, CLASSES, ["gull", "bird"]), 0.05, 0.95, "2026-11-22")
    assert (decision.name, decision.keep) == ("keep-bird-and-gull", ("bird", "gull"))
    assert decision.calibration.model_dump() == {"pictures": 100, "lost": 0, "groups": None, "lost_groups": None}
    assert 0.2 < decision.threshold < 0.201
    assert decision.set_aside is not None
    assert (decision.set_aside.pictures, decision.set_aside.share) == (50, 1.0)
    assert Decision.model_validate(json.loads(json.dumps(decision.model_dump(mode="json")))) == decision


def test_the_curve_passes_through_every_decision() -> None:
    scores = drawn_scores()
    found = curve(scores, 0.95)
    assert (np.diff(found.thresholds) < 0).all()
    assert (np.diff(found.lost) >= 0).all()
    assert (np.diff(found.set_aside) >= 0).all()
    for alpha in (0.01, 0.02, 0.05):
        decision = decide(scores, alpha, 0.95, "2026-11-22")
        (place,) = np.flatnonzero(found.thresholds == decision.threshold)
        assert decision.set_aside is not None
        assert found.lost[place] == decision.calibration.lost / 500
        assert found.set_aside[place] == decision.set_aside.share
        assert found.bounds[place] <= alpha < found.bounds[place + 1]


def test_a_curve_without_other_classes_has_no_share_of_them() -> None:
    found = curve(ungrouped(np.array([0.2, 0.1]), np.empty(0)), 0.95)
    assert np.isnan(found.set_aside).all()
    np.testing.assert_allclose(found.lost, [0, 0.5])


# The page.


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is headed so, without its head."""
    lines = PAGE.read_text("utf-8").split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def share(cell: str) -> float:
    return float(cell.removesuffix(" %")) / 100


def test_the_numbers_needed_on_the_page_are_true() -> None:
    rows = table("lose at most")
    assert len(rows) == 12
    for alpha, confidence, *nums in rows:
        found = [num_needed(share(alpha), share(confidence), num_lost) for num_lost in (0, 1, 2, 5, 10)]
        assert nums == [f"{num:,}" for num in found]


def test_the_counts_that_speak_against_a_promise_on_the_page_are_true() -> None:
    rows = table("fresh pictures of birds")
    assert len(rows) == 4
    for num, *counts in rows:
        found = [binom.ppf(0.99, int(num.replace(",", "")), alpha) for alpha in (0.01, 0.02, 0.05)]
        assert counts == [f"{count:.0f}" for count in found]


def test_the_chances_on_the_page_are_true() -> None:
    page = " ".join(PAGE.read_text("utf-8").split())
    assert re.search(rf"\b2 %[^.]* {binom.ppf(0.95, 1_000, 0.02):.0f} of (a thousand|1,000)\b", page)
    four, five = 100 * binom.cdf([4, 5], 500, 0.02)
    assert re.search(rf" {four:.0f} of 100 [^.]*\b5 of 500 [^.]* {five:.0f}\b", page)
    proof = PROOF.read_text("utf-8")
    assert f" {four:.1f} %" in proof and f" {five:.1f} %" in proof
    assert 0.5 < binom.cdf(10, 500, 0.02) < 0.6  # the dead end at its end
