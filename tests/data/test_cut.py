from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.core.errors import SkysortError
from skysort.data.cut import Indices, cut
from skysort.data.listing import Listing
from tests.conftest import refused

SHARES = {"train": 0.7, "validation": 0.1, "calibration": 0.1, "test": 0.1}
LETTERS = "abcdef"


def table(*classes: list[int], split: str = "") -> tuple[Listing, Indices]:
    """List pictures class by class; each class as the sizes of its groups of equal pictures."""
    rows = [
        (label, number)
        for number, (label, size) in enumerate((c, s) for c, sizes in enumerate(classes) for s in sizes)
        for _ in range(size)
    ]
    labels = np.array([label for label, _ in rows], np.int64)
    names = tuple(LETTERS[: len(classes)])
    paths = tuple(f"{names[label]}/{row}.jpg" for row, label in enumerate(labels))
    return Listing(paths, labels, names, (split,) * len(rows)), np.array([group for _, group in rows], np.int64)


def singles(*nums: int, split: str = "") -> tuple[Listing, Indices]:
    return table(*([1] * num for num in nums), split=split)


def joined(*tables: tuple[Listing, Indices]) -> tuple[Listing, Indices]:
    """Put tables below one another, each with groups of its own."""
    groups: list[Indices] = []
    for _, own in tables:
        groups.append(own + (groups[-1].max() + 1 if groups else 0))
    listings = [listing for listing, _ in tables]
    merged = Listing(
        tuple(
            f"{split}/{path}"
            for listing in listings
            for path, split in zip(listing.paths, listing.splits, strict=True)
        ),
        np.concatenate([listing.labels for listing in listings]),
        listings[0].classes,
        tuple(split for listing in listings for split in listing.splits),
    )
    return merged, np.concatenate(groups)


def counts(listing: Listing, rows: Indices) -> list[int]:
    return np.bincount(listing.labels[rows], minlength=len(listing.classes)).tolist()


def as_lists(splits: dict[str, Indices]) -> dict[str, list[int]]:
    return {split: rows.tolist() for split, rows in splits.items()}


classes_of_groups = st.lists(
    st.lists(st.integers(1, 4), min_size=4, max_size=25), min_size=2, max_size=4
)  # groups a class, and pictures a group
seeds = st.integers(0, 2**32)


@given(classes_of_groups, seeds, st.data())
def test_every_usable_picture_is_in_exactly_one_part(sizes: list[list[int]], seed: int, data: Any) -> None:
    listing, groups = table(*([1, 1, 1, 1, *own] for own in sizes))
    num_groups = int(groups.max()) + 1
    droppable = sorted({int(g) for g in range(num_groups)} - {int(g) for g in _first_four(listing, groups)})
    dropped = data.draw(st.sets(st.sampled_from(droppable)) if droppable else st.just(set()))
    groups[np.isin(groups, list(dropped))] = -1
    splits = cut(listing, groups, "four-way", seed)
    assert sorted(np.concatenate(list(splits.values())).tolist()) == np.flatnonzero(groups >= 0).tolist()


def _first_four(listing: Listing, groups: Indices) -> list[int]:
    return [g for c in range(len(listing.classes)) for g in np.unique(groups[listing.labels == c])[:4]]


@given(classes_of_groups, seeds)
def test_equal_pictures_are_never_parted(sizes: list[list[int]], seed: int) -> None:
    listing, groups = table(*sizes)
    splits = cut(listing, groups, "four-way", seed)
    homes = Counter(group for rows in splits.values() for group in set(groups[rows].tolist()))
    assert set(homes.values()) == {1}


@given(classes_of_groups, seeds)
def test_every_class_is_in_every_part(sizes: list[list[int]], seed: int) -> None:
    listing, groups = table(*sizes)
    assert all(min(counts(listing, rows)) > 0 for rows in cut(listing, groups, "four-way", seed).values())


@given(st.lists(st.integers(7, 400), min_size=2, max_size=4), seeds)
def test_counts_a_class_are_within_one_of_the_shares(nums: list[int], seed: int) -> None:
    listing, groups = singles(*nums)
    for split, rows in cut(listing, groups, "four-way", seed).items():
        for num, total in zip(counts(listing, rows), nums, strict=True):
            assert abs(num - SHARES[split] * total) <= 1 + 1e-9, (split, num, total)


@given(classes_of_groups, seeds)
def test_the_same_seed_gives_the_same_cut(sizes: list[list[int]], seed: int) -> None:
    assert as_lists(cut(*table(*sizes), "four-way", seed)) == as_lists(cut(*table(*sizes), "four-way", seed))


@given(seeds)
def test_another_seed_gives_another_cut(seed: int) -> None:
    listing, groups = singles(40, 40)
    assert as_lists(cut(listing, groups, "four-way", seed)) != as_lists(cut(listing, groups, "four-way", seed + 1))


def test_each_part_is_in_the_order_of_the_listing() -> None:
    splits = cut(*singles(30, 30), "four-way", 0)
    assert list(splits) == ["train", "validation", "calibration", "test"]
    assert all((np.diff(rows) > 0).all() for rows in splits.values())


def test_data_without_parts_is_cut_70_10_10_10() -> None:
    listing, groups = singles(100, 200)
    sizes = {split: counts(listing, rows) for split, rows in cut(listing, groups, "four-way", 0).items()}
    assert sizes == {"train": [70, 140], "validation": [10, 20], "calibration": [10, 20], "test": [10, 20]}


def test_a_large_group_of_copies_does_not_spoil_the_shares() -> None:
    listing, groups = table([1] * 45 + [55], [9] + [1] * 91)
    sizes = {split: counts(listing, rows) for split, rows in cut(listing, groups, "four-way", 0).items()}
    assert sizes == {"train": [70, 70], "validation": [10, 10], "calibration": [10, 10], "test": [10, 10]}


def test_data_with_only_a_training_part_is_cut_70_10_10_10() -> None:
    listing, groups = singles(100, 100, split="train")
    assert counts(listing, cut(listing, groups, "four-way", 0)["train"]) == [70, 70]


def test_data_with_a_test_part_is_cut_80_10_10_and_keeps_it() -> None:
    listing, groups = joined(singles(100, 50, split="train"), singles(7, 3, split="test"))
    splits = cut(listing, groups, "four-way", 0)
    assert splits["test"].tolist() == list(range(150, 160))
    sizes = {split: counts(listing, rows) for split, rows in splits.items()}
    assert sizes == {"train": [80, 40], "validation": [10, 5], "calibration": [10, 5], "test": [7, 3]}


def test_a_validation_part_of_its_own_is_kept() -> None:
    listing, groups = joined(singles(90, 90, split="train"), singles(5, 5, split="validation"))
    splits = cut(listing, groups, "four-way", 0)
    assert splits["validation"].tolist() == list(range(180, 190))
    assert {split: counts(listing, splits[split]) for split in ("train", "calibration", "test")} == {
        "train": [70, 70],
        "calibration": [10, 10],
        "test": [10, 10],
    }


def test_with_validation_and_test_of_its_own_only_calibration_is_cut() -> None:
    listing, groups = joined(
        singles(90, 90, split="train"), singles(5, 5, split="validation"), singles(4, 4, split="test")
    )
    splits = cut(listing, groups, "four-way", 0)
    assert {split: counts(listing, rows) for split, rows in splits.items()} == {
        "train": [80, 80],
        "validation": [5, 5],
        "calibration": [10, 10],
        "test": [4, 4],
    }


def test_the_tutorial_protocol_trains_on_the_whole_training_part() -> None:
    listing, groups = joined(singles(9, 9, split="train"), singles(3, 3, split="test"))
    assert as_lists(cut(listing, groups, "tutorial", 0)) == {
        "train": list(range(18)),
        "test": list(range(18, 24)),
    }


def test_the_tutorial_protocol_calls_a_validation_part_that_is_held_out_test() -> None:
    listing, groups = joined(singles(9, 9, split="train"), singles(3, 3, split="validation"))
    assert cut(listing, groups, "tutorial", 0)["test"].tolist() == list(range(18, 24))


def test_the_tutorial_protocol_without_a_part_held_out_says_which_setting_helps() -> None:
    with refused("missing-split", "'tutorial'", "--set pictures.protocol=four-way"):
        cut(*singles(9, 9), "tutorial", 0)


@pytest.mark.parametrize("protocol", ["four-way", "tutorial"])
def test_unreadable_pictures_are_in_no_part(protocol: Any) -> None:
    listing, groups = joined(singles(20, 20, split="train"), singles(4, 4, split="test"))
    groups[[0, 41]] = -1
    assert not {0, 41} & set(np.concatenate(list(cut(listing, groups, protocol, 0).values())).tolist())


@pytest.mark.parametrize("protocol", ["four-way", "tutorial"])
@pytest.mark.parametrize(("nums", "found"), [((9,), "only 'a'"), ((9, 0), "only 'a'"), ((0, 0), "none")])
def test_fewer_than_two_classes_cannot_be_trained_on(protocol: Any, nums: tuple[int, ...], found: str) -> None:
    with refused("too-few-classes", found):
        cut(*singles(*nums), protocol, 0)


def test_a_class_that_is_only_in_the_test_part_is_an_error_that_names_it() -> None:
    listing, groups = joined(singles(9, 9, 0, split="train"), singles(3, 3, 3, split="test"))
    with refused("class-too-small", "class: c"):
        cut(listing, groups, "four-way", 0)


def test_a_class_too_small_to_be_cut_is_an_error_that_names_it_and_its_need() -> None:
    with refused("class-too-small", "'b' has 3 ", "train, validation, calibration, test", "at least 4"):
        cut(*singles(20, 3), "four-way", 0)


def test_copies_do_not_make_a_class_large_enough() -> None:
    with refused("class-too-small", "'b' has 2 "):
        cut(*table([1] * 20, [30, 30]), "four-way", 0)


def test_one_picture_filed_under_two_classes_stays_in_one_part() -> None:
    listing, groups = singles(20, 20)
    groups[39] = groups[0]
    splits = cut(listing, groups, "four-way", 0)
    assert sum(0 in rows and 39 in rows for rows in splits.values()) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=3, max_size=80), seeds)
def test_groups_of_several_classes_stay_whole_and_no_part_lacks_a_class(
    rows: list[tuple[int, int]], seed: int
) -> None:
    labels, groups = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    names = tuple(str(number) for number in range(len(rows)))
    listing = Listing(names, labels, ("a", "b", "c"), ("",) * len(rows), groups=tuple(map(str, groups)))
    try:
        splits = cut(listing, groups, "four-way", seed)
    except SkysortError as error:
        assert error.code in ("class-too-small", "too-few-classes")
        return
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(len(rows)))
    homes = Counter(group for rows in splits.values() for group in set(groups[rows].tolist()))
    assert set(homes.values()) == {1}
    assert all(min(counts(listing, rows)) > 0 for rows in splits.values())


def test_videos_that_each_show_all_classes_can_be_cut() -> None:
    labels = np.tile([0, 0, 1], 4)
    groups = np.repeat(np.arange(4), 3)
    listing = Listing(tuple(map(str, range(12))), labels, ("a", "b"), ("",) * 12, groups=tuple(map(str, groups)))
    assert all(counts(listing, rows) == [2, 1] for rows in cut(listing, groups, "four-way", 0).values())


def test_too_few_groups_are_an_error_that_names_the_class() -> None:
    listing, groups = table([3, 3, 3, 3], [20, 30])
    listing = replace(listing, groups=tuple(map(str, groups)))
    with refused("class-too-small", "'b' has 2 ", "groups", "at least 4"):
        cut(listing, groups, "four-way", 0)


def test_a_calibration_part_of_its_own_is_kept() -> None:
    listing, groups = joined(singles(80, 80, split="train"), singles(5, 5, split="calibration"))
    splits = cut(listing, groups, "four-way", 0)
    assert splits["calibration"].tolist() == list(range(160, 170))
    assert list(splits) == ["train", "validation", "calibration", "test"]


@pytest.mark.parametrize("protocol", ["four-way", "tutorial"])
def test_only_a_test_part_is_an_error_that_says_what_is_missing(protocol: Any) -> None:
    with refused("missing-split", "for test ", "train/<class>/<picture>.jpg"):
        cut(*singles(9, 9, split="test"), protocol, 0)


@pytest.mark.parametrize(
    ("percentages", "expected"),
    [((70, 10, 10, 10), [70, 10, 10, 10]), ((30, 10, 50, 10), [30, 10, 50, 10]), ((97, 1, 1, 1), [97, 1, 1, 1])],
)
def test_shares_decide_how_many_pictures_each_part_gets(percentages: tuple[int, ...], expected: list[int]) -> None:
    splits = cut(*singles(100, 100), "four-way", 0, percentages)
    assert [len(rows) for rows in splits.values()] == [2 * num for num in expected]


def test_shares_of_parts_that_the_data_brings_go_to_the_others_in_proportion() -> None:
    listing, groups = singles(100, 100)
    splits = tuple("test" if row % 4 == 0 else "train" for row in range(len(listing)))
    found = cut(replace(listing, splits=splits), groups, "four-way", 0, (20, 20, 20, 40))
    assert [len(rows) for rows in found.values()] == [50, 50, 50, 50]
