"""Groups: pictures that must not be parted, as one would give the other away."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError
from skysort.core.progress import Progress
from skysort.core.text import counted
from skysort.data.dataset import Dataset
from skysort.data.exif import open_metadata
from skysort.recipe.sections import Pictures

Indices = NDArray[np.int64]


def groups_of(dataset: Dataset, pictures: Pictures, progress: Progress) -> Indices:
    """Return (N,) numbers that are equal for pictures to be kept together; -1 for unreadable ones.

    Such are equal pictures, near-duplicates unless the recipe parts them, those of a group that the data or the
    recipe declares, bursts, and whatever these join.

    Raises:
        SkysortError: when the recipe's `group_by` is found in no path, or no picture of a burst can be told.
    """
    alike = dataset.equal() if pictures.near_duplicates == "apart" else dataset.near()
    listing = dataset.listing
    declared = [] if listing.groups is None else [numbered(listing.groups)]
    if pictures.group_by is not None:
        declared.append(_by_path(listing.paths, pictures.group_by, progress))
    if pictures.burst_seconds:
        declared.append(_bursts(dataset, pictures.burst_seconds, progress))
    return joined(alike, declared)


def joined(alike: Indices, declared: Sequence[Indices]) -> Indices:
    """Join groupings: what one of them keeps together, stays together with all that the others add.

    Args:
        alike: (N,) numbers of groups; -1 for pictures to leave out.
        declared: (N,) numbers each; -1 for a picture on its own.
    """
    if not declared:
        return alike
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    num = alike.max(initial=0) + 1
    pairs = []
    for groups in declared:
        rows = np.flatnonzero((groups >= 0) & (alike >= 0))
        pairs.append(np.stack([alike[rows], num + groups[rows]]))
        num += groups.max(initial=0) + 1
    links = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(links.shape[1]), tuple(links)), shape=(num, num))
    together = connected_components(graph, directed=False)[1]
    return np.where(alike >= 0, together[alike], -1)


def numbered(names: Iterable[str | tuple[str, ...]]) -> Indices:
    """Return a number for each name, the same for the same; -1 for an empty one."""
    number: dict[str | tuple[str, ...], int] = {}
    return np.array([number.setdefault(name, len(number)) if name else -1 for name in names], np.int64)


def _by_path(paths: Sequence[str], pattern: str, progress: Progress) -> Indices:
    """Group paths by what a pattern's brackets match, or all of it where it has none."""
    found = [re.search(pattern, path) for path in paths]
    num_without = found.count(None)
    if num_without == len(paths):
        raise SkysortError(
            "no-groups", f"pictures.group_by = '{pattern}' is found in no path; the first is {paths[0]}"
        )
    # A bracket that takes no part in the match is told apart from one that matches nothing.
    groups = numbered("" if match is None else tuple(map(repr, match.groups() or [match[0]])) for match in found)
    num_groups = int(groups.max()) + 1 + num_without
    doubt = ""
    if num_groups == len(paths):
        doubt = ", each with a group of its own: none are kept together"
    elif num_groups == 1:
        doubt = ", which is all of them: they cannot be parted"
    progress.say(f"pictures.group_by: {counted(len(paths), 'picture')} in {counted(num_groups, 'group')}{doubt}")
    if num_without:
        progress.say(
            f"pictures.group_by: not found in {num_without:,} of {len(paths):,} paths, each a group of its own;"
            f" the first is {paths[found.index(None)]}"
        )
    return groups


def _bursts(dataset: Dataset, seconds: float, progress: Progress) -> Indices:
    """Group pictures of one folder and camera that were taken less than so many seconds one after another."""
    originals = open_metadata(dataset.source, progress)
    paths = dataset.listing.paths
    taken = np.full(len(paths), np.nan)
    cameras = [""] * len(paths)
    if originals is not None:
        taken = originals.taken[dataset.rows]
        cameras = [originals.cameras[row] for row in dataset.rows]
    num_without = int(np.isnan(taken).sum())
    if num_without == len(paths):
        raise SkysortError(
            "no-groups",
            "pictures.burst_seconds takes pictures with a capture time (EXIF's DateTimeOriginal),"
            " and none has one",
        )
    if num_without:
        progress.say(f"pictures.burst_seconds: {num_without:,} of {len(paths):,} pictures have no capture time")
    place = numbered((path.rpartition("/")[0], camera) for path, camera in zip(paths, cameras, strict=True))
    order = np.lexsort((taken, place))  # those without a time come last in each place
    apart = np.diff(taken[order], prepend=np.nan)
    starts = (np.diff(place[order], prepend=-1) != 0) | ~(apart < seconds)
    groups = np.empty(len(paths), np.int64)
    groups[order] = np.cumsum(starts) - 1
    return groups
