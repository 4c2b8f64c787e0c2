"""The state of a watcher, in a status file and as counts for Prometheus."""

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
    """The number of pictures that a watcher sorted since it started, and the state of its inbox."""

    started: float = field(default_factory=time.time)
    actions: Counter[str] = field(default_factory=Counter)
    """Pictures by action."""
    unreadable: int = 0
    failures: int = 0
    """Failed tries."""
    waiting: int = 0
    stuck: int = 0
    failing: int = 0
    """Pictures whose last try failed."""
    closed: int = 0
    """Folders that cannot be read."""
    passed_over: int = 0
    """Links, and files that are no pictures."""
    last: float | None = None
    """When the last picture was sorted."""
    stale_since: float | None = None
    """When the alarm was raised: the decision breaks its promise. None without an alarm."""
    trouble: str = ""
    """The error that stops all work; empty if there is none."""


def status_file(journal: Path) -> Path:
    """Return the status file of the watcher that uses a journal's folder."""
    return journal / "status.json"


def watcher_lock(journal: Path) -> Path:
    """Return the file that the watcher of a journal's folder locks."""
    return journal / "watcher"


class StatusWriter:
    """Writes the counts into two files, each whole.

    Args:
        status: a JSON file.
        metrics: a text file for Prometheus' node exporter; None for none.
        about: further fields of the status file.
    """

    def __init__(self, status: Path, metrics: Path | None, about: dict[str, str]) -> None:
        self.status, self.metrics, self.about = status, metrics, about
        self._written = -SECONDS_BETWEEN_WRITES

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the status again."""
        return time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES

    def write(self, counts: Counts, state: State) -> None:
        """Write both files. If one cannot be written, write the other all the same, and go on sorting."""
        self._written = time.monotonic()
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
            "stale_since": None if counts.stale_since is None else iso_time(counts.stale_since),
        }

    def _replace(self, path: Path, content: str | bytes) -> None:
        """Write a file whole. On a full disk, remove the old one first: it must not pass for new."""
        try:
            try:
                write_whole(path, content)
            except SkysortError:
                path.unlink(missing_ok=True)
                write_whole(path, content)
        except (SkysortError, OSError) as error:
            tell(logging.WARNING, "cannot write status", error=str(error))
