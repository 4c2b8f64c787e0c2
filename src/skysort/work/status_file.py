"""How a watcher stands: a status file, and counts for Prometheus."""

import json
import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from skysort.core.errors import SkysortError
from skysort.core.files import write_whole
from skysort.core.log import iso_time, tell

State = Literal["watching", "in trouble", "ended"]

SECONDS_BETWEEN_WRITES = 10.0


@dataclass
class Counts:
    """What a watcher has done since it began, and how things stand."""

    started: float = field(default_factory=time.time)
    actions: Counter[str] = field(default_factory=Counter)
    """Pictures by action."""
    unreadable: int = 0
    failures: int = 0
    """Moves that could not be done, each try counted."""
    waiting: int = 0
    stuck: int = 0
    failing: int = 0
    """Pictures that are tried again and again."""
    closed: int = 0
    """Folders that may not be read."""
    passed_over: int = 0
    """Links, and files that are no pictures."""
    last: float | None = None
    """When the last picture was dealt with."""
    trouble: str = ""
    """What keeps everything from going on."""


def status_file(journal: Path) -> Path:
    """Return the file in a journal's folder that says how its watcher stands."""
    return journal / "status.json"


def watcher_lock(journal: Path) -> Path:
    """Return the file in a journal's folder that its watcher holds."""
    return journal / "watcher"


class StatusWriter:
    """The files in which counts are told, written whole.

    Args:
        status: a JSON file; None for none.
        metrics: a text file for Prometheus' node exporter; None for none.
        about: what the status file says beside the counts.
    """

    def __init__(self, status: Path | None, metrics: Path | None, about: dict[str, str]) -> None:
        self.status, self.metrics, self.about = status, metrics, about
        self._written = -SECONDS_BETWEEN_WRITES

    @property
    def is_due(self) -> bool:
        """Whether it is time to write how things stand."""
        return time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES

    def write(self, counts: Counts, state: State) -> None:
        """Write both, each even if the other cannot be. What cannot be told keeps no picture from moving."""
        self._written = time.monotonic()
        if self.status:
            self._replace(self.status, json.dumps(self._status(counts, state), indent=2) + "\n")
        if self.metrics:
            from skysort.work.metrics_file import metrics_text  # needs the extra `watch`

            self._replace(self.metrics, metrics_text(counts))

    def _status(self, counts: Counts, state: str) -> dict[str, object]:
        return {
            "state": state,
            "time": iso_time(time.time()),
            "process": os.getpid(),
            **self.about,
            **vars(counts),
            "started": iso_time(counts.started),
            "last": None if counts.last is None else iso_time(counts.last),
        }

    def _replace(self, path: Path, content: str | bytes) -> None:
        """Write a file whole, without the old one where there is no room for both: it must not pass for new."""
        try:
            try:
                write_whole(path, content)
            except SkysortError:
                path.unlink(missing_ok=True)
                write_whole(path, content)
        except (SkysortError, OSError) as error:
            tell(logging.WARNING, "cannot tell how it stands", error=str(error))
