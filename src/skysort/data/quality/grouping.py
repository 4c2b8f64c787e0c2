"""Groups of pictures that must stay in one split, because one would reveal the others' labels."""

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
    """Return (N,) numbers that are equal for pictures to keep together; -1 for unreadable ones.

    A group joins identical pictures, near-duplicates (unless the recipe sets them apart), pictures of one group
    that the data or the recipe declares, and bursts.

    Raises:
        SkysortError: if the recipe's `group_by` matches no path, or `burst_seconds` is set and no picture has a
            capture time.
    """
    alike = dataset.equal() if pictures.near_duplicates == "apart" else dataset.near()
    listing = dataset.listing
    declared = [] if listing.groups is None else [group_numbers(listing.groups)]
    if pictures.group_by is not None:
        declared.append(_by_path(listing.paths, pictures.group_by, progress))
    if pictures.burst_seconds:
        declared.append(_bursts(dataset, pictures.burst_seconds, progress))
    return join_groups(alike, declared)


def join_groups(alike: Indices, declared: Sequence[Indices]) -> Indices:
    """Join groupings: pictures that any of them keeps together end in one group.

    Args:
        alike: (N,) numbers of groups; -1 for pictures to leave out.
        declared: further groupings, (N,) numbers each; -1 for pictures without a group.
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


def group_numbers(names: Iterable[str | tuple[str, ...]]) -> Indices:
    """Return a number per name, equal for equal names; -1 for an empty name."""
    number: dict[str | tuple[str, ...], int] = {}
    return np.array([number.setdefault(name, len(number)) if name else -1 for name in names], np.int64)


def _by_path(paths: Sequence[str], pattern: str, progress: Progress) -> Indices:
    """Group paths by the text in a pattern's brackets, or by the whole match if it has no brackets."""
    matches = [re.search(pattern, path) for path in paths]
    num_without = matches.count(None)
    if num_without == len(paths):
        raise SkysortError(
            "no-groups", f"pictures.group_by = '{pattern}' matches no path; the first is {paths[0]}"
        )
    # repr tells brackets outside the match (None) from brackets that match an empty text.
    groups = group_numbers(
        "" if match is None else tuple(map(repr, match.groups() or [match[0]])) for match in matches
    )
    num_groups = int(groups.max()) + 1 + num_without
    warning = ""
    if num_groups == len(paths):
        warning = "; no two pictures share a group, so it keeps none together"
    elif num_groups == 1:
        warning = "; all pictures share it, so they cannot be cut into splits"
    progress.say(f"pictures.group_by: {counted(len(paths), 'picture')} in {counted(num_groups, 'group')}{warning}")
    if num_without:
        progress.say(
            f"pictures.group_by does not match {num_without:,} of {len(paths):,} paths and makes each one a"
            f" group of its own; the first is {paths[matches.index(None)]}"
        )
    return groups


def _bursts(dataset: Dataset, seconds: float, progress: Progress) -> Indices:
    """Group pictures of one folder and camera that follow each other within less than `seconds`."""
    metadata = open_metadata(dataset.source, progress)
    paths = dataset.listing.paths
    taken = np.full(len(paths), np.nan)
    cameras = [""] * len(paths)
    if metadata is not None:
        taken = metadata.taken[dataset.rows]
        cameras = [metadata.cameras[row] for row in dataset.rows]
    num_without = int(np.isnan(taken).sum())
    if num_without == len(paths):
        raise SkysortError(
            "no-groups",
            "pictures.burst_seconds needs pictures with a capture time (EXIF DateTimeOriginal), and none has one",
        )
    if num_without:
        progress.say(f"pictures.burst_seconds: {num_without:,} of {len(paths):,} pictures have no capture time")
    place = group_numbers((path.rpartition("/")[0], camera) for path, camera in zip(paths, cameras, strict=True))
    order = np.lexsort((taken, place))  # pictures without a time come last in each place
    apart = np.diff(taken[order], prepend=np.nan)
    starts = (np.diff(place[order], prepend=-1) != 0) | ~(apart < seconds)
    groups = np.empty(len(paths), np.int64)
    groups[order] = np.cumsum(starts) - 1
    return groups
