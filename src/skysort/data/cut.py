"""How pictures are cut into splits: train, validation, calibration, test."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError
from skysort.core.text import counted
from skysort.data.listing import Listing
from skysort.recipe.sections import Protocol

Indices = NDArray[np.int64]

SPLITS = ("train", "validation", "calibration", "test")
WITHOUT_OWN_SPLITS = {"train": 70, "validation": 10, "calibration": 10, "test": 10}
MOST_TO_CALIBRATE = 50
"""Percent of the pictures: with more there is little left to learn from."""


def cut(
    listing: Listing, groups: Indices, protocol: Protocol, seed: int, percentages: Sequence[int] | None = None
) -> dict[str, Indices]:
    """Cut a listing into splits, class by class, keeping groups together.

    Under `four-way`, the splits that the data brings stay as they are. The training split gives what is missing:
    80/10/10 where the data has a test split, 70/10/10/10 where it has none. Under `tutorial` the training split is
    used whole, and what the data holds out is called test. Pictures that a further source declares for training
    stay there: corrections are no fair sample to measure with.

    Args:
        listing: the pictures.
        groups: (N,) equal numbers for pictures that must not be parted, as equal ones; -1 for one to leave out.
        protocol: `four-way` or `tutorial`.
        seed: of the order in which pictures are dealt out.
        percentages: shares of the splits in the order of PARTS, in place of those said above; of parts that the
            data brings they are not used, and the others keep their proportions.

    Returns:
        Sorted rows of the listing for each split there is, in the order of PARTS.

    Raises:
        SkysortError: when there is nothing to train on, there are fewer than two classes, a class is too small to
            be cut, or the data lacks the split that the protocol holds out.
    """
    usable = groups >= 0
    declared = np.array(listing.splits)
    own = {split: np.flatnonzero(usable & (declared == split)) for split in SPLITS}
    own = {split: rows for split, rows in own.items() if len(rows)}
    pool, fixed = _pool(usable & (declared == ""), own.pop("train", np.empty(0, np.int64)), groups)
    if own and not len(pool):
        raise SkysortError(
            "missing-split",
            f"nothing to train on: the data has a part for {' and '.join(own)} and none for training; expected"
            f" train/<class>/<picture>.jpg beside it, or class folders alone, which are cut into splits here",
        )
    _check_classes(listing, pool, fixed)
    if protocol == "tutorial":
        held_out = own.get("test", own.get("validation"))
        if held_out is None:
            raise SkysortError(
                "missing-split",
                "protocol 'tutorial' reports on a part that the data holds out, and this data has none;"
                " use --set pictures.protocol=four-way",
            )
        return {"train": np.union1d(pool, fixed), "test": held_out}
    all_shares = WITHOUT_OWN_SPLITS if percentages is None else dict(zip(SPLITS, percentages, strict=True))
    shares = {split: share for split, share in all_shares.items() if split not in own}
    if "test" in own and percentages is None:
        shares["train"] = 80
    dealt = _deal(listing, pool, groups, shares, seed)
    dealt["train"] = np.union1d(dealt["train"], fixed)
    return {split: np.sort(own[split] if split in own else dealt[split]) for split in SPLITS}


def how_to_calibrate(
    needed: int, num: int, percentages: Sequence[int] | None, listing: Listing, kind: str = ""
) -> str:
    """Return in words how to get a number of calibration pictures.

    Args:
        needed: how many calibration pictures are needed.
        num: how many pictures there are now, in all splits together.
        percentages: shares of the splits, as for `cut`.
        listing: all of the pictures.
        kind: which pictures count, such as ` of 'bird'`.
    """
    folder = f"a folder calibration/ beside train/ that holds {needed:,} of them"
    if "calibration" in listing.splits:
        return f"Train again with {folder}"
    share = percentages[SPLITS.index("calibration")] if percentages else WITHOUT_OWN_SPLITS["calibration"]
    in_all = -(-needed * 100 // share)
    ways = [f"about {in_all:,} pictures{kind} in all, where there are {num:,}"]
    larger = -(-needed * 100 // num)
    if share < larger <= MOST_TO_CALIBRATE:
        ways.append(f"--set pictures.shares={80 - larger}/10/{larger}/10")
    return f"Train again with {', or with '.join([*ways, folder])}"


def _pool(is_free: NDArray[np.bool_], train: Indices, groups: Indices) -> tuple[Indices, Indices]:
    """Return the rows to cut, and those that are for training whatever the cut.

    One source declares splits for all of its pictures or for none, and what it declares for training is cut. Where
    a further source has pictures for training, as corrections are, these stay there with all of their groups.
    """
    free = np.flatnonzero(is_free)
    if not len(free) or not len(train):
        return np.union1d(free, train), np.empty(0, np.int64)
    joins_train = np.isin(groups[free], groups[train])
    return free[~joins_train], np.union1d(train, free[joins_train])


def _check_classes(listing: Listing, pool: Indices, fixed: Indices) -> None:
    num_pictures = np.bincount(listing.labels[np.union1d(pool, fixed)], minlength=len(listing.classes))
    filled = [name for name, num in zip(listing.classes, num_pictures, strict=True) if num]
    if len(filled) < 2:
        found = f"only '{filled[0]}'" if filled else "none"
        raise SkysortError("too-few-classes", f"training needs pictures of at least two classes, found {found}")
    if len(filled) < len(listing.classes):
        missing = ", ".join(sorted(set(listing.classes) - set(filled)))
        raise SkysortError("class-too-small", f"no picture to train on in class: {missing}")
    if len(fixed) and not np.isin(listing.labels[fixed], listing.labels[pool]).all():
        label = np.setdiff1d(listing.labels[fixed], listing.labels[pool])[0]
        raise SkysortError(
            "class-too-small",
            f"class '{listing.classes[label]}' has pictures for training alone; add some that no source puts in a"
            " split, to measure it with",
        )


@dataclass(frozen=True)
class _Hands:
    """What the splits have been dealt so far. Pictures are named by their places in the order of dealing."""

    labels: Indices
    """(N,) of the places."""
    dealt: dict[str, list[Indices | list[int]]]
    """Places by part."""
    room: list[dict[str, int]]
    """By class and part, for how many pictures more; negative where there are too many."""
    empty: list[set[str]]
    """By class, the splits that have nothing of it yet."""

    def give(self, split: str, places: Indices | list[int]) -> None:
        self.dealt[split].append(places)
        for label, num in Counter(self.labels[places].tolist()).items():
            self.room[label][split] -= num
            self.empty[label].discard(split)

    def are_last(self, label: int, num_left: int) -> bool:
        """Tell whether the groups left of a class must go where it has nothing yet, so that no part lacks it."""
        return num_left <= len(self.empty[label])

    def best_split(self, label: int, num_left: int) -> str:
        """Return the part with the most room for a class, the first of several."""
        room = self.room[label]
        open_splits = self.empty[label] if self.are_last(label, num_left) else room
        return max((split for split in room if split in open_splits), key=room.__getitem__)


def _deal(
    listing: Listing, pool: Indices, groups: Indices, shares: Mapping[str, int], seed: int
) -> dict[str, Indices]:
    """Deal groups out to splits, class by class, the rarest class first, each to the part with the most room.

    A group of several classes is dealt out with the rarest, and counts for all of them (iterative stratification:
    Sechidis et al., On the Stratification of Multi-Label Data, 2011). Whether a group is large or small decides
    neither when its turn is nor where it goes, so that the groups of each split are a fair draw of all, which is
    what a promise about groups rests on; but for one larger than what a part has room for, which goes to training.
    """
    order = np.random.default_rng(seed).permutation(pool)
    labels = listing.labels[order]
    _, group_of, sizes = np.unique(groups[order], return_inverse=True, return_counts=True)
    is_single = sizes[group_of.reshape(-1)] == 1  # nearly all, which are dealt out without a loop
    members: dict[int, list[int]] = defaultdict(list)  # of groups of several
    waiting: list[set[int]] = [set() for _ in listing.classes]  # such groups of each class
    for place in np.flatnonzero(~is_single).tolist():
        group = int(groups[order[place]])
        members[group].append(place)
        waiting[labels[place]].add(group)
    # Its turn is that of one of its pictures: the earliest of all would come the sooner the more there are.
    turn = {group: min(places, key=order.__getitem__) for group, places in members.items()}

    nums = np.bincount(labels, minlength=len(listing.classes)).tolist()
    room = [_portions(num, shares) for num in nums]
    hands = _Hands(labels, {split: [] for split in shares}, room, [set(shares) for _ in nums])
    by_label = np.argsort(labels, kind="stable")
    ends = np.cumsum(nums).tolist()
    for label in sorted(range(len(nums)), key=nums.__getitem__):
        of_class = by_label[ends[label] - nums[label] : ends[label]]
        several = {group: members.pop(group) for group in waiting[label] & members.keys()}
        _deal_class(hands, label, of_class[is_single[of_class]], several, turn)
    splits = {split: order[np.concatenate([np.empty(0, np.int64), *own])] for split, own in hands.dealt.items()}
    _check_every_class(listing, splits, groups)
    return splits


def _deal_class(
    hands: _Hands, label: int, singles: Indices, several: Mapping[int, list[int]], turn: Mapping[int, int]
) -> None:
    """Deal out what is left of a class.

    Args:
        hands: of the splits.
        label: of the class.
        singles: places of the pictures on their own, in order, which are their turns.
        several: places of each group of several.
        turn: of these groups.
    """
    num_left = len(singles) + len(several)
    smallest = min(hands.room[label].values())
    large = {
        group for group, places in several.items() if np.count_nonzero(hands.labels[places] == label) > smallest
    }
    for group in sorted(large):
        is_free = not hands.are_last(label, num_left)
        hands.give("train" if is_free else hands.best_split(label, num_left), several[group])
        num_left -= 1
    others = sorted(several.keys() - large, key=turn.__getitem__)
    stretches = np.split(singles, np.searchsorted(singles, [turn[group] for group in others]))
    for stretch, next_group in zip(stretches, [*others, None], strict=True):  # each ends where a group's turn is
        num_free = min(len(stretch), max(0, num_left - len(hands.empty[label])))
        for split, places in _in_turn(stretch[:num_free], hands.room[label]).items():
            hands.give(split, places)
        num_left -= num_free
        last = [[place] for place in stretch[num_free:].tolist()]
        for next_places in last if next_group is None else [*last, several[next_group]]:
            hands.give(hands.best_split(label, num_left), next_places)
            num_left -= 1


def _in_turn(places: Indices, room: Mapping[str, int]) -> dict[str, Indices]:
    """Deal single pictures out, each to the part with the most room left, the first of several."""
    if not len(places):
        return {}
    lowest = max(room.values())
    while sum(max(0, num - lowest + 1) for num in room.values()) < len(places):
        missing = len(places) - sum(max(0, num - lowest + 1) for num in room.values())
        lowest -= -(-missing // len(room))
    free = [np.arange(num, lowest - 1, -1) for num in room.values()]  # what each place of a split leaves
    number = np.repeat(np.arange(len(free)), [len(nums) for nums in free])
    chosen = number[np.lexsort((number, -np.concatenate(free)))[: len(places)]]
    return {split: places[chosen == index] for index, split in enumerate(room) if (chosen == index).any()}


def _check_every_class(listing: Listing, splits: Mapping[str, Indices], groups: Indices) -> None:
    """Make sure that no part lacks a class."""
    num_classes = len(listing.classes)
    nums = [np.bincount(listing.labels[rows], minlength=num_classes) for rows in splits.values()]
    for label in np.flatnonzero((np.array(nums) == 0).any(axis=0)):
        name = listing.classes[label]
        of_class = {split: rows[listing.labels[rows] == label] for split, rows in splits.items()}
        lacking = [split for split, rows in of_class.items() if not len(rows)]
        num_groups = len(np.unique(groups[np.concatenate(list(of_class.values()))]))
        has_groups = num_groups < sum(map(len, of_class.values()))
        what = counted(num_groups, "different picture")
        if has_groups:
            what = counted(num_groups, "different picture or group", "different pictures or groups")
            what += ", each to be kept whole,"
        if num_groups < len(splits):
            raise SkysortError(
                "class-too-small",
                f"class '{name}' has {what} to cut into {', '.join(splits)}; expected at least {len(splits)}",
            )
        raise SkysortError(
            "class-too-small",
            f"class '{name}' has {what} that several classes share, and none of them is left for"
            f" {', '.join(lacking)}; use smaller groups, or name the splits in the data",
        )


def _portions(num: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Divide a number by shares: every part gets one at least, and is within one of its share where it can be.

    Whole portions first, and what is left to the largest remainders (Hamilton's method).
    """
    total = sum(shares.values())
    portions = {split: max(1, num * share // total) for split, share in shares.items()}
    by_remainder = sorted(shares, key=lambda split: num * shares[split] / total - portions[split], reverse=True)
    for split in by_remainder[: max(0, num - sum(portions.values()))]:
        portions[split] += 1
    portions["train"] += num - sum(portions.values())  # negative where the least of one took more than there is
    return portions
