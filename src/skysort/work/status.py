"""The state of a watcher, from its status file and its lock."""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError
from skysort.core.locks import locked
from skysort.core.text import counted, printable
from skysort.work.inbox import LONGEST_DELAY
from skysort.work.journal import journal_folder
from skysort.work.status_file import State, status_file, watcher_lock

SECONDS_UNTIL_STALE = LONGEST_DELAY + 60.0
"""A watcher writes its status every 10 seconds and before each wait. A large picture may add a minute."""


def _time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-27T00:49:16.129Z")
    return text


Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, AfterValidator(_time)]


class StatusFile(BaseModel):
    """status.json, as `StatusWriter` writes it. A person may have edited the file, so every field is checked."""

    model_config = ConfigDict(frozen=True)

    state: State
    time: Time
    process: Count
    inbox: str
    aside: str
    started: Time
    actions: dict[str, Count]
    unreadable: Count
    failures: Count
    waiting: Count
    stuck: Count
    failing: Count
    closed: Count
    passed_over: Count
    last: Time | None
    stale_since: Time | None
    trouble: str


@dataclass(frozen=True)
class Status:
    """The state of a watcher."""

    file: StatusFile | None
    """Content of the status file; None if there is none, or it cannot be read."""
    is_alive: bool | None
    """None where the system cannot tell."""
    age: float | None
    """Seconds since the watcher wrote the status; None without a status."""
    unreadable: str = ""
    """Why the status file cannot be read; empty if it can, or there is none."""

    @property
    def problems(self) -> list[str]:
        """The problems of the watcher, one sentence each; empty if there is none."""
        file = self.file
        if self.unreadable:
            return [f"cannot read the status file: {self.unreadable}; a running watcher writes it anew"]
        if file is None:
            return [
                "the watcher runs without a status file; is the disk full?"
                if self.is_alive
                else "no watcher has run here"
            ]
        problems = []
        if file.state == "ended":
            problems.append("the watcher has ended")
        elif self.is_alive is False and file.state == "watching":
            problems.append("the watcher does not run: it was killed, or the power failed")
        elif self.age is not None and self.age > SECONDS_UNTIL_STALE:
            problems.append(f"the status is stale: written {_ago(self.age)}, expected every 10 seconds")
        if file.stale_since:
            problems.append(
                f"the decision breaks its promise, by the alarm of {file.stale_since}; run skysort audit"
            )
        if file.trouble:
            problems.append(f"the watcher cannot go on: {file.trouble}")
        if file.failing:
            pictures = counted(file.failing, "picture")
            problems.append(f"{pictures} could not be sorted; the watcher tries again, see the log")
        if file.closed:
            problems.append(f"{counted(file.closed, 'folder')} could not be read; the log has the reasons")
        return problems

    def as_json(self) -> str:
        """Return the state as one JSON object."""
        file = self.file.model_dump(mode="json") if self.file else {}
        more = {"alive": self.is_alive, "age": self.age, "problems": self.problems}
        return json.dumps(file | more, indent=2)

    def as_text(self) -> str:
        """Return the state as text for a person."""
        file = self.file
        lines = [f"{file.state if file else 'unknown'}, as of {_ago(self.age)}"]
        if file:
            pictures = ", ".join(f"{num:,} {action}" for action, num in sorted(file.actions.items()))
            facts = {name: getattr(file, name) for name in ("inbox", "aside", "started", "process")}
            facts["pictures"] = pictures or "none yet"
            counts = ("unreadable", "waiting", "stuck", "failing", "failures", "closed", "passed_over")
            facts |= {name.replace("_", " "): f"{getattr(file, name):,}" for name in counts}
            facts["last"] = file.last or "none"
            lines += [f"{name:<12}{value}" for name, value in facts.items()]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(map(printable, lines))


def status_of(aside: Path) -> Status:
    """Return the state of the watcher that sets pictures aside into a folder.

    Raises:
        NotUnderstoodError: when the folder has no journal.
    """
    folder = journal_folder(aside)
    if not folder.is_dir():
        raise NotUnderstoodError(
            "no-journal", f"{aside} has no journal: {folder} is not there; give the folder of --aside"
        )
    file, age, unreadable = None, None, ""
    path = status_file(folder)
    try:
        file = StatusFile.model_validate_json(path.read_bytes())
        age = time.time() - datetime.fromisoformat(file.time).timestamp()
    except FileNotFoundError:
        pass
    except OSError as error:
        unreadable = f"{path}: {error.strerror or error}"
    except ValidationError as error:
        first = error.errors()[0]
        unreadable = f"{':'.join(map(str, (path, *first['loc'])))}: {first['msg']}"
    return Status(file, _is_held(watcher_lock(folder)), age, unreadable)


def _is_held(lock: Path) -> bool | None:
    if not lock.exists():
        return False
    try:
        with locked(lock):
            return False
    except LockedError:
        return True
    except SkysortError:  # this user may not open the lock
        return None


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "no time"
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return f"{counted(int(seconds // length), unit)} ago"
    return f"{counted(int(max(0, seconds)), 'second')} ago"
