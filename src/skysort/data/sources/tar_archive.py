"""Tar archives, plain or compressed."""

import bz2
import gzip
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any

from skysort.core.errors import SkysortError
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.sources.archive_files import (
    BROKEN,
    Archive,
    check_contents,
    check_file_size,
    check_ratio,
    plain,
    replaced,
)

COPY_BYTES = 2**20

_DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


@contextmanager
def open_tar(path: Path) -> Iterator[Archive]:
    """Open a tar archive and check its contents.

    Raises:
        SkysortError: if it cannot be read or is not safe to read.
    """
    with _unpacked(path) as file:
        try:
            archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the file is the caller's to close
            entries = archive.getmembers()
            file.seek(archive.offset)
            end = file.read(tarfile.BLOCKSIZE)
        except BROKEN as error:
            raise SkysortError("damaged-archive", f"{path} is not a readable tar archive: {error}") from None
        if end != bytes(tarfile.BLOCKSIZE):
            # tarfile takes a damaged header for the end of the archive, and would silently drop all that follows.
            raise SkysortError(
                "damaged-archive",
                f"{path} is not a readable tar archive: damaged or cut off after {len(entries):,} entries",
            )
        check_contents(path, [entry.name for entry in entries], sum(entry.size for entry in entries))
        files = [(plain(entry.name), entry) for entry in entries if not entry.isdir()]
        members = dict(files)
        # All members are read through one file position.
        read = partial(_read_tarred, archive, Lock())
        yield Archive(
            tuple(members),
            lambda name: read(members[name], members[name].size),
            lambda name, num_bytes: read(members[name], min(num_bytes, members[name].size)),
            replaced(path, [name for name, _ in files]),
        )


def _read_tarred(archive: tarfile.TarFile, lock: Lock, entry: tarfile.TarInfo, num_bytes: int) -> bytes:
    if not entry.isreg():
        raise UnreadablePictureError("a link or a device in the archive, not a file")
    check_file_size(entry.size)
    try:
        with lock:
            member = archive.extractfile(entry)
            content = member.read(num_bytes) if member else b""
    except BROKEN as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None
    if len(content) != num_bytes:
        raise UnreadablePictureError(f"cut off in the archive: {len(content):,} of {num_bytes:,} bytes")
    return content


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a tar. A compressed one becomes a temporary file, because its stream cannot be read out of order."""
    with ExitStack() as opened:
        try:
            file: IO[bytes] = opened.enter_context(path.open("rb"))
            start = file.read(max(map(len, _DECOMPRESSORS)))
            file.seek(0)
        except OSError as error:
            raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
        for magic, decompress in _DECOMPRESSORS.items():
            if start.startswith(magic):
                copy = opened.enter_context(tempfile.TemporaryFile())
                _decompress(path, decompress, copy)
                copy.seek(0)
                file = copy
        yield file


def _decompress(path: Path, decompress: Callable[[Path], Any], copy: IO[bytes]) -> None:
    try:
        with decompress(path) as stream:
            num_bytes = 0
            while chunk := stream.read(COPY_BYTES):
                num_bytes += len(chunk)
                check_ratio(path, num_bytes)
                _write(copy, chunk, path)
    except BROKEN as error:
        raise SkysortError("damaged-archive", f"{path} is not a readable tar archive: {error}") from None


def _write(copy: IO[bytes], chunk: bytes, path: Path) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        raise SkysortError(
            "system",
            f"could not unpack {path} into {tempfile.gettempdir()}: {error.strerror or error};"
            " set $TMPDIR to another folder",
        ) from None
