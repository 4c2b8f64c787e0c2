"""Cuts pictures into splits: train, validation, calibration and test."""

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
FEWEST_TO_TEST, FEWEST_PER_CLASS = 100, 20
"""With fewer test pictures, or fewer pictures of a class in all, every picture is judged in turn."""
FEWEST_PER_CLASS_IN_FOLDS = 3
MOST_TO_CALIBRATE = 50
"""Percent of the pictures that Skysort suggests at most, so that enough remain for training."""


def cut(
    listing: Listing, groups: Indices, protocol: Protocol, seed: int, percentages: Sequence[int] | None = None
) -> dict[str, Indices]:
    """Cut a listing into splits, class by class, keeping groups together.

    Under `four-way`, the data's own splits stay as they are. The missing splits are cut from its training split:
    80/10/10 if the data has a test split, else 70/10/10/10. Under `tutorial`, training uses the whole training
    split, and the split that the data holds out becomes test. Pictures that a further source declares for
    training, such as corrections, stay there: they are no random sample, so figures must not include them.

    Args:
        listing: the pictures.
        groups: (N,) numbers that are equal for pictures to keep in one split; -1 for pictures to leave out.
        protocol: `four-way` or `tutorial`.
        seed: seed of the order in which pictures are dealt out.
        percentages: shares of the splits in the order of SPLITS, instead of the ones above. Shares of the data's
            own splits are ignored, and the others keep their proportions.

    Returns:
        Sorted rows of the listing for each split, in the order of SPLITS.

    Raises:
        SkysortError: if there is nothing to train on, there are fewer than two classes, a class is too small, or
            the data lacks the split that the protocol holds out.
    """
    usable = groups >= 0
    declared = np.array(listing.splits)
    own = {split: np.flatnonzero(usable & (declared == split)) for split in SPLITS}
    own = {split: rows for split, rows in own.items() if len(rows)}
    pool, fixed = _pool(usable & (declared == ""), own.pop("train", np.empty(0, np.int64)), groups)
    if own and not len(pool):
        raise SkysortError(
            "missing-split",
            f"there are no training pictures: the data has a split for {' and '.join(own)} and none for training;"
            " expected train/<class>/<picture>.jpg beside it, or class folders without splits",
        )
    _check_classes(listing, pool, fixed)
    if protocol == "folds":
        rows = np.sort(np.concatenate([pool, fixed, *own.values()]))
        _check_folds(listing, rows, groups)
        return {"train": rows}
    if protocol == "tutorial":
        return {"train": np.union1d(pool, fixed), "test": _held_out(own)}
    all_shares = WITHOUT_OWN_SPLITS if percentages is None else dict(zip(SPLITS, percentages, strict=True))
    shares = {split: share for split, share in all_shares.items() if split not in own}
    if "test" in own and percentages is None:
        shares["train"] = 80
    dealt = _deal(listing, pool, groups, shares, seed)
    dealt["train"] = np.union1d(dealt["train"], fixed)
    return {split: np.sort(own[split] if split in own else dealt[split]) for split in SPLITS}


def _held_out(own: Mapping[str, Indices]) -> Indices:
    """Return the rows of the data's own test or validation split."""
    held_out = own.get("test", own.get("validation"))
    if held_out is None:
        raise SkysortError(
            "missing-split",
            "protocol 'tutorial' reports on a split that the data holds out, and this data has none;"
            " use --set pictures.protocol=four-way",
        )
    return held_out


def protocol_for(listing: Listing, groups: Indices) -> Protocol:
    """Return `four-way`, or `folds` where there are too few pictures for splits to say much.

    Args:
        listing: the pictures.
        groups: as for `cut`.
    """
    usable = groups >= 0
    declared = np.array(listing.splits)[usable]
    num_test = np.count_nonzero(declared == "test")
    if not (declared != "").any():
        num_test = usable.sum() * WITHOUT_OWN_SPLITS["test"] // 100
    elif not num_test:  # the data holds out something else, and training pictures give the test split
        num_test = np.count_nonzero(declared == "train") * WITHOUT_OWN_SPLITS["test"] // 100
    per_class = np.bincount(listing.labels[usable], minlength=len(listing.classes))
    return "folds" if num_test < FEWEST_TO_TEST or per_class.min() < FEWEST_PER_CLASS else "four-way"


def how_to_calibrate(
    needed: int, num: int, percentages: Sequence[int] | None, listing: Listing, kind: str = ""
) -> str:
    """Return advice on how to get enough calibration pictures.

    Args:
        needed: number of calibration pictures that are needed.
        num: number of pictures in all splits together.
        percentages: shares of the splits, as in `cut`.
        listing: all pictures.
        kind: the pictures that count, such as ` of 'bird'`.
    """
    folder = f"a folder calibration/ beside train/ with {needed:,} of them"
    if "calibration" in listing.splits:
        return f"Train again with {folder}"
    share = percentages[SPLITS.index("calibration")] if percentages else WITHOUT_OWN_SPLITS["calibration"]
    in_all = -(-needed * 100 // share)
    ways = [f"about {in_all:,} pictures{kind} in all (now {num:,})"]
    larger = -(-needed * 100 // num)
    if share < larger <= MOST_TO_CALIBRATE:
        ways.append(f"--set pictures.shares={80 - larger}/10/{larger}/10")
    return f"Train again with {', or with '.join([*ways, folder])}"


def _pool(is_free: NDArray[np.bool_], train: Indices, groups: Indices) -> tuple[Indices, Indices]:
    """Return the rows to cut, and the rows that must stay in training.

    A single source declares splits for all of its pictures or for none, and its training split is cut. The
    training pictures of a further source, such as corrections, stay in training with all of their groups.
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
        present = f"only '{filled[0]}'" if filled else "none"
        raise SkysortError("too-few-classes", f"training needs pictures of at least two classes, found {present}")
    if len(filled) < len(listing.classes):
        missing = ", ".join(sorted(set(listing.classes) - set(filled)))
        raise SkysortError("class-too-small", f"there is no picture to train on in class: {missing}")
    if len(fixed) and not np.isin(listing.labels[fixed], listing.labels[pool]).all():
        label = np.setdiff1d(listing.labels[fixed], listing.labels[pool])[0]
        raise SkysortError(
            "class-too-small",
            f"class '{listing.classes[label]}' has only pictures that a source puts into train; add pictures"
            " without a split to measure it with",
        )


@dataclass(frozen=True)
class _Hands:
    """The pictures that each split has so far. A place is a position in the order of dealing."""

    labels: Indices
    """(N,) the label at each place."""
    dealt: dict[str, list[Indices | list[int]]]
    """Places per split."""
    room: list[dict[str, int]]
    """Per class and split, how many more pictures fit; negative if there are too many."""
    empty: list[set[str]]
    """Per class, the splits that have no picture of it yet."""

    def give(self, split: str, places: Indices | list[int]) -> None:
        self.dealt[split].append(places)
        for label, num in Counter(self.labels[places].tolist()).items():
            self.room[label][split] -= num
            self.empty[label].discard(split)

    def are_last(self, label: int, num_left: int) -> bool:
        """Return whether the last groups of a class must fill its empty splits, so that no split lacks the
        class."""
        return num_left <= len(self.empty[label])

    def best_split(self, label: int, num_left: int) -> str:
        """Return the split with the most room for a class; the first if several have the same."""
        room = self.room[label]
        open_splits = self.empty[label] if self.are_last(label, num_left) else room
        return max((split for split in room if split in open_splits), key=room.__getitem__)


def _deal(
    listing: Listing, pool: Indices, groups: Indices, shares: Mapping[str, int], seed: int
) -> dict[str, Indices]:
    """Deal groups out to splits, class by class, the rarest class first, each group to the split with the most
    room.

    A group of several classes is dealt out with its rarest class, and counts for all of them (iterative
    stratification: Sechidis et al., On the Stratification of Multi-Label Data, 2011). The size of a group decides
    neither its turn nor its split, so that the groups of each split are a random sample of all. Guarantees about
    groups rest on this. The exception is a group larger than the room in a split, which goes to training.
    """
    order = np.random.default_rng(seed).permutation(pool)
    labels = listing.labels[order]
    _, group_of, sizes = np.unique(groups[order], return_inverse=True, return_counts=True)
    is_single = sizes[group_of.reshape(-1)] == 1  # nearly all pictures, which need no loop
    members: dict[int, list[int]] = defaultdict(list)  # places of each group of several pictures
    waiting: list[set[int]] = [set() for _ in listing.classes]  # the groups of several pictures of each class
    for place in np.flatnonzero(~is_single).tolist():
        group = int(groups[order[place]])
        members[group].append(place)
        waiting[labels[place]].add(group)
    # A group has the turn of one fixed picture. By its earliest picture, large groups would come sooner.
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
    """Deal out the remaining pictures of a class.

    Args:
        hands: the pictures that each split has so far.
        label: the label of the class.
        singles: places of the pictures without a group, in order. Their places are their turns.
        several: places of each group of several pictures.
        turn: the turn of each group.
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
    for stretch, next_group in zip(stretches, [*others, None], strict=True):  # each ends at the turn of a group
        num_free = min(len(stretch), max(0, num_left - len(hands.empty[label])))
        for split, places in _in_turn(stretch[:num_free], hands.room[label]).items():
            hands.give(split, places)
        num_left -= num_free
        last = [[place] for place in stretch[num_free:].tolist()]
        for next_places in last if next_group is None else [*last, several[next_group]]:
            hands.give(hands.best_split(label, num_left), next_places)
            num_left -= 1


def _in_turn(places: Indices, room: Mapping[str, int]) -> dict[str, Indices]:
    """Deal out single pictures, each to the split with the most room; the first if several have the same."""
    if not len(places):
        return {}
    lowest = max(room.values())
    while sum(max(0, num - lowest + 1) for num in room.values()) < len(places):
        missing = len(places) - sum(max(0, num - lowest + 1) for num in room.values())
        lowest -= -(-missing // len(room))
    free = [np.arange(num, lowest - 1, -1) for num in room.values()]  # the room before each picture of a split
    number = np.repeat(np.arange(len(free)), [len(nums) for nums in free])
    chosen = number[np.lexsort((number, -np.concatenate(free)))[: len(places)]]
    return {split: places[chosen == index] for index, split in enumerate(room) if (chosen == index).any()}


def _check_every_class(listing: Listing, splits: Mapping[str, Indices], groups: Indices) -> None:
    """Make sure that no split lacks a class.

    Raises:
        SkysortError: if one does.
    """
    num_classes = len(listing.classes)
    nums = [np.bincount(listing.labels[rows], minlength=num_classes) for rows in splits.values()]
    for label in np.flatnonzero((np.array(nums) == 0).any(axis=0)):
        name = listing.classes[label]
        of_class = {split: rows[listing.labels[rows] == label] for split, rows in splits.items()}
        lacking = [split for split, rows in of_class.items() if not len(rows)]
        num_groups = len(np.unique(groups[np.concatenate(list(of_class.values()))]))
        has_groups = num_groups < sum(map(len, of_class.values()))
        units = counted(num_groups, "different picture")
        if has_groups:
            units = counted(num_groups, "different picture or group", "different pictures or groups")
        if num_groups < len(splits):
            raise SkysortError(
                "class-too-small",
                f"class '{name}' has {units} for the splits {', '.join(splits)}; expected at least {len(splits)}."
                " Add pictures to the class, or leave the class out",
            )
        raise SkysortError(
            "class-too-small",
            f"class '{name}' has {units}, which it shares with other classes, and none is left for"
            f" {', '.join(lacking)}; use smaller groups, or set the splits in the data",
        )


def _check_folds(listing: Listing, rows: Indices, groups: Indices) -> None:
    """Check that each class has enough pictures to hold one out, and another one to choose a penalty."""
    for label, name in enumerate(listing.classes):
        num = len(np.unique(groups[rows[listing.labels[rows] == label]]))
        if num < FEWEST_PER_CLASS_IN_FOLDS:
            what = counted(num, "different picture or group", "different pictures or groups")
            raise SkysortError(
                "class-too-small",
                f"class '{name}' has {what}; protocol 'folds' takes at least {FEWEST_PER_CLASS_IN_FOLDS}. Add"
                " pictures to the class, or leave the class out",
            )


def _portions(num: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Divide a number of pictures by shares. Every split gets at least one, and is within one of its share if
    possible.

    Each split gets the whole part of its share, and the largest remainders get the rest (Hamilton's method).
    """
    total = sum(shares.values())
    portions = {split: max(1, num * share // total) for split, share in shares.items()}
    by_remainder = sorted(shares, key=lambda split: num * shares[split] / total - portions[split], reverse=True)
    for split in by_remainder[: max(0, num - sum(portions.values()))]:
        portions[split] += 1
    portions["train"] += num - sum(
        portions.values()
    )  # negative if the minimum of one per split exceeds the number
    return portions
