"""An inbox: what has come, what is complete, and what has to wait."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skysort.core.log import as_text, tell
from skysort.data.listing import is_hidden
from skysort.data.sources.base import is_picture
from skysort.work.journal_entries import Identity
from skysort.work.names import ChangedError, identity
from skysort.work.writers import is_open_for_writing

UNFINISHED_ENDINGS = frozenset({".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download"})
LONGEST_DELAY = 300.0
PATIENCE = 5
"""Times the settling time, for a file that nobody saw grow where the system does not tell who writes: a copier may
have set its size first."""

Known = Callable[[Path, Identity], bool]
"""Tells something of a file, by where it is and what it is."""


@dataclass(slots=True)
class WaitingFile:
    """A file that is not dealt with yet."""

    file: Identity
    """As it was found."""
    since: float
    """When it was found so."""
    first: float
    """When it was found first."""
    due: float
    """When to look again."""
    grew: bool = False
    """Whether it was seen with some of its bytes before it had all."""
    alone: bool = False
    """Whether it is judged with no other picture beside."""
    looked: bool = False
    """Whether it was looked at again, and has to wait for longer."""
    is_stuck: bool = False
    """Whether it was said to be stuck."""
    delay: float = 0.0
    """Until what failed is tried again."""
    error: str = ""
    """The last that was told of what failed."""


class Inbox:
    """The files below a folder that wait to be dealt with. Links are not followed, hidden files passed over.

    Args:
        folder: absolute.
        settle: seconds for which size and time must stay the same.
        stuck: seconds after which what is still incomplete is told of.
        stays: tells whether a file has been dealt with and stays where it is.
        is_suspect: tells whether judging a file ended a process.
        by_own_time: whether a file is as old as its own time says, if it has not been seen for as long. The clock
            of another computer may have written that, so it is for who looks but once.
    """

    def __init__(
        self, folder: Path, settle: float, stuck: float, stays: Known, is_suspect: Known, *, by_own_time: bool
    ) -> None:
        self.folder, self.settle, self.stuck = folder, settle, stuck
        self.stays, self.is_suspect, self.by_own_time = stays, is_suspect, by_own_time
        self.waiting: dict[Path, WaitingFile] = {}
        self.passed_over: dict[Path, Identity | None] = {}
        """Files that are no pictures, and what is no file: links, pipes."""
        self.closed: set[Path] = set()
        """Folders that may not be read."""
        self._closed_and_told: set[Path] = set()

    @property
    def num_stuck(self) -> int:
        """How many are told of."""
        return sum(waiting.is_stuck for waiting in self.waiting.values())

    @property
    def num_failing(self) -> int:
        """How many are tried again and again."""
        return sum(waiting.delay > 0 for waiting in self.waiting.values())

    def sweep(self) -> None:
        """Look through the whole folder.

        Raises:
            OSError: when it cannot be read.
        """
        known, self.passed_over = self.passed_over, {}
        self.closed = set()
        for path in self._files(self.folder):
            if path in known:
                self.passed_over[path] = known[path]
            self._take_note(path)

    def see(self, path: Path) -> None:
        """Take note of what the system told of: a file that may be new or changed, or all below a folder."""
        if any(map(is_hidden, path.relative_to(self.folder).parts)):
            return
        if os.path.isdir(path) and not path.is_symlink():  # noqa: PTH112 - an error is no folder
            try:
                for below in self._files(path):
                    self._take_note(below)
            except (FileNotFoundError, NotADirectoryError):  # gone since
                return
            except OSError as error:
                self._tell_closed(path, error)
        else:
            self._take_note(path)

    def take(self, num: int) -> list[Path]:
        """Return so many pictures that are complete; each is then to be dealt with or put off.

        One that is to be judged alone comes by itself, after all others.
        """
        now = time.monotonic()
        due = [(path, waiting) for path, waiting in self.waiting.items() if waiting.due <= now]
        taken: list[Path] = []
        for path, waiting in due:
            if not waiting.alone and self._complete_or_put_off(path, waiting):
                taken.append(path)
                if len(taken) == num:
                    return taken
        if not taken:
            for path, waiting in due:
                if waiting.alone and self._complete_or_put_off(path, waiting):
                    return [path]
        return taken

    def forget(self, path: Path) -> None:
        """Forget a file."""
        self.waiting.pop(path, None)

    def is_young(self, path: Path) -> bool:
        """Tell whether a file that is not whole may still be on its way."""
        return self._age(self.waiting[path]) < self.stuck

    def wait_for_its_end(self, path: Path) -> None:
        """Look at a file that is not whole again when it can be on its way no longer."""
        waiting = self.waiting[path]
        waiting.looked = True
        waiting.due = time.monotonic() + self.stuck - self._age(waiting)

    def try_again(self, path: Path, error: BaseException, *, alone: bool = False) -> bool:
        """Put off what failed, each time for longer; tell whether this error is news."""
        waiting = self.waiting[path]
        waiting.looked = True
        waiting.alone |= alone
        waiting.delay = min(max(1.0, 2 * waiting.delay), LONGEST_DELAY)
        waiting.due = time.monotonic() + waiting.delay
        before, waiting.error = waiting.error, as_text(error)
        return waiting.error != before

    def classify_alone(self, path: Path) -> None:
        """Let a picture come again, by itself."""
        self.waiting[path].alone = True

    def seconds_to_next(self) -> float | None:
        """Return how long until a file that was not looked at yet is due; None when there is none."""
        dues = [waiting.due for waiting in self.waiting.values() if not waiting.looked]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _take_note(self, path: Path) -> None:
        try:
            file = identity(path)
        except ChangedError:
            self.passed_over[path] = None
            return
        except OSError:  # gone already
            return
        before = self.waiting.get(path)
        if before is None:
            if self.passed_over.get(path) != file and not self.stays(path, file):
                self.passed_over.pop(path, None)
                now = time.monotonic()
                suspect = self.is_suspect(path, file)
                self.waiting[path] = WaitingFile(file, now, now, now + self.settle, alone=suspect)
        elif before.file != file:
            self._changed(before, file)

    def _complete_or_put_off(self, path: Path, waiting: WaitingFile) -> bool:
        """Look at a file again: return True for a whole picture; else forget it, or say when to look next."""
        try:
            file = identity(path)
        except (ChangedError, FileNotFoundError, NotADirectoryError):
            self.forget(path)
            return False
        except OSError as error:
            self.try_again(path, error)
            return False
        if file != waiting.file:
            waiting.looked = True
            self._changed(waiting, file)
            if time.monotonic() - waiting.first >= self.stuck:
                self._tell_stuck(path, waiting)
            return False
        is_open = is_open_for_writing(path)
        if is_open or has_unfinished_name(path):
            waiting.looked = True
            if self._age(waiting) >= self.stuck:
                self._tell_stuck(path, waiting)
            longest = LONGEST_DELAY if has_unfinished_name(path) else 2 * self.settle
            waiting.due = time.monotonic() + max(self.settle, min(self.stuck, longest))
            return False
        to_wait = PATIENCE * self.settle - self._age(waiting)
        if is_open is None and not waiting.grew and to_wait > 0:
            waiting.due = time.monotonic() + to_wait
            return False
        if not is_picture(path):
            self.forget(path)
            self.passed_over[path] = file
            return False
        return True

    def _changed(self, waiting: WaitingFile, file: Identity) -> None:
        waiting.grew |= 0 < waiting.file.size < file.size
        waiting.file = file
        waiting.since = time.monotonic()
        waiting.due = waiting.since + self.settle

    def _age(self, waiting: WaitingFile) -> float:
        """Return for how many seconds a file has been as it is."""
        seen = time.monotonic() - waiting.since
        return max(seen, time.time() - waiting.file.mtime_ns / 1e9) if self.by_own_time else seen

    def _tell_stuck(self, path: Path, waiting: WaitingFile) -> None:
        if not waiting.is_stuck:
            waiting.is_stuck = True
            seconds = round(self._age(waiting))
            tell(logging.WARNING, "stuck", path=str(path), bytes=waiting.file.size, seconds=seconds)

    def _files(self, folder: Path) -> Iterator[Path]:
        """Yield what is below a folder and neither hidden nor a folder itself.

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
                        else:
                            yield current / entry.name
            except (FileNotFoundError, NotADirectoryError):  # gone since, or something else has its name
                if current == folder:
                    raise
            except OSError as error:
                if current == folder:
                    raise
                self._tell_closed(current, error)

    def _tell_closed(self, folder: Path, error: OSError) -> None:
        self.closed.add(folder)
        if folder not in self._closed_and_told:
            self._closed_and_told.add(folder)
            tell(logging.WARNING, "cannot read folder", path=str(folder), error=error.strerror or str(error))


def has_unfinished_name(path: Path) -> bool:
    """Tell whether a file is called what uploads are called until they are complete."""
    return PurePosixPath(path.name).suffix.lower() in UNFINISHED_ENDINGS
