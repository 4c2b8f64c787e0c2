"""How the watcher of a journal stands: from its status file, and by whether it is alive."""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from skysort.errors import HeldError, NotUnderstoodError, SkysortError
from skysort.files import locked
from skysort.terminal import counted, printable
from skysort.work.inbox import LONGEST_DELAY
from skysort.work.journal import journal_folder
from skysort.work.telling import status_file, watcher_lock

SECONDS_UNTIL_STALE = LONGEST_DELAY + 60.0
"""A watcher writes its status every 10 seconds, and before each wait; a large picture may take a minute beside."""


@dataclass(frozen=True)
class Status:
    """What is known of a watcher."""

    told: dict[str, Any]
    """What the status file holds; nothing where there is none that can be read."""
    is_alive: bool | None
    """None where the system does not tell."""
    age: float | None
    """Seconds since the status was written; None where it was not."""

    @property
    def problems(self) -> list[str]:
        """What is not well, in words; nothing when all is."""
        state = self.told.get("state")
        if not self.told:
            return [
                "its status cannot be read; is the disk full?" if self.is_alive else "no watcher was at work here"
            ]
        problems = []
        if state == "ended":
            problems.append("it has ended")
        elif self.is_alive is False and state == "watching":
            problems.append("it is not at work: it was killed, or the power went")
        elif self.age is not None and self.age > SECONDS_UNTIL_STALE:
            problems.append(f"its status is stale: written {_ago(self.age)}, expected every 10 seconds")
        if self.told.get("trouble"):
            problems.append(f"nothing can go on: {self.told['trouble']}")
        if num := self.told.get("failing"):
            problems.append(
                f"{counted(num, 'picture')} could not be dealt with; it tries again, and the log says why"
            )
        if num := self.told.get("closed"):
            problems.append(f"{counted(num, 'folder')} could not be read; the log says why")
        return problems

    def as_json(self) -> str:
        """Return all of it as one JSON object."""
        more = {"alive": self.is_alive, "age": self.age, "problems": self.problems}
        return json.dumps(self.told | more, indent=2)

    def as_text(self) -> str:
        """Return it in lines for a person."""
        told = self.told
        lines = [f"{told.get('state', 'unknown')}, as of {_ago(self.age)}"]
        lines += [f"{name:<12}{told[name]}" for name in ("inbox", "aside", "started", "process") if name in told]
        actions = told.get("actions", {})
        dealt_with = ", ".join(f"{num:,} {action}" for action, num in sorted(actions.items())) or "none yet"
        lines.append(f"{'pictures':<12}{dealt_with}")
        counts = ("unreadable", "waiting", "stuck", "failing", "failures", "closed")
        lines += [f"{name:<12}{told.get(name, 0):,}" for name in counts]
        lines.append(f"{'passed over':<12}{told.get('passed_over', 0):,}")
        lines.append(f"{'last':<12}{told.get('last') or 'none'}")
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(map(printable, lines))


def status_of(aside: Path) -> Status:
    """Return how the watcher stands that sets pictures aside into a folder.

    Raises:
        NotUnderstoodError: when no watcher has kept a journal for that folder.
    """
    folder = journal_folder(aside)
    if not folder.is_dir():
        raise NotUnderstoodError(f"{aside} has no journal: {folder} is not there; give the folder of --aside")
    try:
        told = json.loads(status_file(folder).read_text("utf-8"))
        age = time.time() - datetime.fromisoformat(told["time"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        told, age = {}, None
    return Status(told, _is_held(watcher_lock(folder)), age)


def _is_held(lock: Path) -> bool | None:
    if not lock.exists():
        return False
    try:
        with locked(lock):
            return False
    except HeldError:
        return True
    except SkysortError:  # it may not be opened
        return None


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "no time"
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return f"{counted(int(seconds // length), unit)} ago"
    return f"{counted(int(max(0, seconds)), 'second')} ago"
