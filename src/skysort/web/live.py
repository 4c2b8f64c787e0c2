"""The classifier that a service answers with: loaded again, and switched, when its folder changes."""

import asyncio
import logging
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import CHECKED, REFERENCE, TABLE, find_classifier
from skysort.core.errors import SkysortError
from skysort.core.log import as_text, tell

SECONDS_BETWEEN_LOOKS = 2.0

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of each file that decides the answers."""


class LiveClassifier:
    """A classifier folder in use.

    Args:
        path: a run folder, its `classifier/` folder, or a copy of that.

    Raises:
        NotUnderstoodError: when the path does not exist.
        SkysortError: when the classifier cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._stamp()
        self.now = Classifier(path)
        self.num_switched = self.num_failed = 0

    async def follow(self) -> None:
        """Look for changes until cancelled. Log a folder that cannot be loaded; the classifier before answers."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await self.look()

    async def look(self) -> None:
        """Load the folder, beside the classifier in use, if it has changed, and switch to it."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return
        try:
            self.now = await asyncio.to_thread(Classifier, self.path)
        except Exception as error:  # of any kind: the classifier in use goes on answering
            if not isinstance(error, MemoryError):  # after which it tries again
                # Often a copy that is not finished: the next file changes the stamp, and this tries again.
                self._seen = stamp
            self.num_failed += 1
            tell(logging.WARNING, "cannot load the changed classifier", error=as_text(error))
        else:
            self._seen = stamp
            self.num_switched += 1
            tell(logging.INFO, "switched to the changed classifier", model=self.now.digest)

    def _stamp(self) -> Stamp:
        """Return what tells one state of the folder from another; empty where there is no classifier."""
        try:
            folder = find_classifier(self.path)
        except SkysortError:
            return ()
        return tuple(filter(None, (_file_stamp(folder / name) for name in (TABLE, *CHECKED, REFERENCE))))


def _file_stamp(path: Path) -> tuple[str, int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return path.name, state.st_ino, state.st_size, state.st_mtime_ns
