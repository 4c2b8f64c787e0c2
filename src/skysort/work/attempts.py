"""Which pictures are being judged, noted on the disk before they are.

So a picture that ends the process is known at the next start: a few bytes may decode to gigabytes, and the system
then gives no time to say anything. Pictures that were being judged when a process died are judged alone, after the
others; one that was being judged alone when a second process died is not judged again.
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
    """What was tried with pictures of one folder.

    Args:
        path: the file to note it in. Nobody else may use it.

    Raises:
        SkysortError: when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        remove_partials(path)
        self._deaths = _read(path)
        self._write({})

    def is_suspect(self, path: Path, file: Identity) -> bool:
        """Tell whether a process died while it judged this file."""
        return self._num_deaths(path, file) > 0

    def is_given_up(self, path: Path, file: Identity) -> bool:
        """Tell whether so many died that it is not to be judged again."""
        return self._num_deaths(path, file) >= MOST_DEATHS

    @contextmanager
    def recording(self, paths: Iterable[Path]) -> Iterator[None]:
        """Note that pictures are being judged; whose judging ends here, however, did not end the process.

        Raises:
            SkysortError: when that cannot be written.
        """
        files: dict[Path, Identity] = {}
        for path in paths:
            with suppress(OSError):  # gone, or nothing that is read
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
            with suppress(SkysortError):  # a note too many makes a picture judged alone
                self._write({})

    def _write(self, judged: Mapping[Path, Identity]) -> None:
        """Write the note, which is on the disk when this returns, or remove it when there is nothing to note."""
        files = {path: file for path, (file, _) in self._deaths.items()} | dict(judged)
        if not files:
            with writing(self.path):
                self.path.unlink(missing_ok=True)
            return
        rows = [
            (str(path), file.inode, file.size, file.mtime_ns, self._num_deaths(path, file), path in judged)
            for path, file in files.items()
        ]
        write_whole(self.path, json.dumps(rows))

    def _num_deaths(self, path: Path, file: Identity) -> int:
        known, num = self._deaths.get(path, (file, 0))
        return num if known == file else 0


def _read(path: Path) -> dict[Path, tuple[Identity, int]]:
    """Return the files that a note is of which are still the same, and how many processes each has ended."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = {
            Path(name): (Identity(inode, size, mtime_ns), int(num) + bool(was_judged))
            for name, inode, size, mtime_ns, num, was_judged in rows
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        tell(logging.WARNING, "cannot read what was being judged", path=str(path), error=str(error))
        return {}
    return {picture: known for picture, known in found.items() if known[1] and _is_there(picture, known[0])}


def _is_there(path: Path, file: Identity) -> bool:
    try:
        return identity(path) == file
    except (OSError, ValueError):  # the latter for a name that no file can have
        return False
