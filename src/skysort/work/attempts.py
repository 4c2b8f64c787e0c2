"""The pictures that are being classified, written to the disk beforehand.

A few bytes may decode to gigabytes, and the system then kills the process without warning. Thanks to this file the
next start knows the suspects: the pictures that were being classified when a process died. It classifies each of
them alone, after the others. A suspect that is being classified when a second process dies is given up.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from skysort.core.errors import SkysortError
from skysort.core.files import remove_partials, write_whole, writing
from skysort.core.log import tell
from skysort.work.journal_entries import Identity
from skysort.work.names import identity

MOST_DEATHS = 2


class Attempts:
    """The record of pictures in classification, and of processes that died meanwhile.

    Args:
        path: the file of the record. No other process may use it.

    Raises:
        SkysortError: when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        remove_partials(path)
        self._deaths = _read(path)
        self._write({})

    def is_suspect(self, path: Path, file: Identity) -> bool:
        """Tell whether a process died while it classified this file."""
        return self._num_deaths(path, file) > 0

    def is_given_up(self, path: Path, file: Identity) -> bool:
        """Tell whether two processes died, so that the file must not be classified again."""
        return self._num_deaths(path, file) >= MOST_DEATHS

    @contextmanager
    def recording(self, paths: Iterable[Path]) -> Iterator[None]:
        """Record pictures while the block classifies them. If the block ends, even by an error, none is to blame.

        Raises:
            SkysortError: when the record cannot be written.
        """
        files: dict[Path, Identity] = {}
        for path in paths:
            with suppress(OSError):  # the file is gone, or is no regular file
                files[path] = identity(path)
        try:
            self._write(files)
            try:
                yield
            finally:
                for path, file in files.items():
                    if not self.is_given_up(path, file):
                        self._deaths.pop(path, None)
        finally:
            with suppress(SkysortError):  # at worst, the next start classifies these pictures alone
                self._write({})

    def _write(self, current: Mapping[Path, Identity]) -> None:
        """Write the record, which is on the disk when this returns; remove it if it is empty."""
        files = {path: file for path, (file, _) in self._deaths.items()} | dict(current)
        if not files:
            with writing(self.path):
                self.path.unlink(missing_ok=True)
            return
        rows = [
            (str(path), file.inode, file.size, file.mtime_ns, self._num_deaths(path, file), path in current)
            for path, file in files.items()
        ]
        write_whole(self.path, json.dumps(rows))

    def _num_deaths(self, path: Path, file: Identity) -> int:
        known, num = self._deaths.get(path, (file, 0))
        return num if known == file else 0


def _read(path: Path) -> dict[Path, tuple[Identity, int]]:
    """Return the recorded files that are still the same, each with the number of processes that died."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        deaths = {
            Path(name): (Identity(inode, size, mtime_ns), int(num) + bool(was_current))
            for name, inode, size, mtime_ns, num, was_current in rows
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        tell(logging.WARNING, "cannot read the record of attempts", path=str(path), error=str(error))
        return {}
    return {picture: (file, num) for picture, (file, num) in deaths.items() if num and _is_there(picture, file)}


def _is_there(path: Path, file: Identity) -> bool:
    try:
        return identity(path) == file
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False
