import numpy as np
import pytest

from skysort.trust.comparison import PairedComparison
from skysort.trust.guarantee import num_needed
from skysort.trust.improvement import advice, num_to_come


def compared(only_old: int, only_new: int, both: int = 50) -> PairedComparison:
    old = np.repeat([True, True, False], [both, only_old, only_new])
    new = np.repeat([True, False, True], [both, only_old, only_new])
    return PairedComparison.of(("old", "new"), old, new)


BETTER, WORSE, SAME = compared(0, 10), compared(10, 0), compared(3, 4)


@pytest.mark.parametrize(
    ("labels", "set_aside", "facts", "expected"),
    [
        (BETTER, None, "", "switch"),
        (BETTER, SAME, "", "switch"),
        (SAME, BETTER, "", "switch"),
        (WORSE, SAME, "", "do-not-switch"),
        (SAME, WORSE, "stale", "do-not-switch"),
        (BETTER, WORSE, "", "cannot-tell"),
        (SAME, SAME, "", "cannot-tell"),
        (None, None, "", "cannot-tell"),
        (SAME, SAME, "stale", "switch"),
        (None, None, "stale", "cannot-tell"),
        (BETTER, None, "lacks", "cannot-tell"),
        (SAME, None, "lacks stale", "cannot-tell"),
        (WORSE, None, "lacks", "do-not-switch"),
    ],
)
def test_the_advice(
    labels: PairedComparison | None, set_aside: PairedComparison | None, facts: str, expected: str
) -> None:
    found = advice(labels, set_aside, lacks_decision="lacks" in facts, is_stale="stale" in facts)
    assert found == expected


def test_a_switch_without_a_reason_is_rare() -> None:
    """Two classifiers that are equally good: the new one is taken for better in at most 5 % of the cases."""
    rng = np.random.default_rng(0)
    num, num_switches = 1000, 0
    for _ in range(num):
        comparisons = (PairedComparison.of(("old", "new"), *(rng.random((2, 60)) < 0.7)) for _ in range(2))
        num_switches += advice(*comparisons, lacks_decision=False, is_stale=False) == "switch"
    assert num_switches / num < 0.05 + 3 * (0.05 * 0.95 / num) ** 0.5


def test_how_many_pictures_must_come() -> None:
    assert num_to_come(num_needed(0.02, 0.95), 0.05, 1.0) == 2980
    assert num_to_come(num_needed(0.05, 0.95), 1.0, 0.5) == 118
    assert num_to_come(1, 0.3, 0.5) == 7
