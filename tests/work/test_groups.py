"""Groups of arrivals under a decision that counts groups."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from skysort.data.quality.grouping import join_groups
from skysort.work.groups import PATIENCE, GroupedArrivals
from skysort.work.journal_entries import Identity, JournalEntry, Settings, replaced
from tests.work.making import SETTINGS

INBOX = Path("/cam/inbox").absolute()
FIELDS = vars(SETTINGS)
BURSTS = Settings(**FIELDS | {"burst_seconds": 60.0, "inbox": str(INBOX)})
BY_DAY = Settings(**FIELDS | {"burst_seconds": 0.0, "group_by": r"^(\d+)/", "inbox": str(INBOX)})
PLAIN = JournalEntry(
    "move", INBOX / "a.jpg", INBOX / "b.jpg", "ab" * 32, Identity(1, 5, 7), "set-aside", "airplane", (0.9, 0.1),
    audit_aside=0.5, audit_keep=0.2, coin=0.1, planned=1000.0,
)  # fmt: skip


def groups_of(settings: Settings, *arrivals: dict[str, object]) -> list[list[int]]:
    """Numbers of the arrivals in each group, from 1."""
    grouped, numbers = GroupedArrivals(), count(1)
    for fields in arrivals:
        grouped.add(replaced(PLAIN, id=next(numbers), **fields), settings)
    groups = {group.first.id: [row.id for row in group.rows] for group in grouped.by_row.values()}
    return [groups[first] for first in sorted(groups)]


def taken(*times: float | None, **fields: object) -> list[dict[str, object]]:
    return [{"taken": time, **fields} for time in times]


def test_a_burst_is_a_group() -> None:
    assert groups_of(BURSTS, *taken(0, 30, 80, 140, 141)) == [[1, 2, 3], [4, 5]]


def test_pictures_without_a_time_are_groups_of_their_own() -> None:
    assert groups_of(BURSTS, *taken(None, 30, None, 40)) == [[1], [2, 4], [3]]


def test_an_upload_may_bring_pictures_in_any_order() -> None:
    assert groups_of(BURSTS, *taken(100, 0, 50)) == [[1, 2, 3]], "the third joins the groups of the others"
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 2000, 60))
    order = rng.permutation(60)
    found = groups_of(BURSTS, *taken(*times[order].tolist()))
    expected = np.split(np.arange(60), np.flatnonzero(np.diff(times) >= 60) + 1)
    assert sorted(sorted(order[number - 1] for number in group) for group in found) == [
        part.tolist() for part in expected
    ]


@pytest.mark.parametrize("fields", [{"camera": "other"}, {"source": INBOX / "sub" / "a.jpg"}])
def test_another_camera_or_folder_is_another_group(fields: dict[str, object]) -> None:
    assert groups_of(BURSTS, *taken(0, 10), *taken(5, **fields)) == [[1, 2], [3]]


def test_a_group_ends_an_hour_and_the_burst_time_after_its_newest_picture_arrived() -> None:
    late = PLAIN.planned + PATIENCE + 60
    assert groups_of(BURSTS, *taken(0), *taken(1, planned=late - 1), *taken(2, planned=late)) == [[1, 2, 3]]
    assert groups_of(BURSTS, *taken(0), *taken(1, planned=late), *taken(2, planned=late)) == [[1], [2, 3]]


def test_paths_below_the_inbox_that_match_alike_are_a_group() -> None:
    names = ["1/a.jpg", "2/a.jpg", "1/b.jpg", "a.jpg", "b.jpg"]
    assert groups_of(BY_DAY, *({"source": INBOX / name} for name in names)) == [[1, 3], [2], [4], [5]]


def test_both_rules_together_join_what_either_does() -> None:
    both = Settings(**vars(BY_DAY) | {"burst_seconds": 60.0})
    rng = np.random.default_rng(1)
    days, times = rng.integers(0, 30, 40), rng.uniform(0, 4000, 40)
    order = np.argsort(times)  # one folder, so that bursts reach across days
    rows = [
        {"source": INBOX / f"{day}-a.jpg", "taken": float(time)} for day, time in zip(days, times, strict=True)
    ]
    both = Settings(**vars(both) | {"group_by": r"^(\d+)-"})
    found = groups_of(both, *rows)
    bursts = np.empty(40, np.int64)
    bursts[order] = np.cumsum(np.diff(times[order], prepend=-100) >= 60) - 1
    joined = join_groups(np.arange(40), [days, bursts])
    expected = sorted(np.flatnonzero(joined == group).tolist() for group in np.unique(joined))
    assert sorted([number - 1 for number in group] for group in found) == expected


def test_a_decision_that_counts_pictures_has_no_groups() -> None:
    assert groups_of(SETTINGS, *taken(0, 1)) == []
    assert groups_of(BURSTS, *taken(0, 1, audit_keep=None)) == []


def test_a_group_is_drawn_by_the_coin_of_its_first_picture_and_stays_drawn() -> None:
    grouped = GroupedArrivals()
    drawn = []
    for number, action, coin in ((1, "keep", 0.3), (2, "keep", 0.0), (3, "set-aside", 0.9), (4, "keep", 0.9)):
        row = replaced(
            PLAIN, id=number, taken=1.0, action=action, coin=coin, audit_keep=0.2 if number == 1 else 1.0
        )
        grouped.add(row, BURSTS)
        drawn.append(grouped.by_row[1].is_drawn)
    assert drawn == [False, False, True, True], "0.3 is below the rate of set aside pictures alone"
    assert grouped.by_row[4].rate_of(row) == 0.2
