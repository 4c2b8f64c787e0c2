"""The single checks of pictures. Each looks for problems of one kind and returns findings with advice."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysort.core.models import FrozenModel
from skysort.data.cut import SPLITS, Indices
from skysort.data.dataset import Dataset

Mask = NDArray[np.bool_]
Severity = Literal["stops training", "makes figures lie", "worth a look"]
STOPS: Severity = "stops training"
LIES: Severity = "makes figures lie"
LOOK: Severity = "worth a look"


NUM_EXAMPLES = 8
MOST_TOGETHER = 4
"""Number of pictures that one example shows."""
MOST_LEAKING = 0.001
"""Share of the held-out pictures. By chance, one in ten thousand counts as a near-duplicate of another."""
MOST_UNREADABLE = 0.05
"""Share of the pictures of a class."""
MOST_UNEVEN = 5
"""How many times as many pictures the largest class may have as another."""
LEAST_SPREAD = 1.0
"""Standard deviation, in grey levels of 255, below which a channel counts as one colour."""
ODD_AREA, ODD_SHAPE = 16, 3
"""Factors from the median, either way, beyond which an area or a proportion (width by height) is unusual."""


class Finding(FrozenModel):
    """One kind of problem, with examples."""

    name: str
    severity: Severity
    count: int
    """Number of pictures. It counts classes for `missing-classes`, `imbalance` and `class-names`, files for
    `left-out`, and folders for `empty-folders`; it is 1 for `untrainable`."""
    examples: tuple[tuple[str, ...], ...]
    """The first examples: paths of one picture, or of several that belong together. For an unreadable picture, the
    reason follows the path."""
    advice: str


def quick_findings(dataset: Dataset, groups: Indices) -> list[Finding]:
    """Return the findings that need only the listing, the decoded pictures and the groups."""
    return [
        *_contradictions(dataset, groups),
        *_copies(dataset),
        *_unreadable(dataset),
        *_missing_classes(dataset),
        *_classes(dataset),
    ]


def _contradictions(dataset: Dataset, groups: Indices) -> list[Finding]:
    """Return pictures with contradictory labels, and leaks between splits."""
    listing = dataset.listing
    equal, near = dataset.equal(), dataset.near()
    in_two_classes = _is_mixed(equal, listing.labels)
    nearly_in_two = _is_mixed(near, listing.labels) & ~in_two_classes
    splits, split_of = np.unique(listing.splits, return_inverse=True)
    own_splits = f"The data's own splits ({', '.join(filter(None, splits))})"
    held_out = np.isin(listing.splits, SPLITS[1:])
    leaking = _is_mixed(near, split_of) & held_out
    group_leaking = _is_mixed(groups, split_of) & held_out & ~leaking
    most = MOST_LEAKING * held_out.sum()
    return [
        *_group_findings(
            "two-classes",
            LIES,
            in_two_classes,
            equal,
            dataset,
            "The same picture, pixel for pixel, is in several classes. Keep the right one.",
        ),
        *_group_findings(
            "leak",
            LIES if leaking.sum() > most else LOOK,
            leaking,
            near,
            dataset,
            f"{own_splits} share identical or near-duplicate pictures. Remove them from one split. Training also"
            " reports the accuracy without those in test.",
        ),
        *_group_findings(
            "group-leak",
            LIES if group_leaking.sum() > most else LOOK,
            group_leaking,
            groups,
            dataset,
            f"{own_splits} share groups. Move each group into one split, or put all pictures into class"
            " folders without splits; Skysort then keeps groups together.",
        ),
        *_group_findings(
            "two-classes-nearly",
            LOOK,
            nearly_in_two,
            near,
            dataset,
            "Near-duplicates are in several classes. Is a label wrong, or does a detail tell them apart?",
        ),
    ]


def _copies(dataset: Dataset) -> list[Finding]:
    equal, near = dataset.equal(), dataset.near()
    is_copied = (equal >= 0) & (np.bincount(equal[equal >= 0])[equal] > 1)
    return [
        *_group_findings(
            "duplicates",
            LOOK,
            is_copied,
            equal,
            dataset,
            "Identical pictures, pixel for pixel. Skysort keeps them in one split where it cuts the splits. Each"
            " copy counts.",
        ),
        *_group_findings(
            "near-duplicates",
            LOOK,
            _is_mixed(near, equal),
            near,
            dataset,
            "Copies that were saved again, resized or brightened. Skysort keeps them in one split where it cuts"
            " the splits (pictures.near_duplicates). If other pictures show the same scene, train with --group-by"
            " or --set pictures.burst_seconds=5 to keep those together.",
        ),
    ]


def _unreadable(dataset: Dataset) -> list[Finding]:
    listing, unreadable = dataset.listing, dataset.unreadable
    num_pictures = np.bincount(listing.labels, minlength=len(listing.classes))
    share = 1 - num_readable(dataset) / np.maximum(num_pictures, 1)
    empty = [path for path in listing.left_out if path.endswith("/")]
    files = [path for path in listing.left_out if not path.endswith("/")]
    return [
        *as_findings(
            "unreadable",
            LIES if (share[num_pictures > 0] > MOST_UNREADABLE).any() else LOOK,
            len(unreadable),
            [(listing.paths[row], reason) for row, reason in list(unreadable.items())[:NUM_EXAMPLES]],
            "Unreadable pictures are in no figure. Save them again, correct their paths, or remove them. If a"
            " class has many, its figures hold only for the readable ones.",
        ),
        *as_findings(
            "left-out",
            LOOK,
            len(files),
            [(path,) for path in files[:NUM_EXAMPLES]],
            "Files that are not pictures, or pictures without a label, as in a test folder without classes.",
        ),
        *as_findings(
            "empty-folders",
            LOOK,
            len(empty),
            [(path,) for path in empty[:NUM_EXAMPLES]],
            "Empty folders. Skysort does not count them as classes. Are pictures of a class missing?",
        ),
    ]


def _missing_classes(dataset: Dataset) -> list[Finding]:
    """Return the classes that have no readable picture in one of the data's own splits."""
    listing = dataset.listing
    labels, splits = listing.labels, np.array(listing.splits)
    missing = []
    for split in (split for split in SPLITS if (splits == split).any()):
        present = labels[(splits == split) & (dataset.positions >= 0)]
        missing += [(label, split) for label in np.setdiff1d(np.arange(len(listing.classes)), present).tolist()]
    return as_findings(
        "missing-classes",
        LIES if any(split == "test" for _, split in missing) else LOOK,
        len({label for label, _ in missing}),
        [(f"{listing.classes[label]}: no picture in {split}",) for label, split in missing[:NUM_EXAMPLES]],
        "The figures of a split hold only for the classes in it. Add pictures, or put all of them into class"
        " folders without splits; Skysort then cuts splits that have every class.",
    )


def _classes(dataset: Dataset) -> list[Finding]:
    classes, nums = dataset.listing.classes, num_readable(dataset)
    rare = np.flatnonzero(nums * MOST_UNEVEN < nums.max())
    weights = nums.sum() / (len(nums) * np.maximum(nums, 1))
    class_weights = [
        f"{classes[label]} {weights[label]:.2g}" for label in (*rare[: NUM_EXAMPLES - 1], nums.argmax())
    ]
    by_folded_name: dict[str, list[str]] = {}
    for name in classes:
        by_folded_name.setdefault(name.casefold().strip(), []).append(name)
    similar_names = [tuple(names) for names in by_folded_name.values() if len(names) > 1]
    positions = dataset.positions
    sums, squares = np.moveaxis(dataset.store.sums[positions], -1, 0)
    num_pixels = dataset.store.pixels[0, 0].size
    spread = (
        np.sqrt(num_pixels * squares - sums**2) / num_pixels
    )  # integers up to the root, so that nothing cancels
    is_plain = (positions >= 0) & (spread.max(axis=1) < LEAST_SPREAD)
    return [
        *as_findings(
            "imbalance",
            LOOK,
            len(rare),
            [(f"{classes[label]}: {nums[label]:,} of {nums.sum():,} pictures",) for label in rare[:NUM_EXAMPLES]],
            "A network can reach a high accuracy without these classes, so look at the recall of each. Train with"
            f" --set loss.class_weights=balanced to weight classes equally ({', '.join(class_weights)}), or with"
            " --set training.sampling=balanced to draw them equally often. With either, probabilities come out as"
            " if classes were equally frequent.",
        ),
        *as_findings(
            "class-names",
            LOOK,
            sum(map(len, similar_names)),
            similar_names[:NUM_EXAMPLES],
            "Classes whose names differ only in capitals or blanks. Are they one class?",
        ),
        *as_findings(
            "one-colour",
            LOOK,
            int(is_plain.sum()),
            [(dataset.listing.paths[row],) for row in np.flatnonzero(is_plain)[:NUM_EXAMPLES]],
            "Pictures of one colour show nothing. Look for a lens cap or a failed export.",
        ),
    ]


def odd_sizes(dataset: Dataset, sizes: Indices) -> list[Finding]:
    """Return findings about small or unusual sizes.

    Args:
        dataset: the decoded pictures.
        sizes: (N, 2) width and height of the image files; 0 if unknown.
    """
    width, height = sizes.T
    is_known = (dataset.positions >= 0) & (width > 0)
    side = dataset.store.pixels.shape[-1]
    is_small = is_known & (sizes.min(axis=1) < side)
    is_odd = np.zeros(len(sizes), bool)
    for measure, most in ((width * height, ODD_AREA), (width / np.maximum(height, 1), ODD_SHAPE)):
        ratio = measure / np.median(measure[is_known]) if is_known.any() else measure
        is_odd |= is_known & ((ratio > most) | (ratio < 1 / most))

    def examples(mask: Mask) -> list[tuple[str, ...]]:
        rows = np.flatnonzero(mask)[:NUM_EXAMPLES]
        return [(dataset.listing.paths[row], f"{width[row]} x {height[row]} pixels") for row in rows]

    return [
        *as_findings(
            "small",
            LOOK,
            int(is_small.sum()),
            examples(is_small),
            f"Pictures smaller than the {side} x {side} pixels that Skysort decoded them to.",
        ),
        *as_findings(
            "odd-sizes",
            LOOK,
            int(is_odd.sum()),
            examples(is_odd),
            "Pictures of unusual size or proportions. Look for thumbnails, panoramas and screenshots.",
        ),
    ]


def num_readable(dataset: Dataset) -> Indices:
    """Return the number of readable pictures per class."""
    labels = dataset.listing.labels[dataset.positions >= 0]
    return np.bincount(labels, minlength=len(dataset.listing.classes))


def _is_mixed(groups: Indices, values: Indices) -> Mask:
    """Return (N,) whether the group of each picture has several values.

    Args:
        groups: (N,) numbers of groups; -1 for no group.
        values: (N,) such as labels or splits.
    """
    num = groups.max() + 2  # the last is for pictures without a group
    lowest, highest = np.full(num, np.iinfo(np.int64).max), np.full(num, -1)
    np.minimum.at(lowest, groups, values)
    np.maximum.at(highest, groups, values)
    is_mixed: Mask = (groups >= 0) & (lowest != highest)[groups]
    return is_mixed


def _group_findings(
    name: str, severity: Severity, mask: Mask, groups: Indices, dataset: Dataset, advice: str
) -> list[Finding]:
    """Return a finding about the pictures in a mask, with their groups as examples; nothing if there are none."""
    first_groups = list(dict.fromkeys(groups[mask].tolist()))[:NUM_EXAMPLES]
    examples = []
    for group in first_groups:
        members = np.flatnonzero(groups == group)
        others = members[~mask[members]]  # pictures of the group that are not in the mask themselves
        num_in_mask = MOST_TOGETHER - min(len(others), MOST_TOGETHER // 2)
        rows = [*members[mask[members]][:num_in_mask], *others][:MOST_TOGETHER]
        examples.append(tuple(dataset.listing.paths[row] for row in rows))
    return as_findings(name, severity, int(mask.sum()), examples, advice)


def as_findings(
    name: str, severity: Severity, count: int, examples: list[tuple[str, ...]], advice: str
) -> list[Finding]:
    """Return one finding in a list, or nothing if the count is 0."""
    if not count:
        return []
    return [Finding(name=name, severity=severity, count=count, examples=tuple(examples), advice=advice)]
