"""Groups of arrivals, such as bursts, for a decision that counts groups: one coin each, and one outcome.

A decision counts groups as the run groups its pictures. A stream of pictures is grouped by the same rule. Pictures
of one folder and camera that follow each other within the burst time, by their EXIF data, are a group; so are
pictures whose paths below the inbox match `group_by` alike. Other pictures are groups of their own.

The coin and the rates of a group are those of its first picture, so nobody can choose them. A group is drawn if
one of its pictures is, by that coin. If more pictures come, a drawn group stays drawn. A group ends an hour and
the burst time after its newest picture, since an upload may bring pictures in any order. Later pictures begin
another group. Only a group that has ended has an outcome.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from skysort.work.journal_entries import JournalEntry, Settings

PATIENCE = 3600.0
"""Seconds, beside the burst time, for which pictures of a group may come in any order, as from a memory card."""


@dataclass(eq=False)
class Group:
    """Arrivals under one decision that count once."""

    rows: list[JournalEntry] = field(default_factory=list)
    """Oldest first."""
    patience: float = PATIENCE
    """Seconds after the newest arrival within which another one joins."""

    @property
    def first(self) -> JournalEntry:
        """The picture whose coin and rates are those of the group."""
        return self.rows[0]

    @property
    def coin(self) -> float | None:
        """Of the group."""
        return self.first.coin

    @property
    def is_drawn(self) -> bool:
        """Whether a person is asked to look at all of its pictures."""
        return any(self.coin is not None and self.coin < self.rate_of(row) for row in self.rows)

    def rate_of(self, row: JournalEntry) -> float:
        """Return the rate of looks at one of its pictures, which the group is drawn with if it is the largest."""
        return (self.first.audit_aside if row.action == "set-aside" else self.first.audit_keep) or 0.0

    @property
    def ends(self) -> float:
        """When it ends, in seconds since 1970, if no more pictures come."""
        return self.rows[-1].planned + self.patience


@dataclass(eq=False)
class _Span:
    """The times at which the pictures of one place in a group were taken."""

    first: float
    last: float
    group: Group


class GroupedArrivals:
    """The arrivals of audits in groups. Only decisions that count groups have any."""

    def __init__(self) -> None:
        self.by_row: dict[int, Group] = {}
        """The group of each arrival, by the number of its row."""
        self._spans: dict[tuple[object, ...], list[_Span]] = defaultdict(list)
        self._matches: dict[tuple[object, ...], Group] = {}

    def add(self, row: JournalEntry, settings: Settings) -> None:
        """Add an arrival. All earlier ones are there."""
        seconds = settings.burst_seconds
        if seconds is None or row.audit_keep is None:
            return
        groups: list[Group] = []
        match = _match(row.source, settings)
        if match is not None and (group := self._matches.get((settings.promise, match))):
            groups.append(self._now(group))
        spans, at = self._spans[settings.promise, row.source.parent, row.camera], 0
        times = [] if row.taken is None else [row.taken]
        if row.taken is not None:
            at, near = _taken_out(spans, row.taken, seconds)
            for span in near:
                if row.planned < self._now(span.group).ends:
                    groups.append(self._now(span.group))
                    times += [span.first, span.last]
        group = self._joined((one for one in groups if row.planned < one.ends), seconds)
        group.rows.append(row)
        self.by_row[row.id] = group
        if match is not None:
            self._matches[settings.promise, match] = group
        if times:
            spans.insert(at, _Span(min(times), max(times), group))

    def _now(self, group: Group) -> Group:
        """Return what has become of a group, which may have joined another one."""
        return self.by_row[group.first.id]

    def _joined(self, groups: Iterable[Group], seconds: float) -> Group:
        """Return one group of the pictures of several; a new one of none."""
        distinct = {group.first.id: group for group in groups}
        if len(distinct) == 1:
            return next(iter(distinct.values()))
        rows = sorted((row for group in distinct.values() for row in group.rows), key=lambda row: row.id)
        joined = Group(rows, PATIENCE + seconds)
        self.by_row.update(dict.fromkeys((row.id for row in rows), joined))
        return joined


def _taken_out(spans: list[_Span], taken: float, seconds: float) -> tuple[int, list[_Span]]:
    """Take the spans out of a list within whose burst time a picture was taken; return them, and where they were.

    The list is sorted, and its spans are apart by the burst time.
    """
    at = bisect_left(spans, taken, key=attrgetter("first"))
    near = []
    while at > 0 and taken - spans[at - 1].last < seconds:
        at -= 1
        near.append(spans.pop(at))
    while at < len(spans) and spans[at].first - taken < seconds:
        near.append(spans.pop(at))
    return at, near


def _match(path: Path, settings: Settings) -> tuple[str | None, ...] | None:
    """Return what `group_by` matches in a path below the inbox; None without a match."""
    if settings.group_by is None or settings.inbox is None or not path.is_relative_to(settings.inbox):
        return None
    match = re.search(settings.group_by, path.relative_to(settings.inbox).as_posix())
    return None if match is None else match.groups() or (match[0],)
