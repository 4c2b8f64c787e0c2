"""What the process of a training has written so far: the lines of its log, and the rows of history.csv."""

import csv
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, BeforeValidator, ValidationError

from skysort.core.errors import SkysortError

MOST_MESSAGES = 40
"""Messages that are kept, the last ones."""


def _shown(value: Any) -> Any:
    """Escape bytes that are not UTF-8, such as those of file names."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_shown)]


class LoggedError(BaseModel):
    """The error that ended the process."""

    code: Text
    message: Text


class Step(BaseModel):
    """How far a step is."""

    what: Text
    done: int
    total: int
    unit: Text
    note: Text
    rate: float
    """Units per second."""
    seconds_left: float | None


class _Line(BaseModel):
    """One line of `skysort train --format json`."""

    event: Text = ""
    pid: int | None = None
    text: Text = ""
    error: LoggedError | None = None


@dataclass
class _Growing:
    """A file that another process appends to, or replaces."""

    path: Path
    _file: tuple[int, int] | None = None
    _offset: int = 0

    def read(self) -> tuple[list[bytes], bool]:
        """Return the lines since the last call, without one that has no end yet, and whether the file is new."""
        try:
            with self.path.open("rb") as opened:
                is_new = self._is_new(opened)
                opened.seek(self._offset)
                content = opened.read()
        except FileNotFoundError:
            is_new, self._file, self._offset = self._file is not None, None, 0
            return [], is_new
        except OSError as error:
            raise SkysortError("system", f"could not read {self.path}: {error.strerror or error}") from None
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines(), is_new

    def _is_new(self, opened: BinaryIO) -> bool:
        status = os.fstat(opened.fileno())
        file = (status.st_dev, status.st_ino)
        if file == self._file and status.st_size >= self._offset:
            return False
        self._file, self._offset = file, 0
        return True


@dataclass
class TrainingLog:
    """The log of a training's process."""

    path: Path
    pid: int | None = None
    step: Step | None = None
    """The last one that reported."""
    messages: list[str] = field(default_factory=list)
    error: LoggedError | None = None
    last_words: str = ""
    """The last line that is not JSON, as of a traceback."""

    def __post_init__(self) -> None:
        self._growing = _Growing(self.path)

    def read(self) -> None:
        """Read what is new.

        Raises:
            SkysortError: when the file cannot be read.
        """
        lines, is_new = self._growing.read()
        if is_new:
            self.pid, self.step, self.messages, self.error, self.last_words = None, None, [], None, ""
        for line in lines:
            self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            content = json.loads(line)
            one = _Line.model_validate(content)
            step = Step.model_validate(content) if one.event == "progress" else None
        except (ValueError, RecursionError):  # ValidationError is a ValueError
            self.last_words = line.decode("utf-8", "backslashreplace")
            return
        self.pid = one.pid or self.pid
        self.step = step or self.step
        self.error = one.error or self.error
        if one.event == "message":
            self.messages = [*self.messages, one.text][-MOST_MESSAGES:]


class Epoch(BaseModel):
    """A row of history.csv about a whole epoch."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    pictures_per_second: float


class History:
    """The epochs of a run, as they come.

    Args:
        path: of history.csv, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._growing = _Growing(path)
        self._columns: list[str] = []

    def read(self) -> tuple[list[Epoch], bool]:
        """Return the epochs since the last call, and whether those before count no more.

        A row that cannot be read is left out: the command that goes on with the run reports it.

        Raises:
            SkysortError: when the file cannot be read.
        """
        lines, is_new = self._growing.read()
        if is_new:
            self._columns = []
        epochs = []
        for row in csv.reader(line.decode("utf-8", "replace") for line in lines):
            if not self._columns:
                self._columns = row
                continue
            values = {name: value or None for name, value in zip(self._columns, row, strict=False)}
            if values.get("kind") == "epoch":
                try:
                    epochs.append(Epoch.model_validate(values))
                except ValidationError:
                    continue
        return epochs, is_new
