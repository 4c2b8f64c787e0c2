import re

import numpy as np
import pytest

from skysort.trust.advice import advice, has_learned, how_sure
from skysort.trust.intervals import wilson
from skysort.trust.metrics import GroupCounts, Metrics, SplitFigures, measure


def split(num_right: int, num: int, num_classes: int = 2, always: int | None = None) -> SplitFigures:
    """Return the figures of pictures of so many classes in turn, the first of them labelled right."""
    truth = np.arange(num) % num_classes
    labels = np.where(np.arange(num) < num_right, truth, (truth + 1) % num_classes)
    if always is not None:
        labels[:] = always
    logits = np.full((num, num_classes), -2, np.float32)
    logits[np.arange(num), labels] = 2
    names = [f"c{number}" for number in range(num_classes)]
    return measure(logits, truth, names)


def metrics(**splits: SplitFigures) -> Metrics:
    return Metrics(
        splits=splits,
        parameters=1,
        temperature=1.0,
        temperature_reason="",
        seconds={},
        protocol="four-way",
        learned={"train": 700},
        classifier="",
        data={},
        decisions={},
    )


def figures_of(sentence: str) -> list[str]:
    """Return how many pictures there are, how sure that is, and how many would be surer by how much."""
    return re.findall(r"±?\d[\d,]*(?:\.\d+)?", sentence)


@pytest.mark.parametrize(
    ("num_right", "num", "figures"),
    [
        (5, 6, ["6", "±26.7", "900", "±3"]),
        (1, 1, ["1", "±39.7", "1,100", "±3"]),
        (900, 1000, ["1,000", "±1.9"]),
    ],
)
def test_whether_the_test_pictures_are_enough_is_answered(num_right: int, num: int, figures: list[str]) -> None:
    assert figures_of(how_sure(split(num_right, num))) == figures


@pytest.mark.parametrize(("num_right", "num"), [(5, 6), (40, 50), (50, 100), (95, 100)])
def test_as_many_pictures_as_it_asks_for_are_enough(num_right: int, num: int) -> None:
    needed = int(figures_of(how_sure(split(num_right, num)))[2].replace(",", ""))
    low, high = wilson(num_right, num)
    then = wilson(round(needed * (low + high) / 2), needed)
    assert (then[1] - then[0]) / 2 <= 0.031


def test_groups_take_more_pictures() -> None:
    plain = split(40, 50)
    grouped = plain.model_copy(update={"grouped": GroupCounts(groups=20, widening=2.0)})
    assert figures_of(how_sure(plain)) == ["50", "±10.9", "740", "±3"]
    assert figures_of(how_sure(grouped)) == ["50", "±21.8", "3,000", "±3"]


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (split(50, 100), False),
        (split(55, 100), False),
        (split(70, 100), True),
        (split(0, 100, always=0), False),
        (split(0, 3000, 1000, always=7), False),
        (split(60, 1000, 100), True),
        (split(1, 2), False),
        (split(10, 10), True),
    ],
)
def test_training_near_chance_is_not_trained_yet(train: SplitFigures, expected: bool) -> None:
    assert has_learned(train) == expected
    said = advice(metrics(train=train, test=split(5, 6)))
    assert any("--set training.epochs=" in sentence for sentence in said) != expected
    assert len(advice(metrics(test=train))) == 1  # figures of other pictures
