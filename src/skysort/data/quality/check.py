"""What would make the figures lie, and what is worth a look, found in pictures before anything is learned.

Figures lie when an accuracy measured on these pictures would not be that on new ones like them, whatever the
network: when test pictures stand among those learned from, when one picture is said to be of two classes, when
the test split lacks a class, or when so many cannot be read that the rest is a selection. Training stops when
pictures cannot be cut into splits. Everything else is worth a look: Skysort copes with it, or only a person can
tell whether it is meant.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError
from skysort.core.models import FrozenModel
from skysort.data.cut import SPLITS, Indices, cut
from skysort.data.dataset import Dataset
from skysort.data.exif import MetadataTable

Mask = NDArray[np.bool_]
Severity = Literal["stops training", "makes figures lie", "worth a look"]
STOPS: Severity = "stops training"
LIES: Severity = "makes figures lie"
LOOK: Severity = "worth a look"

NUM_EXAMPLES = 8
MOST_TOGETHER = 4
"""Pictures of one example."""
MOST_LEAKING = 0.001
"""Share of the pictures held out; by chance, one in ten thousand is taken for a near-duplicate of another."""
MOST_UNREADABLE = 0.05
"""Share of a class."""
MOST_UNEVEN = 5
"""Pictures in the largest class for one in another."""
LEAST_SPREAD = 1.0
"""Standard deviation of a channel, in grey levels of 255, up to which it counts as one colour."""
ODD_AREA, ODD_SHAPE = 16, 3
"""Times that of the median, either way; shape is width by height."""


class Finding(FrozenModel):
    """One thing that was found."""

    name: str
    severity: Severity
    count: int
    """Of pictures; of classes for `missing-classes`, `imbalance` and `class-names`, of files for `left-out`, of
    folders for `empty-folders`; 1 for `untrainable`."""
    examples: tuple[tuple[str, ...], ...]
    """The first, each a path or several that belong together; behind the path of an unreadable picture, why."""
    advice: str


class CheckResult(FrozenModel):
    """check.json: what was found."""

    format: Literal[1] = 1
    source: str
    """A name, or an absolute path."""
    pictures: int
    classes: dict[str, int]
    """Readable pictures of each."""
    findings: tuple[Finding, ...]
    """Those that stop training come first, then those that make figures lie."""

    @property
    def stops(self) -> bool:
        """Whether training would stop."""
        return any(finding.severity == STOPS for finding in self.findings)

    @property
    def lies(self) -> list[str]:
        """Names of the findings that make figures lie."""
        return [finding.name for finding in self.findings if finding.severity == LIES]


def check(source: str, dataset: Dataset, groups: Indices, originals: MetadataTable | None) -> CheckResult:
    """Look for everything.

    Args:
        source: what to call it.
        collection: the pictures, decoded.
        groups: (N,) numbers that are equal for pictures to be kept together; -1 for unreadable ones.
        originals: what their files say; None where they have none.
    """
    listing = dataset.listing
    found = [*_untrainable(dataset, groups), *quick_findings(dataset, groups)]
    if originals is not None:
        found += _odd_sizes(dataset, originals.sizes[dataset.rows])
    return CheckResult(
        source=source,
        pictures=len(listing),
        classes=dict(zip(listing.classes, _num_readable(dataset).tolist(), strict=True)),
        findings=tuple(sorted(found, key=lambda finding: get_args(Severity).index(finding.severity))),
    )


def quick_findings(dataset: Dataset, groups: Indices) -> list[Finding]:
    """Return what the listing, the store and the groups tell of pictures that can be trained on."""
    return [
        *_contradictions(dataset, groups),
        *_copies(dataset),
        *_unreadable(dataset),
        *_missing_classes(dataset),
        *_classes(dataset),
    ]


def summary(findings: list[Finding]) -> str:
    """Return findings in a line, or nothing for none."""
    parts = []
    for severity in (LIES, LOOK):
        named = [f"{finding.name} ({finding.count:,})" for finding in findings if finding.severity == severity]
        parts += [f"{severity}: {', '.join(named)}"] if named else []
    return "; ".join(parts)


def _untrainable(dataset: Dataset, groups: Indices) -> list[Finding]:
    """Return why training would not begin, as it says itself."""
    try:
        cut(dataset.listing, groups, "four-way", seed=0)
    except SkysortError as error:
        return _finding("untrainable", STOPS, 1, [], f"Training would refuse: {error}.")
    return []


def _contradictions(dataset: Dataset, groups: Indices) -> list[Finding]:
    """Return what would make figures lie of the truth, or of what is new."""
    listing = dataset.listing
    equal, near = dataset.equal(), dataset.near()
    in_two_classes = _is_mixed(equal, listing.labels)
    nearly = _is_mixed(near, listing.labels) & ~in_two_classes
    splits, split_of = np.unique(listing.splits, return_inverse=True)
    own_splits = f"The data's own splits ({', '.join(filter(None, splits))})"
    held_out = np.isin(listing.splits, SPLITS[1:])
    leaking = _is_mixed(near, split_of) & held_out
    of_group = _is_mixed(groups, split_of) & held_out & ~leaking
    most = MOST_LEAKING * held_out.sum()
    return [
        *_of_groups(
            "two-classes",
            LIES,
            in_two_classes,
            equal,
            dataset,
            "One picture, equal to the last pixel, stands under several classes: keep the right one.",
        ),
        *_of_groups(
            "leak",
            LIES if leaking.sum() > most else LOOK,
            leaking,
            near,
            dataset,
            f"{own_splits} share pictures, equal ones or near-duplicates: take them out of one. Training reports"
            " the accuracy without those in test, too.",
        ),
        *_of_groups(
            "group-leak",
            LIES if of_group.sum() > most else LOOK,
            of_group,
            groups,
            dataset,
            f"{own_splits} share groups: keep each in one, or lay the pictures in class folders alone, which"
            " Skysort cuts group by group.",
        ),
        *_of_groups(
            "two-classes-nearly",
            LOOK,
            nearly,
            near,
            dataset,
            "Near-duplicates stand under several classes: a wrong label, or a small thing that tells them apart?",
        ),
    ]


def _copies(dataset: Dataset) -> list[Finding]:
    equal, near = dataset.equal(), dataset.near()
    is_copied = (equal >= 0) & (np.bincount(equal[equal >= 0])[equal] > 1)
    return [
        *_of_groups(
            "duplicates",
            LOOK,
            is_copied,
            equal,
            dataset,
            "Pictures equal to the last pixel. Where Skysort cuts the splits, it keeps them in one; they count as"
            " often as they are there.",
        ),
        *_of_groups(
            "near-duplicates",
            LOOK,
            _is_mixed(near, equal),
            near,
            dataset,
            "Pictures saved again, resized or brightened. Where Skysort cuts the splits, it keeps them in one"
            " (pictures.near_duplicates). Are there more of one scene? In training, --group-by or"
            " --set pictures.burst_seconds=5 keeps these together.",
        ),
    ]


def _unreadable(dataset: Dataset) -> list[Finding]:
    listing, unreadable = dataset.listing, dataset.unreadable
    num_pictures = np.bincount(listing.labels, minlength=len(listing.classes))
    share = 1 - _num_readable(dataset) / np.maximum(num_pictures, 1)
    empty = [path for path in listing.left_out if path.endswith("/")]
    files = [path for path in listing.left_out if not path.endswith("/")]
    return [
        *_finding(
            "unreadable",
            LIES if (share[num_pictures > 0] > MOST_UNREADABLE).any() else LOOK,
            len(unreadable),
            [(listing.paths[row], reason) for row, reason in list(unreadable.items())[:NUM_EXAMPLES]],
            "They are in no figure. Save them again, mend their paths, or take them out; of a class that lacks"
            " many, figures speak of the rest alone.",
        ),
        *_finding(
            "left-out",
            LOOK,
            len(files),
            [(path,) for path in files[:NUM_EXAMPLES]],
            "Files that are no pictures, or pictures without a label, as in a test folder without classes.",
        ),
        *_finding(
            "empty-folders",
            LOOK,
            len(empty),
            [(path,) for path in empty[:NUM_EXAMPLES]],
            "Folders that hold nothing: a class whose pictures are yet to come? It is no class so far.",
        ),
    ]


def _missing_classes(dataset: Dataset) -> list[Finding]:
    """Return classes of which a part that the data declares has no readable picture."""
    listing = dataset.listing
    labels, splits = listing.labels, np.array(listing.splits)
    missing = []
    for split in (split for split in SPLITS if (splits == split).any()):
        there = labels[(splits == split) & (dataset.positions >= 0)]
        missing += [(label, split) for label in np.setdiff1d(np.arange(len(listing.classes)), there).tolist()]
    return _finding(
        "missing-classes",
        LIES if any(split == "test" for _, split in missing) else LOOK,
        len({label for label, _ in missing}),
        [(f"{listing.classes[label]}: no picture in {split}",) for label, split in missing[:NUM_EXAMPLES]],
        "Figures of a split speak of the classes in it alone. Add pictures, or lay all of them in class folders"
        " without splits, which Skysort cuts so that each split has every class.",
    )


def _classes(dataset: Dataset) -> list[Finding]:
    classes, nums = dataset.listing.classes, _num_readable(dataset)
    rare = np.flatnonzero(nums * MOST_UNEVEN < nums.max())
    weights = nums.sum() / (len(nums) * np.maximum(nums, 1))
    shown = [f"{classes[label]} {weights[label]:.2g}" for label in (*rare[: NUM_EXAMPLES - 1], nums.argmax())]
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(name.casefold().strip(), []).append(name)
    doubtful = [tuple(names) for names in alike.values() if len(names) > 1]
    positions = dataset.positions
    sums, squares = np.moveaxis(dataset.store.sums[positions], -1, 0)
    num_pixels = dataset.store.pixels[0, 0].size
    spread = np.sqrt(num_pixels * squares - sums**2) / num_pixels  # in whole numbers up to the root
    is_plain = (positions >= 0) & (spread.max(axis=1) < LEAST_SPREAD)
    return [
        *_finding(
            "imbalance",
            LOOK,
            len(rare),
            [(f"{classes[label]}: {nums[label]:,} of {nums.sum():,} pictures",) for label in rare[:NUM_EXAMPLES]],
            "A network may do well without these classes; look at each one's own accuracy. Weights that make"
            f" classes count alike: {', '.join(shown)}. Train with --set loss.class_weights=balanced for such"
            " weights, or with --set training.sampling=balanced to draw all classes equally often; with either,"
            " probabilities come out as if classes were equally frequent.",
        ),
        *_finding(
            "class-names",
            LOOK,
            sum(map(len, doubtful)),
            doubtful[:NUM_EXAMPLES],
            "Classes whose names differ in capitals or blanks alone: are they one?",
        ),
        *_finding(
            "one-colour",
            LOOK,
            int(is_plain.sum()),
            [(dataset.listing.paths[row],) for row in np.flatnonzero(is_plain)[:NUM_EXAMPLES]],
            "Pictures of one colour show nothing: a lens cap, a failed export?",
        ),
    ]


def _odd_sizes(dataset: Dataset, sizes: Indices) -> list[Finding]:
    """Return findings on (N, 2) the originals' widths and heights."""
    width, height = sizes.T
    is_known = (dataset.positions >= 0) & (width > 0)
    side = dataset.store.pixels.shape[-1]
    is_small = is_known & (sizes.min(axis=1) < side)
    is_odd = np.zeros(len(sizes), bool)
    for figure, most in ((width * height, ODD_AREA), (width / np.maximum(height, 1), ODD_SHAPE)):
        times = figure / np.median(figure[is_known]) if is_known.any() else figure
        is_odd |= is_known & ((times > most) | (times < 1 / most))

    def examples(found: Mask) -> list[tuple[str, ...]]:
        rows = np.flatnonzero(found)[:NUM_EXAMPLES]
        return [(dataset.listing.paths[row], f"{width[row]} x {height[row]} pixels") for row in rows]

    return [
        *_finding(
            "small",
            LOOK,
            int(is_small.sum()),
            examples(is_small),
            f"Smaller than the {side} x {side} pixels that they were decoded to here.",
        ),
        *_finding(
            "odd-sizes",
            LOOK,
            int(is_odd.sum()),
            examples(is_odd),
            "Of a size or shape far from the rest's: thumbnails, panoramas, screenshots?",
        ),
    ]


def _num_readable(dataset: Dataset) -> Indices:
    """Return readable pictures by class."""
    labels = dataset.listing.labels[dataset.positions >= 0]
    return np.bincount(labels, minlength=len(dataset.listing.classes))


def _is_mixed(groups: Indices, values: Indices) -> Mask:
    """Return (N,) whether a picture's group, -1 for none, has several values."""
    num = groups.max() + 2  # the last for those of none
    lowest, highest = np.full(num, np.iinfo(np.int64).max), np.full(num, -1)
    np.minimum.at(lowest, groups, values)
    np.maximum.at(highest, groups, values)
    mixed: Mask = (groups >= 0) & (lowest != highest)[groups]
    return mixed


def _of_groups(
    name: str, severity: Severity, found: Mask, groups: Indices, dataset: Dataset, advice: str
) -> list[Finding]:
    """Return the finding of pictures whose groups are its examples, or none."""
    firsts = list(dict.fromkeys(groups[found].tolist()))[:NUM_EXAMPLES]
    examples = []
    for group in firsts:
        members = np.flatnonzero(groups == group)
        others = members[~found[members]]  # what they are found to be like, if that is not found itself
        num_found = MOST_TOGETHER - min(len(others), MOST_TOGETHER // 2)
        shown = [*members[found[members]][:num_found], *others][:MOST_TOGETHER]
        examples.append(tuple(dataset.listing.paths[row] for row in shown))
    return _finding(name, severity, int(found.sum()), examples, advice)


def _finding(
    name: str, severity: Severity, count: int, examples: list[tuple[str, ...]], advice: str
) -> list[Finding]:
    if not count:
        return []
    return [Finding(name=name, severity=severity, count=count, examples=tuple(examples), advice=advice)]
