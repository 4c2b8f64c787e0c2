"""How the watcher of a journal stands: from its status file, and by whether it is alive."""

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
"""A watcher writes its status every 10 seconds, and before each wait; a large picture may take a minute beside."""


def _time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-27T00:49:16.129Z")
    return text


Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, AfterValidator(_time)]


class StatusFile(BaseModel):
    """status.json, as `StatusWriter` writes it. A person may have edited it, so each field is checked."""

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
    trouble: str


@dataclass(frozen=True)
class Status:
    """What is known of a watcher."""

    file: StatusFile | None
    """What the status file holds; None where there is none that can be read."""
    is_alive: bool | None
    """None where the system does not tell."""
    age: float | None
    """Seconds since the status was written; None where it was not."""
    unreadable: str = ""
    """Why the status file cannot be read; empty where it can be, or there is none."""

    @property
    def problems(self) -> list[str]:
        """What is not well, in words; nothing when all is."""
        file = self.file
        if self.unreadable:
            return [f"its status cannot be read: {self.unreadable}; a watcher at work writes it anew"]
        if file is None:
            return [
                "its status is not there; is the disk full?" if self.is_alive else "no watcher was at work here"
            ]
        problems = []
        if file.state == "ended":
            problems.append("it has ended")
        elif self.is_alive is False and file.state == "watching":
            problems.append("it is not at work: it was killed, or the power went")
        elif self.age is not None and self.age > SECONDS_UNTIL_STALE:
            problems.append(f"its status is stale: written {_ago(self.age)}, expected every 10 seconds")
        if file.trouble:
            problems.append(f"nothing can go on: {file.trouble}")
        if file.failing:
            pictures = counted(file.failing, "picture")
            problems.append(f"{pictures} could not be dealt with; it tries again, and the log says why")
        if file.closed:
            problems.append(f"{counted(file.closed, 'folder')} could not be read; the log says why")
        return problems

    def as_json(self) -> str:
        """Return all of it as one JSON object."""
        file = self.file.model_dump(mode="json") if self.file else {}
        more = {"alive": self.is_alive, "age": self.age, "problems": self.problems}
        return json.dumps(file | more, indent=2)

    def as_text(self) -> str:
        """Return it in lines for a person."""
        file = self.file
        lines = [f"{file.state if file else 'unknown'}, as of {_ago(self.age)}"]
        if file:
            dealt_with = ", ".join(f"{num:,} {action}" for action, num in sorted(file.actions.items()))
            facts = {name: getattr(file, name) for name in ("inbox", "aside", "started", "process")}
            facts["pictures"] = dealt_with or "none yet"
            counts = ("unreadable", "waiting", "stuck", "failing", "failures", "closed", "passed_over")
            facts |= {name.replace("_", " "): f"{getattr(file, name):,}" for name in counts}
            facts["last"] = file.last or "none"
            lines += [f"{name:<12}{value}" for name, value in facts.items()]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(map(printable, lines))


def status_of(aside: Path) -> Status:
    """Return how the watcher stands that sets pictures aside into a folder.

    Raises:
        NotUnderstoodError: when no watcher has kept a journal for that folder.
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
    except SkysortError:  # it may not be opened
        return None


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "no time"
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return f"{counted(int(seconds // length), unit)} ago"
    return f"{counted(int(max(0, seconds)), 'second')} ago"
