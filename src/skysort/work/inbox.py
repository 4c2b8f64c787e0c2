"""An inbox: what has come, what is complete, and what has to wait."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skysort.pictures.listing import is_hidden, is_image_name
from skysort.work.journal_rows import Identity
from skysort.work.names import ChangedError, identity
from skysort.work.telling import tell

UNFINISHED_ENDINGS = frozenset({".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download"})
LONGEST_DELAY = 300.0

Known = Callable[[Path, Identity], bool]
"""Tells whether a file has been dealt with and stays where it is."""


@dataclass(slots=True)
class Waiting:
    """A file that is not dealt with yet."""

    file: Identity
    """As it was found."""
    since: float
    """When it was found so."""
    first: float
    """When it was found first."""
    due: float
    """When to look again."""
    looked: bool = False
    """Whether it was looked at again, and has to wait for longer."""
    told: bool = False
    """Whether it was said to be stuck."""
    delay: float = 0.0
    """Until what failed is tried again."""


class Inbox:
    """The files below a folder that wait to be dealt with. Links are not followed, hidden files passed over.

    Args:
        folder: absolute.
        settle: seconds for which size and time must stay the same.
        stuck: seconds after which what is still incomplete is told of.
        known: see there.
        by_own_time: whether a file is as old as its own time says, if it has not been seen for as long. The clock
            of another computer may have written that, so it is for who looks but once.
    """

    def __init__(self, folder: Path, settle: float, stuck: float, known: Known, *, by_own_time: bool) -> None:
        self.folder, self.settle, self.stuck, self.known = folder, settle, stuck, known
        self.by_own_time = by_own_time
        self.waiting: dict[Path, Waiting] = {}

    @property
    def num_stuck(self) -> int:
        """How many are told of."""
        return sum(waiting.told for waiting in self.waiting.values())

    @property
    def num_failing(self) -> int:
        """How many are tried again and again."""
        return sum(waiting.delay > 0 for waiting in self.waiting.values())

    def sweep(self) -> None:
        """Look through the whole folder.

        Raises:
            OSError: when it cannot be read.
        """
        for path in _files(self.folder):
            self._take_note(path)

    def see(self, path: Path) -> None:
        """Take note of what the system told of: a file that may be new or changed, or all below a folder."""
        if any(map(is_hidden, path.relative_to(self.folder).parts)):
            return
        if os.path.isdir(path) and not path.is_symlink():  # noqa: PTH112 - an error is no folder
            try:
                for below in _files(path):
                    self._take_note(below)
            except OSError as error:
                _tell_unreadable(path, error)
        elif is_image_name(path.name) or _is_unfinished(path.name):
            self._take_note(path)

    def complete(self, num: int) -> list[Path]:
        """Return so many pictures that have not changed for long enough; each is then dealt with or put off."""
        found: list[Path] = []
        now = time.monotonic()
        for path, waiting in list(self.waiting.items()):
            if waiting.due <= now and self._is_complete(path, waiting):
                found.append(path)
                if len(found) == num:
                    break
        return found

    def dealt_with(self, path: Path) -> None:
        """Forget a file."""
        self.waiting.pop(path, None)

    def is_young(self, path: Path) -> bool:
        """Tell whether an unreadable picture may still be on its way; if so, it is looked at again later."""
        waiting = self.waiting[path]
        left = self.stuck - self._age(waiting)
        waiting.looked = True
        waiting.due = time.monotonic() + left
        return left > 0

    def try_again(self, path: Path) -> None:
        """Put off what failed, each time for longer."""
        waiting = self.waiting[path]
        waiting.looked = True
        waiting.delay = min(max(1.0, 2 * waiting.delay), LONGEST_DELAY)
        waiting.due = time.monotonic() + waiting.delay

    def seconds_to_next(self) -> float | None:
        """Return how long until a file that was not looked at yet is due; None when there is none."""
        dues = [waiting.due for waiting in self.waiting.values() if not waiting.looked]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _take_note(self, path: Path) -> None:
        try:
            file = identity(path)
        except OSError:  # gone already, or nothing to take
            return
        before = self.waiting.get(path)
        if before is None:
            if not self.known(path, file):
                now = time.monotonic()
                self.waiting[path] = Waiting(file, now, now, now + self.settle)
        elif before.file != file:
            self._changed(before, file)

    def _is_complete(self, path: Path, waiting: Waiting) -> bool:
        try:
            file = identity(path)
        except (ChangedError, FileNotFoundError, NotADirectoryError):
            self.dealt_with(path)
            return False
        except OSError:
            self.try_again(path)
            return False
        if file != waiting.file:
            waiting.looked = True
            self._changed(waiting, file)
            if time.monotonic() - waiting.first >= self.stuck:
                self._stuck(path, waiting)
            return False
        if _is_unfinished(path.name):
            waiting.looked = True
            if self._age(waiting) >= self.stuck:
                self._stuck(path, waiting)
            waiting.due = time.monotonic() + max(self.settle, min(self.stuck, LONGEST_DELAY))
            return False
        return True

    def _changed(self, waiting: Waiting, file: Identity) -> None:
        waiting.file = file
        waiting.since = time.monotonic()
        waiting.due = waiting.since + self.settle

    def _age(self, waiting: Waiting) -> float:
        """Return for how many seconds a file has been as it is."""
        seen = time.monotonic() - waiting.since
        return max(seen, time.time() - waiting.file.mtime_ns / 1e9) if self.by_own_time else seen

    def _stuck(self, path: Path, waiting: Waiting) -> None:
        if not waiting.told:
            waiting.told = True
            tell(
                logging.WARNING,
                "stuck",
                path=str(path),
                bytes=waiting.file.size,
                seconds=round(self._age(waiting)),
            )


def pictures_below(folder: Path) -> Iterator[Path]:
    """Yield the pictures below a folder, links not followed.

    Raises:
        OSError: when a folder cannot be read.
    """
    return (path for path in _files(folder) if is_image_name(path.name))


def _is_unfinished(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in UNFINISHED_ENDINGS


def _files(folder: Path) -> Iterator[Path]:
    """Yield what may be pictures, or on the way to be, below a folder.

    Raises:
        OSError: when the folder itself cannot be read; of those below it is told.
    """
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(current / entry.name)
                    elif is_image_name(entry.name) or _is_unfinished(entry.name):
                        yield current / entry.name
        except FileNotFoundError:
            if current == folder:
                raise
        except OSError as error:
            if current == folder:
                raise
            _tell_unreadable(current, error)


def _tell_unreadable(folder: Path, error: OSError) -> None:
    tell(logging.WARNING, "cannot read folder", path=str(folder), error=error.strerror or str(error))
