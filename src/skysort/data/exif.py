"""Metadata of image files: size, capture time and camera."""

import json
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from skysort.core.cache import cache_folder
from skysort.core.files import write_whole
from skysort.core.progress import Progress
from skysort.data.decode import EXIF_ORIENTATION, TURNED
from skysort.data.formats.opening import UnreadablePictureError, opened, readable_format
from skysort.data.formats.signature import READABLE
from skysort.data.parallel import in_order, threads_for
from skysort.data.sources.base import PixelSource, Source
from skysort.data.store import digest

FORMAT = 2
CACHE_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.json")

NUM_FOR_MEDIAN = 50
"""Number of image files that the median size is taken over."""

EXIF_PART = 0x8769
TAKEN, SUBSECONDS = 0x9003, 0x9291
CAMERA = (0x010F, 0x0110, 0xA431)
"""Tags of the maker, the model and, in the EXIF part, the body's serial number."""


@dataclass(frozen=True)
class ImageMetadata:
    """Metadata of one image file. Width and height are in pixels, upright."""

    width: int
    height: int
    taken: float | None = None
    """Seconds since 1970 on the camera's clock; None if it is not recorded."""
    camera: str = ""


@dataclass(frozen=True)
class MetadataTable:
    """Metadata of a source's pictures, one row per picture of its listing."""

    sizes: NDArray[np.int64]
    """(N, 2) width and height, upright; 0 if the picture cannot be read."""
    taken: NDArray[np.float64]
    """(N,) seconds since 1970 on the camera's clock; NaN if not recorded."""
    cameras: tuple[str, ...]
    """(N,) maker, model and serial number, as far as they are recorded."""


def open_metadata(source: Source, progress: Progress) -> MetadataTable | None:
    """Read the metadata of a source's image files, from the cache if it is up to date.

    Returns:
        The table, or None if the source has no image files.

    Raises:
        SkysortError: if the source cannot be listed or the cache cannot be written.
    """
    if isinstance(source, PixelSource):
        return None
    family, key = digest(source.identity), digest(source.stamp(), str(sorted(READABLE)), str(FORMAT))
    file = cache_folder() / "metadata" / f"{family}-{key}.json"
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
            if other != file and CACHE_NAME.fullmatch(other.name):
                other.unlink(missing_ok=True)
    width, height, taken, cameras = zip(*rows, strict=True)
    return MetadataTable(np.array([width, height], np.int64).T, np.array(taken, np.float64), cameras)


def median_size(source: Source) -> tuple[int, int] | None:
    """Return the median width and height of a sample of a source's image files; None if it has none.

    Raises:
        SkysortError: if the source cannot be listed.
    """
    if isinstance(source, PixelSource):
        return None
    sizes = []
    with source.opened() as (listing, read):
        for row in np.linspace(0, len(listing) - 1, min(NUM_FOR_MEDIAN, len(listing))).astype(int).tolist():
            try:
                content = read(row)
                if isinstance(content, bytes):
                    metadata = read_metadata(content)
                    sizes.append((metadata.width, metadata.height))
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
                    return read_metadata(content)
            except UnreadablePictureError:
                pass
            return ImageMetadata(0, 0)

        rows = []
        for metadata in in_order(read_row, range(len(listing)), threads_for(np.inf)):
            rows.append((metadata.width, metadata.height, metadata.taken, metadata.camera))
            tell(1, "")
    return rows


def read_metadata(content: bytes) -> ImageMetadata:
    """Read the metadata of an image file, without its pixels.

    Raises:
        UnreadablePictureError: if it is not a readable picture.
        MemoryError: if this computer has too little free memory now.
    """
    kind = readable_format(content)
    with opened(kind, content) as image:
        width, height = image.size
        exif = image.getexif()
        if exif.get(EXIF_ORIENTATION) in TURNED and kind != "TIFF":  # Pillow already swaps the size of a TIFF
            width, height = height, width
        part = exif.get_ifd(EXIF_PART)
        camera = " ".join(str(value).strip() for tag in CAMERA if (value := exif.get(tag) or part.get(tag)))
        return ImageMetadata(width, height, _capture_time(part), camera)


def _capture_time(exif: dict[int, object]) -> float | None:
    """Return the capture time, in seconds since 1970. The clock counts as UTC, because only differences matter."""
    try:
        moment = datetime.strptime(str(exif[TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        fraction = str(exif.get(SUBSECONDS, "")).strip("\0 ")
        return moment.timestamp() + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
    except (KeyError, ValueError):
        return None
