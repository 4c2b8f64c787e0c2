"""The marks of stale decisions in a journal: `skysort audit` writes them, and a watcher reads them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skysort.core.locks import locked
from skysort.work.journal_columns import is_time
from skysort.work.journal_database import SECONDS_FOR_OTHERS, JournalDatabase
from skysort.work.journal_entries import CellError, Settings, settings_of
from skysort.work.journal_file import journal_errors


@dataclass(frozen=True)
class Alarm:
    """One alarm: the answers say that a decision breaks its promise."""

    id: int
    session: int
    """A session of the decision."""
    row: int
    """Number of the row in which the picture arrived whose answer raised it."""
    raised: float
    """Seconds since 1970."""
    lifted: float | None
    """When an answer was taken back or replaced without which there is no alarm; None while it holds."""
    told: float | None
    """When a watcher started the person's command for it; None before that."""


class Alarms:
    """The alarms in a journal. None is ever deleted.

    Args:
        database: of the journal.
    """

    def __init__(self, database: JournalDatabase) -> None:
        self._database = database
        self._lock = database.path.with_name("alarms")
        self._promises: dict[int, tuple[object, ...]] = {}

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only process that reads answers and then changes alarms.

        Raises:
            SkysortError: when another process has been doing that for a minute.
        """
        with journal_errors(self._database.path):
            self._lock.touch()
        with locked(self._lock, wait=SECONDS_FOR_OTHERS):
            yield

    def raise_for(self, session: int, row: int) -> None:
        """Mark the decision of a session as stale. The mark is on the disk when this returns."""
        self._change("INSERT INTO alarms(session, row, raised) VALUES (?, ?, ?)", session, row, time.time())

    def lift(self, alarm: Alarm) -> None:
        """Write that an alarm no longer holds."""
        self._change("UPDATE alarms SET lifted = ? WHERE id = ?", time.time(), alarm.id)

    def note_told(self, alarm: Alarm) -> None:
        """Write that the person's command for an alarm was started."""
        self._change("UPDATE alarms SET told = ? WHERE id = ?", time.time(), alarm.id)

    def about(self, settings: Settings) -> list[Alarm]:
        """Return the alarms about the decision of a session, oldest first, also those that were lifted."""
        with journal_errors(self._database.path):
            query = (
                "SELECT alarms.id, session, row, raised, lifted, told, settings"
                " FROM alarms LEFT JOIN sessions ON sessions.id = session ORDER BY alarms.id"
            )
            alarms = []
            for *cells, text in self._database.connection.execute(query).fetchall():
                alarm = _alarm(cells)
                if alarm.session not in self._promises:  # the settings of a session never change
                    self._promises[alarm.session] = settings_of(alarm.session, text).promise
                if self._promises[alarm.session] == settings.promise:
                    alarms.append(alarm)
            return alarms

    def newest_row(self) -> int:
        """Return the number of the newest row whose answer raised an alarm that holds, about any decision; 0 if
        there is none."""
        with journal_errors(self._database.path):
            query = "SELECT coalesce(max(row), 0) FROM alarms WHERE lifted IS NULL"
            (row,) = self._database.connection.execute(query).fetchone()
            if not isinstance(row, int):
                raise CellError(f"alarms: expected the number of a row, found {row!r:.120}")
            return row

    def now(self, settings: Settings) -> Alarm | None:
        """Return the alarm about the decision of a session that holds now; None if there is none."""
        return next((alarm for alarm in reversed(self.about(settings)) if alarm.lifted is None), None)

    def _change(self, statement: str, *values: object) -> None:
        self._database.check_files()
        with self._database.transaction() as connection:
            connection.execute(statement, values)


def _alarm(cells: list[Any]) -> Alarm:
    """Return the alarm with these cells.

    Raises:
        CellError: when a cell holds an invalid value.
    """
    alarm = Alarm(*cells)
    are_times = [is_time(alarm.raised), *(cell is None or is_time(cell) for cell in (alarm.lifted, alarm.told))]
    if not (all(are_times) and isinstance(alarm.session, int) and isinstance(alarm.row, int)):
        raise CellError(f"alarm {alarm.id!r}: expected session, row and times, found {cells[1:]!r:.120}")
    return alarm
