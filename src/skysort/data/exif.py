"""What image files say besides their pixels: their size, when they were taken, and with which camera."""

import json
import re
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysort.core.cache import cache_folder
from skysort.core.files import write_whole
from skysort.core.progress import Progress
from skysort.data.decode import ImageMetadata, UnreadablePictureError, read_original
from skysort.data.parallel import in_order, threads_for
from skysort.data.sources.base import PixelSource, Source
from skysort.data.store import digest

FORMAT = 2
ORIGINALS_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.json")

NUM_FOR_MEDIAN = 50
"""Image files that are looked at for a median size."""


@dataclass(frozen=True)
class MetadataTable:
    """A row a picture of a source's listing."""

    sizes: NDArray[np.int64]
    """(N, 2) width and height, upright; 0 where it cannot be read."""
    taken: NDArray[np.float64]
    """(N,) seconds on the camera's own clock; NaN where the file does not say."""
    cameras: tuple[str, ...]
    """(N,) maker, model and serial number, as far as the file says."""


def open_originals(source: Source, progress: Progress) -> MetadataTable | None:
    """Read the heads of a source's image files, from the cache where it is up to date; None where it has no files.

    Raises:
        SkysortError: when the source cannot be listed or the cache cannot be written.
    """
    if isinstance(source, PixelSource):
        return None
    family, key = digest(source.identity), digest(source.stamp(), str(FORMAT))
    file = cache_folder() / "originals" / f"{family}-{key}.json"
    try:
        checksum, text = file.read_text(encoding="utf-8").split("\n")
        if int(checksum) != zlib.crc32(text.encode()):
            raise ValueError(f"{file} is altered")
        rows = json.loads(text)
    except (OSError, ValueError):
        rows = _read(source, progress)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(rows)
        write_whole(file, f"{zlib.crc32(text.encode())}\n{text}")
        for other in file.parent.glob(f"{family}-*"):
            if other != file and ORIGINALS_NAME.fullmatch(other.name):
                other.unlink(missing_ok=True)
    width, height, taken, cameras = zip(*rows, strict=True)
    return MetadataTable(np.array([width, height], np.int64).T, np.array(taken, np.float64), cameras)


def median_size(source: Source) -> tuple[int, int] | None:
    """Return width and height in the median of some of a source's image files; None where it has none.

    Raises:
        SkysortError: when the source cannot be listed.
    """
    if isinstance(source, PixelSource):
        return None
    sizes = []
    with source.opened() as (listing, read):
        for row in np.linspace(0, len(listing) - 1, min(NUM_FOR_MEDIAN, len(listing))).astype(int).tolist():
            try:
                content = read(row)
                if isinstance(content, bytes):
                    original = read_original(content)
                    sizes.append((original.width, original.height))
            except UnreadablePictureError:
                continue
    if not sizes:
        return None
    width, height = np.median(sizes, axis=0).astype(int).tolist()
    return width, height


def _read(source: Source, progress: Progress) -> list[tuple[int, int, float | None, str]]:
    with source.opened() as (listing, read), progress.step("Reading sizes and times", len(listing)) as tell:

        def read_row(row: int) -> ImageMetadata:
            try:
                content = read(row)
                if isinstance(content, bytes):
                    return read_original(content)
            except UnreadablePictureError:
                pass
            return ImageMetadata(0, 0)

        rows = []
        for original in in_order(read_row, range(len(listing)), threads_for(np.inf)):
            rows.append((original.width, original.height, original.taken, original.camera))
            tell(1, "")
    return rows
