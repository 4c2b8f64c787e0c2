"""The pictures of runs, opened for pages: prepared as for a decision, and shown under opaque names."""

import asyncio
import hashlib
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import NotUnderstoodError, SkysortError, suggestion
from skysort.core.progress import SilentProgress
from skysort.data.decode import Pixels, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.membership import digests_of
from skysort.data.store import DIGEST_BYTES
from skysort.runs.folder import Run
from skysort.runs.promises import CalibrationPictures
from skysort.runs.reference_rows import reference_rows
from skysort.runs.reopen import prepared_again
from skysort.web.bounds import MOST_PIXELS
from skysort.web.thumbnails import Thumbnails

MOST_OPEN = 3
"""Runs with open pictures. A person looks at one or two."""
SECONDS_TO_OPEN = 8.0
"""Time that a page waits for them. They take longer where the cache no longer has them."""

Stamp = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TrainingPicture:
    """A picture that a classifier learned from."""

    picture: str
    """Its name in pages."""
    label: str


class OpenRun:
    """A finished run and its pictures, which are those that it was measured on.

    Args:
        run: the run.
        thumbnails: names the pictures.

    Raises:
        SkysortError: when the pictures have moved or changed, or a file of the run is damaged.
    """

    def __init__(self, run: Run, thumbnails: Thumbnails) -> None:
        self.run, self._thumbnails = run, thumbnails
        self.prepared = prepared_again(run, SilentProgress())
        self._dataset = self.prepared.dataset
        self._rows = {path: row for row, path in enumerate(self._dataset.listing.paths)}
        self._archives = ExitStack()  # they close with the last thread that reads a picture
        _, self._read = self._archives.enter_context(self._dataset.source.opened())

    @cached_property
    def calibration(self) -> CalibrationPictures:
        """The pictures that a decision would be made from.

        Raises:
            SkysortError: when there are none, or a file is damaged.
        """
        return CalibrationPictures.of(self.run, self.prepared)

    def learned(self, numbers: NDArray[np.int64]) -> list[TrainingPicture]:
        """Return the pictures in (N,) rows of the classifier's reference."""
        listing, rows = self._dataset.listing, reference_rows(self.prepared)[numbers].tolist()
        named = [(self.name(listing.paths[row]), listing.classes[listing.labels[row]]) for row in rows]
        return [TrainingPicture(name, label) for name, label in named if name]

    def name(self, path: str) -> str | None:
        """Return the name in pages of a picture of the listing; None where it is not there or cannot be read."""
        row = self._rows.get(path)
        if row is None or self._dataset.positions[row] < 0:
            return None
        here = ref(self)  # names live for ever, and pictures may take much memory
        return self._thumbnails.named((self.run.path, self._digest(row), row), partial(_content, here, row))

    def _digest(self, row: int) -> str:
        return digests_of(self._dataset, np.array([row]))[0]

    def content(self, row: int) -> bytes | Pixels:
        """Return the file of a picture in a row of the listing, or its pixels.

        Raises:
            UnreadablePictureError: when it is no longer the picture that the run saw.
        """
        content = self._read(int(self._dataset.rows[row]))
        if isinstance(content, bytes):
            pixels = decode(content, self.prepared.shape, MOST_PIXELS)
            if hashlib.blake2b(pixels.tobytes(), digest_size=DIGEST_BYTES).hexdigest() != self._digest(row):
                raise UnreadablePictureError("it has changed")
        return content


def _content(run: ref[OpenRun], row: int) -> bytes | Pixels:
    opened = run()
    if opened is None:
        raise UnreadablePictureError("the page is too old; load it again")
    return opened.content(row)


class OpenRuns:
    """The finished runs of a folder. Tasks of one event loop may share it.

    Args:
        folder: the folder.
        thumbnails: names their pictures.
    """

    def __init__(self, folder: Path, thumbnails: Thumbnails) -> None:
        self.folder, self._thumbnails = folder, thumbnails
        self._opening: OrderedDict[str, tuple[Stamp, asyncio.Task[OpenRun]]] = OrderedDict()

    def names(self) -> list[str]:
        """Return the finished runs, the newest first.

        Raises:
            SkysortError: when the folder cannot be read.
        """
        try:
            finished = [path for path in self.folder.iterdir() if Run(path).is_finished]
        except OSError as error:
            raise SkysortError("system", f"could not read {self.folder}: {error.strerror or error}") from None
        return [path.name for path in sorted(finished, key=lambda path: path.stat().st_mtime, reverse=True)]

    def run(self, name: str) -> Run:
        """Return a finished run.

        Raises:
            NotUnderstoodError: when no run has this name.
        """
        if name not in (names := self.names()):
            raise NotUnderstoodError("not-a-run", f"no finished run '{name}'; {suggestion(name, names)}")
        return Run(self.folder / name)

    async def opened(self, name: str) -> OpenRun | None:
        """Return a run with its pictures; None while it is still being opened.

        Raises:
            NotUnderstoodError: when no run has this name.
            SkysortError: when the pictures have moved or changed, or a file of the run is damaged.
        """
        run = await asyncio.to_thread(self.run, name)
        stamp = _stamp(run)
        if name in self._opening and (self._opening[name][0] != stamp or _has_failed(self._opening[name][1])):
            del self._opening[name]
        if name not in self._opening:
            self._opening[name] = stamp, asyncio.create_task(asyncio.to_thread(OpenRun, run, self._thumbnails))
        self._opening.move_to_end(name)
        while len(self._opening) > MOST_OPEN:
            self._opening.popitem(last=False)
        task = self._opening[name][1]
        await asyncio.wait([task], timeout=SECONDS_TO_OPEN)
        return task.result() if task.done() else None


def _has_failed(task: asyncio.Task[OpenRun]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _stamp(run: Run) -> Stamp:
    return tuple((name, (run.path / name).stat().st_mtime_ns) for name in ("metrics.json", "data.json"))
