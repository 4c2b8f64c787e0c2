"""The trainings of a folder of runs: each a process of its own, the command line's, which outlives this one.

The process writes its log to a file beside the run, and holds the lock of that file until it ends, however it
ends. So a studio that starts later finds it. All else is in the run's own folder.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skysort.classifier.format import Headline, read_table
from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError, suggestion
from skysort.core.files import writing
from skysort.core.locks import is_locked, lock_descriptor
from skysort.runs.folder import Run
from skysort.web.training_log import LoggedError, Step, TrainingLog

SUFFIX = ".training.jsonl"
NAME = re.compile(r"\w(?:[\w .-]{0,78}\w)?")
"""What every system takes for a name of a folder."""
MOST_LISTED = 50
COMMAND = (sys.executable, "-P", "-m", "skysort")
"""-P: without it, Python would import modules from the current folder first."""

State = Literal["running", "stopped", "failed", "finished"]


@dataclass(frozen=True)
class Training:
    """A training as it is now."""

    name: str
    state: State
    has_run: bool
    """Whether the folder of the run exists: it begins when the pictures are prepared."""
    can_stop: bool
    """Whether a studio started it. One from a terminal is stopped there."""
    step: Step | None
    messages: tuple[str, ...]
    error: LoggedError | None
    figures: Headline | None
    """Of a finished run."""


class Trainings:
    """The trainings of a folder of runs. Threads may share it.

    Args:
        runs: the folder. It need not exist before the first training.
        command: how the command line is started.
    """

    def __init__(self, runs: Path, command: Sequence[str] = COMMAND) -> None:
        self.runs, self._command = runs, command
        self._lock = threading.RLock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, TrainingLog] = {}

    def names(self) -> list[str]:
        """Return the names of all, the newest first.

        Raises:
            SkysortError: when the folder cannot be read.
        """
        times: dict[str, float] = {}
        try:
            for path in self.runs.iterdir() if self.runs.is_dir() else ():
                name, file = path.name, path / "recipe.toml"
                if path.name.endswith(SUFFIX):
                    name, file = path.name.removesuffix(SUFFIX), path
                if file.is_file():
                    times[name] = max(times.get(name, 0.0), file.stat().st_mtime)
        except OSError as error:
            raise SkysortError("system", f"could not read {self.runs}: {error.strerror or error}") from None
        return sorted(times, key=lambda name: -times[name])[:MOST_LISTED]

    def training(self, name: str) -> Training:
        """Return how a training is.

        Raises:
            NotUnderstoodError: when there is none of this name.
            SkysortError: when a file of it cannot be read.
        """
        self.check_known(name)
        with self._lock:
            run, log = self._run(name), self._read_log(name)
            is_ours = self._is_ours(name)
            log.read()  # what it wrote before it ended
            state, error = self._state(run, log, is_ours=is_ours)
            figures = read_table(run.classifier).figures if state == "finished" else None
            can_stop = is_ours and (name in self._processes or log.pid is not None)
            return Training(name, state, _has_recipe(run), can_stop, log.step, tuple(log.messages), error, figures)

    def _state(self, run: Run, log: TrainingLog, *, is_ours: bool) -> tuple[State, LoggedError | None]:
        if is_ours or self._is_elsewhere(run):
            return "running", None
        if run.is_finished:
            return "finished", None
        error = log.error
        if error is None and log.last_words:  # of a traceback
            error = LoggedError(code="system", message=log.last_words)
        return ("failed" if error and error.code != "interrupted" else "stopped"), error

    def free_name(self, like: str) -> str:
        """Return a name that no run has."""
        first = (re.sub(r"[^\w.-]+", "-", like).strip("-.") or "run")[:60]
        taken, number, name = set(self.names()), 1, first
        while name in taken or (self.runs / name).exists():
            number += 1
            name = f"{first}-{number}"
        return name

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start a training.

        Args:
            name: of its run.
            arguments: of `skysort train`, without the run.

        Raises:
            NotUnderstoodError: when the name cannot be one of a folder.
            SkysortError: when another training runs, the name is taken, or the process cannot be started.
        """
        if not NAME.fullmatch(name):
            raise NotUnderstoodError(
                "wrong-value", f"'{name}' cannot be the name of a run: use letters, digits, spaces, '-' and '_'"
            )
        with self._lock:
            self._check_none_runs()
            if self._run(name).path.exists():
                raise SkysortError("output-taken", f"{self._run(name).path} already exists; choose another name")
            self._begin(name, ["train", *arguments, "--run", str(self._run(name).path)])

    def go_on(self, name: str) -> None:
        """Go on with a training that was stopped, killed or failed.

        Raises:
            NotUnderstoodError: when there is none of this name.
            SkysortError: when it runs or is finished, another one runs, or the process cannot be started.
        """
        with self._lock:
            now = self.training(name)
            if not now.has_run or now.state not in ("stopped", "failed"):
                raise SkysortError("wrong-value", f"the training of {name} cannot go on: it is {now.state}")
            self._check_none_runs()
            self._begin(name, ["resume", str(self._run(name).path)])

    def stop(self, name: str) -> None:
        """Ask the process of a training to end. It writes a checkpoint before.

        Raises:
            NotUnderstoodError: when there is none of this name.
            SkysortError: when a terminal started it.
        """
        with self._lock:
            now = self.training(name)
            if now.state != "running":
                return
            if not now.can_stop:
                raise SkysortError("in-use", f"{name} was started in a terminal; stop it there, with Ctrl-C")
            process, pid = self._processes.get(name), self._logs[name].pid
            if process is not None and process.poll() is None:
                process.terminate()
            elif pid is not None:  # it holds its log's lock, so it is that process still
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def how_to_go_on(self, name: str) -> str:
        """Return the command that goes on with a training."""
        return shlex.join(["skysort", "resume", str(self._run(name).path)])

    def run(self, name: str) -> Run:
        """Return the folder of a run.

        Raises:
            NotUnderstoodError: when there is none of this name.
        """
        self.check_known(name)
        return self._run(name)

    def check_known(self, name: str) -> None:
        """Make sure that there is a training of a name: so no name from a page is a path.

        Raises:
            NotUnderstoodError: when there is none.
        """
        if name not in (names := self.names()):
            raise NotUnderstoodError("not-a-run", f"no training '{name}'; {suggestion(name, names)}")

    def _check_none_runs(self) -> None:
        for name in self.names():
            if self._is_ours(name) or self._is_elsewhere(self._run(name)):
                raise SkysortError("in-use", f"{name} is learning now; wait until it has ended, or stop it")

    def _is_ours(self, name: str) -> bool:
        """Tell whether a process that a studio started trains it."""
        process = self._processes.get(name)
        return (process is not None and process.poll() is None) or _is_held(self._log(name))

    def _is_elsewhere(self, run: Run) -> bool:
        """Tell whether another process, such as one from a terminal, trains it."""
        return _has_recipe(run) and not run.is_finished and _is_held(run.path / "recipe.toml")

    def _read_log(self, name: str) -> TrainingLog:
        log = self._logs.setdefault(name, TrainingLog(self._log(name)))
        log.read()
        return log

    def _run(self, name: str) -> Run:
        return Run(self.runs / name)

    def _log(self, name: str) -> Path:
        return self.runs / f"{name}{SUFFIX}"

    def _begin(self, name: str, words: Iterable[str]) -> None:
        self._logs.pop(name, None)
        with writing(self._log(name)):
            self.runs.mkdir(parents=True, exist_ok=True)
            with self._log(name).open("ab") as log:
                if not lock_descriptor(log.fileno()):
                    raise LockedError(self._log(name))
                log.truncate(0)
                self._processes[name] = subprocess.Popen(
                    [*self._command, *words, "--format", "json"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )  # fmt: skip


def _has_recipe(run: Run) -> bool:
    return (run.path / "recipe.toml").is_file()


def _is_held(path: Path) -> bool:
    return path.is_file() and is_locked(path)
