"""An inbox: new files, complete files, and files that have to wait."""

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
"""Where the system cannot tell who writes, a file that was never seen to grow must be unchanged for this many
settling times: a program that copies may set the size first."""

FileTest = Callable[[Path, Identity], bool]
"""Tells something about a file, by its path and its identity."""


@dataclass(slots=True)
class WaitingFile:
    """A file that is not sorted yet."""

    file: Identity
    """At the last look."""
    since: float
    """When the file was first seen with this identity, in seconds of the monotonic clock, as the next two."""
    first: float
    """When the file was first seen."""
    due: float
    """When to look next."""
    grew: bool = False
    """Whether the file was once seen shorter, but not empty."""
    alone: bool = False
    """Whether to classify it in a batch of its own."""
    is_deferred: bool = False
    """Whether a second look has deferred it. `--once` does not wait for such files."""
    is_stuck: bool = False
    """Whether the log calls it stuck."""
    delay: float = 0.0
    """Seconds from the last failure to the next try; 0 without a failure."""
    error: str = ""
    """The last error in the log."""


class Inbox:
    """The files below a folder that are not sorted yet. It does not follow links, and passes over hidden files.

    Args:
        folder: absolute.
        settle: seconds for which size and time must stay the same.
        stuck: seconds after which an incomplete file is logged as stuck.
        stays: tells whether a file was sorted and stays where it is.
        is_suspect: tells whether a process died while it classified a file.
        by_own_time: whether the age of a file counts from its own modification time if that is earlier than its
            first sight. The clock of another computer may have written that time, so it is for `--once` alone.
    """

    def __init__(
        self,
        folder: Path,
        settle: float,
        stuck: float,
        stays: FileTest,
        is_suspect: FileTest,
        *,
        by_own_time: bool,
    ) -> None:
        self.folder, self.settle, self.stuck = folder, settle, stuck
        self.stays, self.is_suspect, self.by_own_time = stays, is_suspect, by_own_time
        self.waiting: dict[Path, WaitingFile] = {}
        self.passed_over: dict[Path, Identity | None] = {}
        """Files that are no pictures; links and pipes, with None."""
        self.closed: set[Path] = set()
        """Folders that may not be read."""
        self._logged_closed: set[Path] = set()

    @property
    def num_stuck(self) -> int:
        """How many files the log calls stuck."""
        return sum(waiting.is_stuck for waiting in self.waiting.values())

    @property
    def num_failing(self) -> int:
        """How many files failed at the last try."""
        return sum(waiting.delay > 0 for waiting in self.waiting.values())

    def sweep(self) -> None:
        """Scan the whole folder.

        Raises:
            OSError: when the folder cannot be read.
        """
        before, self.passed_over = self.passed_over, {}
        self.closed = set()
        for path in self._files(self.folder):
            if path in before:
                self.passed_over[path] = before[path]
            self._add(path)

    def see(self, path: Path) -> None:
        """Add a file that the system reports as new or changed, or the files below a folder."""
        if any(map(is_hidden, path.relative_to(self.folder).parts)):
            return
        if os.path.isdir(path) and not path.is_symlink():  # noqa: PTH112 - an error is no folder
            try:
                for below in self._files(path):
                    self._add(below)
            except (FileNotFoundError, NotADirectoryError):  # gone since
                return
            except OSError as error:
                self._log_closed(path, error)
        else:
            self._add(path)

    def take(self, num: int) -> list[Path]:
        """Return at most `num` complete pictures. The caller must forget or defer each of them.

        A picture that must be classified alone comes alone, after all others.
        """
        now = time.monotonic()
        due = [(path, waiting) for path, waiting in self.waiting.items() if waiting.due <= now]
        taken: list[Path] = []
        for path, waiting in due:
            if not waiting.alone and self._complete_or_defer(path, waiting):
                taken.append(path)
                if len(taken) == num:
                    return taken
        if not taken:
            for path, waiting in due:
                if waiting.alone and self._complete_or_defer(path, waiting):
                    return [path]
        return taken

    def forget(self, path: Path) -> None:
        """Forget a file."""
        self.waiting.pop(path, None)

    def is_young(self, path: Path) -> bool:
        """Tell whether an incomplete file may still be uploading."""
        return self._age(self.waiting[path]) < self.stuck

    def wait_for_its_end(self, path: Path) -> None:
        """Defer an incomplete file until it counts as stuck."""
        waiting = self.waiting[path]
        waiting.is_deferred = True
        waiting.due = time.monotonic() + self.stuck - self._age(waiting)

    def try_again(self, path: Path, error: BaseException, *, alone: bool = False) -> bool:
        """Defer a file that failed, each time for longer; tell whether this error is a new one."""
        waiting = self.waiting[path]
        waiting.is_deferred = True
        waiting.alone |= alone
        waiting.delay = min(max(1.0, 2 * waiting.delay), LONGEST_DELAY)
        waiting.due = time.monotonic() + waiting.delay
        before, waiting.error = waiting.error, as_text(error)
        return waiting.error != before

    def classify_alone(self, path: Path) -> None:
        """Let a picture come again, alone."""
        self.waiting[path].alone = True

    def seconds_to_next(self) -> float | None:
        """Return how long until the next file that is not deferred is due; None if there is none."""
        dues = [waiting.due for waiting in self.waiting.values() if not waiting.is_deferred]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _add(self, path: Path) -> None:
        try:
            file = identity(path)
        except ChangedError:
            self.passed_over[path] = None
            return
        except OSError:  # gone already
            return
        waiting = self.waiting.get(path)
        if waiting is None:
            if self.passed_over.get(path) != file and not self.stays(path, file):
                self.passed_over.pop(path, None)
                now = time.monotonic()
                suspect = self.is_suspect(path, file)
                self.waiting[path] = WaitingFile(file, now, now, now + self.settle, alone=suspect)
        elif waiting.file != file:
            self._changed(waiting, file)

    def _complete_or_defer(self, path: Path, waiting: WaitingFile) -> bool:
        """Look at a file again; return True for a complete picture, else forget the file or defer it."""
        try:
            file = identity(path)
        except (ChangedError, FileNotFoundError, NotADirectoryError):
            self.forget(path)
            return False
        except OSError as error:
            self.try_again(path, error)
            return False
        if file != waiting.file:
            waiting.is_deferred = True
            self._changed(waiting, file)
            if time.monotonic() - waiting.first >= self.stuck:
                self._log_stuck(path, waiting)
            return False
        is_open = is_open_for_writing(path)
        if is_open or has_unfinished_name(path):
            waiting.is_deferred = True
            if self._age(waiting) >= self.stuck:
                self._log_stuck(path, waiting)
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
        """Return for how many seconds a file has not changed."""
        age = time.monotonic() - waiting.since
        return max(age, time.time() - waiting.file.mtime_ns / 1e9) if self.by_own_time else age

    def _log_stuck(self, path: Path, waiting: WaitingFile) -> None:
        if not waiting.is_stuck:
            waiting.is_stuck = True
            seconds = round(self._age(waiting))
            tell(logging.WARNING, "stuck", path=str(path), bytes=waiting.file.size, seconds=seconds)

    def _files(self, folder: Path) -> Iterator[Path]:
        """Yield the files below a folder that are not hidden. Log folders below it that cannot be read.

        Raises:
            OSError: when the folder itself cannot be read.
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
            except (FileNotFoundError, NotADirectoryError):  # gone since, or a file has its name
                if current == folder:
                    raise
            except OSError as error:
                if current == folder:
                    raise
                self._log_closed(current, error)

    def _log_closed(self, folder: Path, error: OSError) -> None:
        self.closed.add(folder)
        if folder not in self._logged_closed:
            self._logged_closed.add(folder)
            tell(logging.WARNING, "cannot read folder", path=str(folder), error=error.strerror or str(error))


def has_unfinished_name(path: Path) -> bool:
    """Tell whether a name ends as those of incomplete uploads and downloads do."""
    return PurePosixPath(path.name).suffix.lower() in UNFINISHED_ENDINGS
