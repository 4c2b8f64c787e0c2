"""The store: all pictures of a source, decoded once into a cache file that is mapped into memory."""

import hashlib
import json
import mmap
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from skysort.core.cache import cache_folder
from skysort.core.errors import SkysortError
from skysort.core.files import remove_partials, whole_folder
from skysort.core.progress import Progress
from skysort.data.decode import Pixels, Shape, decode, from_pixels
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import READABLE
from skysort.data.listing import Listing
from skysort.data.parallel import in_order, threads_for
from skysort.data.quality.near_duplicates import first_near
from skysort.data.sources.base import Reader, Source

FORMAT = 6
DIGEST_BYTES = 16
CHUNK_PIXEL_BYTES = 2**21
CHECKED_AT_ONCE = 2**20
CHECKSUMS = "checksums.json"
"""File with the CRC-32 of each other file of a store."""
MOST_MAPPED_BYTES = 2**28
"""Pixels of a larger file do not stay in memory after they were copied."""
SECONDS_PARTIALS_ARE_KEPT = 86_400
STORE_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}")


@dataclass(frozen=True)
class Store:
    """The decoded pictures of a source, and the reasons for unreadable ones."""

    listing: Listing
    positions: NDArray[np.int64]
    """(N,) position in `pixels` of each row of the listing; -1 for an unreadable picture."""
    unreadable: dict[int, str]
    """Reasons of unreadable pictures, by row of the listing."""
    pixels: Pixels
    """(M, C, H, W) uint8, mapped from the file, read-only."""
    mapped: mmap.mmap
    """The mapping that holds the pixels."""
    digests: NDArray[np.uint8]
    """(M, 16) BLAKE2b of each picture's pixels. Equal pictures have equal digests."""
    first_equal: NDArray[np.int64]
    """(M,) position of the first picture that equals each one; its own for most."""
    first_near: NDArray[np.int64]
    """(M,) position of the first identical picture or near-duplicate of each one; its own for most."""
    sums: NDArray[np.int64]
    """(M, C, 2) sum of each channel's pixels, and of their squares."""

    def copy(self, positions: NDArray[np.int64]) -> Pixels:
        """Return a copy of pictures, (N, C, H, W) uint8. The pages of a large file are released again."""
        copied = self.pixels[positions]
        if self.pixels.nbytes > MOST_MAPPED_BYTES:
            self.release()
        return copied

    def release(self) -> None:
        """Release the memory that holds pixels. The system reads them again when they are needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


def open_store(source: Source, shape: Shape, progress: Progress) -> Store:
    """Return the decoded pictures of a source, from the cache if it is up to date.

    The key of the cache is the source's identity and stamp, the shape, Pillow's version and the formats that are
    readable here. All its files are read once to verify their checksums.

    Raises:
        SkysortError: if the source cannot be listed or the cache cannot be written.
    """
    family = digest(source.identity, str(sorted(asdict(shape).items())))
    key = digest(source.stamp(), PIL.__version__, str(sorted(READABLE)), str(FORMAT))
    folder = cache_folder() / "stores" / f"{family}-{key}"
    if folder.is_dir():
        try:
            return _open(folder, shape)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(folder)  # damaged, or a cleaning tool deleted some of its files
    try:
        with whole_folder(folder) as beside:
            _fill(beside, source, shape, progress)
    except SkysortError as error:
        if not folder.is_dir():  # else another process made the same store meanwhile
            if isinstance(error.__cause__, OSError):
                raise SkysortError(
                    error.code, f"{error}; set $SKYSORT_CACHE to another folder for decoded pictures"
                ) from None
            raise
    _remove_outdated(folder, family)
    return _open(folder, shape)


def digest(*parts: str) -> str:
    """Return a digest of texts, in hexadecimal, for names of cache files."""
    joined = "\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(joined, digest_size=DIGEST_BYTES).hexdigest()


def _fill(folder: Path, source: Source, shape: Shape, progress: Progress) -> None:
    """Decode all pictures into files of records and one table.

    It writes files instead of a mapping, so that a full disk is an error and not a crash, and memory stays low.
    """
    unreadable: dict[int, str] = {}
    digests = bytearray()
    with (
        source.opened() as (listing, read),
        progress.step("Decoding", len(listing)) as tell,
        (folder / "pixels.bin").open("wb") as pixels,
        (folder / "sums.bin").open("wb") as sums,
    ):
        num_rows = max(1, CHUNK_PIXEL_BYTES // (shape.channels * shape.size**2))
        chunks = (range(row, min(row + num_rows, len(listing))) for row in range(0, len(listing), num_rows))
        decode_rows = partial(_decode_rows, read, shape)
        for chunk in in_order(decode_rows, chunks, threads_for(_mean_file_size(read, len(listing)))):
            unreadable.update(chunk.unreadable)
            pixels.write(chunk.pixels.tobytes())
            sums.write(chunk.sums.tobytes())
            digests += chunk.digests
            tell(chunk.num_rows, "")
    (folder / "digests.bin").write_bytes(digests)
    records = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)
    _, first, number = np.unique(records, axis=0, return_index=True, return_inverse=True)
    first_equal = first[number.reshape(-1)]
    (folder / "first_equal.bin").write_bytes(first_equal.tobytes())
    near = _first_near(folder / "pixels.bin", shape, first_equal, progress)
    (folder / "first_near.bin").write_bytes(near.tobytes())
    table = {
        "paths": listing.paths,
        "labels": listing.labels.tolist(),
        "classes": listing.classes,
        "splits": listing.splits,
        "left_out": listing.left_out,
        "groups": listing.groups,
        "remarks": listing.remarks,
        "origins": listing.origins,
        "unreadable": unreadable,
    }
    (folder / "table.json").write_text(json.dumps(table), encoding="utf-8")
    (folder / CHECKSUMS).write_text(json.dumps(_checksums(folder)), encoding="utf-8")


def _checksums(folder: Path) -> dict[str, int]:
    """Return the CRC-32 of each file of a store."""
    return {file.name: _checksum(file) for file in folder.iterdir() if file.name != CHECKSUMS}


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHECKED_AT_ONCE):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _first_near(file: Path, shape: Shape, first_equal: NDArray[np.int64], progress: Progress) -> NDArray[np.int64]:
    if not len(first_equal):
        return first_equal
    pixels = np.memmap(file, np.uint8, "r", shape=(len(first_equal), shape.channels, shape.size, shape.size))
    return first_near(pixels, first_equal, progress)


@dataclass(frozen=True)
class _Chunk:
    """The decoded pictures of some rows."""

    num_rows: int
    unreadable: dict[int, str]
    pixels: Pixels
    sums: NDArray[np.int64]
    digests: bytes


def _decode_rows(read: Reader, shape: Shape, rows: range) -> _Chunk:
    decoded = {row: _decode_row(read, shape, row) for row in rows}
    pictures = [picture for picture in decoded.values() if not isinstance(picture, str)]
    pixels = np.array(pictures, np.uint8).reshape(-1, shape.channels, shape.size**2)
    sums = [pixels.sum(axis=2, dtype=np.int64), np.square(pixels, dtype=np.uint16).sum(axis=2, dtype=np.int64)]
    return _Chunk(
        len(rows),
        {row: picture for row, picture in decoded.items() if isinstance(picture, str)},
        pixels,
        np.stack(sums, axis=2),
        b"".join(hashlib.blake2b(picture.tobytes(), digest_size=DIGEST_BYTES).digest() for picture in pictures),
    )


def _decode_row(read: Reader, shape: Shape, row: int) -> Pixels | str:
    try:
        content = read(row)
        return decode(content, shape) if isinstance(content, bytes) else from_pixels(content, shape)
    except UnreadablePictureError as reason:
        return str(reason)


def _mean_file_size(read: Reader, num_rows: int) -> float:
    """Return the mean size of a sample of image files, in bytes."""
    sizes = list(_sample_file_sizes(read, num_rows))
    return sum(sizes) / len(sizes) if sizes else 0.0


def _sample_file_sizes(read: Reader, num_rows: int) -> Iterator[int]:
    for row in np.linspace(0, num_rows - 1, 16).astype(int):
        try:
            content = read(int(row))
        except UnreadablePictureError:
            continue
        yield len(content) if isinstance(content, bytes) else 0


def _remove_outdated(folder: Path, family: str) -> None:
    """Remove outdated stores of the same source and shape, and remains of killed processes.

    It touches nothing else in the folder, because $SKYSORT_CACHE may hold other files.
    """
    for other in folder.parent.glob(f"{family}-*"):
        if other != folder and STORE_NAME.fullmatch(other.name):
            shutil.rmtree(other, ignore_errors=True)
    for abandoned in folder.parent.glob(".*.partial"):
        name = abandoned.name[1:].partition(".")[0]
        if STORE_NAME.fullmatch(name) and time.time() - abandoned.stat().st_mtime > SECONDS_PARTIALS_ARE_KEPT:
            remove_partials(folder.parent / name)


def _open(folder: Path, shape: Shape) -> Store:
    if json.loads((folder / CHECKSUMS).read_text(encoding="utf-8")) != _checksums(folder):
        raise ValueError(f"{folder} is damaged")
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    listing = Listing(
        tuple(table["paths"]),
        np.array(table["labels"], np.int64),
        tuple(table["classes"]),
        tuple(table["splits"]),
        tuple(table["left_out"]),
        None if table["groups"] is None else tuple(table["groups"]),
        tuple(table["remarks"]),
        None if table["origins"] is None else tuple(table["origins"]),
    )
    unreadable = {int(row): reason for row, reason in table["unreadable"].items()}
    readable = np.ones(len(listing), bool)
    readable[list(unreadable)] = False
    num_readable = int(readable.sum())
    if num_readable == 0:
        first = f"{listing.paths[0]}: {unreadable[0]}"
        raise SkysortError(
            "no-readable-pictures", f"none of the {len(listing):,} pictures can be read; the first is {first}"
        )
    with (folder / "pixels.bin").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Store(
        listing,
        np.where(readable, np.cumsum(readable) - 1, -1),
        unreadable,
        np.frombuffer(mapped, np.uint8).reshape(num_readable, shape.channels, shape.size, shape.size),
        mapped,
        np.fromfile(folder / "digests.bin", np.uint8).reshape(num_readable, DIGEST_BYTES),
        np.fromfile(folder / "first_equal.bin", np.int64).reshape(num_readable),
        np.fromfile(folder / "first_near.bin", np.int64).reshape(num_readable),
        np.fromfile(folder / "sums.bin", np.int64).reshape(num_readable, shape.channels, 2),
    )
