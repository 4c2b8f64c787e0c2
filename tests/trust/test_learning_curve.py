import pytest

from skysort.trust.learning_curve import LearningCurve, Size, is_it_enough
from tests.conftest import numbers


def curve(*sizes: tuple[int, tuple[float, ...]]) -> LearningCurve:
    return LearningCurve(sizes=tuple(Size(per_class=num, accuracies=accuracies) for num, accuracies in sizes))


GROWING = curve((8, (0.79, 0.8, 0.81)), (16, (0.89, 0.9, 0.91)))
WITHIN_CHANCE = curve((8, (0.8, 0.9, 0.7)), (16, (0.9, 0.7, 0.83)))


def test_twice_as_many_divide_the_error_by_the_same_factor() -> None:
    assert GROWING.twice_as_many() == pytest.approx(0.95)  # errors 0.2, 0.1, 0.05


@pytest.mark.parametrize(
    "found", [WITHIN_CHANCE, curve(), curve((4, (0.5, 0.6))), curve((4, (1, 1)), (8, (1, 1)))]
)
def test_no_forecast_where_chance_explains_the_curve(found: LearningCurve) -> None:
    assert found.twice_as_many() is None


def test_sentence_has_the_numbers() -> None:
    assert {"8", "16", "80.0", "90.0", "95.0"} <= set(numbers(is_it_enough(GROWING)))
    longer = curve((4, (0.6, 0.62, 0.64)), *((size.per_class, size.accuracies) for size in GROWING.sizes))
    assert {"4", "62.0", "95.0"} <= set(numbers(is_it_enough(longer)))  # every point of the chart
    assert {"8", "16", "80.0", "81.0"} == set(numbers(is_it_enough(WITHIN_CHANCE)))
    assert not numbers(is_it_enough(curve()))
    assert {"4", "8", "100.0"} == set(numbers(is_it_enough(curve((4, (1, 1)), (8, (1, 1))))))
