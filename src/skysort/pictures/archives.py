"""Zip and tar archives of pictures, read in place and never trusted."""

import bz2
import gzip
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any

from skysort.errors import SkysortError
from skysort.pictures.decode import UnreadablePictureError

MAX_FILE_BYTES = 2**29
"""Half a gibibyte: more than 100 megapixels take in any of the formats, but for 16-bit TIFF."""
MAX_UNPACKED_BYTES = 2**30
MAX_UNPACKED_RATIO = 100
COPY_BYTES = 2**20

ZIP_ENDINGS = (".zip",)
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

# What zipfile, tarfile and the decompressors raise on damage; they do not agree on one error.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError,
    LookupError, ArithmeticError, MemoryError,
)  # fmt: skip

_DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


@dataclass(frozen=True)
class Archive:
    """An archive that is open."""

    names: tuple[str, ...]
    """Its files, as relative paths with forward slashes. Of two with one name the later one counts, as it would
    once they are unpacked."""
    read: Callable[[str], bytes]
    """Gives a file's bytes, on any thread. Raises UnreadablePictureError when that file is damaged, locked by a
    password, a link or too large."""


def is_archive_name(path: Path) -> bool:
    """Tell by its ending whether a file should be an archive."""
    return path.name.lower().endswith(ZIP_ENDINGS + TAR_ENDINGS)


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, or should be by its ending."""
    try:
        return is_archive_name(path) or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except _BROKEN:
        return False


def open_archive(path: Path) -> AbstractContextManager[Archive]:
    """Open a zip or tar archive whose table of contents can be trusted.

    Raises:
        SkysortError: for a damaged archive, one with paths that lead out of it, and one that unpacks to so
            much more than its own size that it can only be meant to harm.
    """
    name = path.name.lower()
    # The ending comes first: a tar that ends with a zip looks like a zip from behind.
    if name.endswith(ZIP_ENDINGS) or (not name.endswith(TAR_ENDINGS) and zipfile.is_zipfile(path)):
        return _open_zip(path)
    return _open_tar(path)


def check_file_size(size: int) -> None:
    """Make sure that a file is not too large to be a picture.

    Raises:
        UnreadablePictureError: when it is.
    """
    if size > MAX_FILE_BYTES:
        raise UnreadablePictureError(f"a file of {size / 2**20:,.0f} MiB, more than {MAX_FILE_BYTES // 2**20}")


@contextmanager
def _open_zip(path: Path) -> Iterator[Archive]:
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise SkysortError(f"cannot read {path}: {error.strerror or error}") from None
    except (*_BROKEN, NotImplementedError) as error:
        raise SkysortError(f"{path} is not a readable zip archive: {error}") from None
    with archive:
        # Tools of Windows have written backslashes, which the format does not allow (APPNOTE.TXT, 4.4.17).
        entries = [(entry.filename.replace("\\", "/"), entry) for entry in archive.infolist()]
        _check_contents(path, [name for name, _ in entries], sum(entry.file_size for _, entry in entries))
        members = {_plain(name): entry for name, entry in entries if not name.endswith("/")}
        yield Archive(tuple(members), lambda name: _read_zipped(archive, members[name]))


def _read_zipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    check_file_size(entry.file_size)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks the others without a limit, whatever size they claim; no usual tool packs pictures so.
        raise UnreadablePictureError("is compressed in a way that is neither deflate nor none")
    try:
        with archive.open(entry) as member:
            # Asked for no more than it says, a member that lies about its size stops there, with a wrong checksum.
            return member.read(entry.file_size)
    except _BROKEN as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None


@contextmanager
def _open_tar(path: Path) -> Iterator[Archive]:
    with _unpacked(path) as file:
        try:
            archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the file is the caller's to close
            entries = archive.getmembers()
            file.seek(archive.offset)
            end = file.read(tarfile.BLOCKSIZE)
        except _BROKEN as error:
            raise SkysortError(f"{path} is not a readable tar archive: {error}") from None
        if end != bytes(tarfile.BLOCKSIZE):
            # tarfile takes a damaged header for the end, and all that follows it would be lost without a word.
            raise SkysortError(
                f"{path} is not a readable tar archive: damaged or cut off after {len(entries):,} entries"
            )
        _check_contents(path, [entry.name for entry in entries], sum(entry.size for entry in entries))
        members = {_plain(entry.name): entry for entry in entries if not entry.isdir()}
        # Its members share one place in one file.
        read = partial(_read_tarred, archive, Lock())
        yield Archive(tuple(members), lambda name: read(members[name]))


def _read_tarred(archive: tarfile.TarFile, lock: Lock, entry: tarfile.TarInfo) -> bytes:
    if not entry.isreg():
        raise UnreadablePictureError("a link or a device inside the archive, not a file")
    check_file_size(entry.size)
    try:
        with lock:
            member = archive.extractfile(entry)
            content = member.read() if member else b""
    except _BROKEN as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None
    if len(content) != entry.size:
        raise UnreadablePictureError(f"cut off in the archive: {len(content):,} of {entry.size:,} bytes")
    return content


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a tar, a compressed one as a temporary copy: there is no jumping about in a compressed stream."""
    with ExitStack() as opened:
        try:
            file: IO[bytes] = opened.enter_context(path.open("rb"))
            start = file.read(max(map(len, _DECOMPRESSORS)))
            file.seek(0)
        except OSError as error:
            raise SkysortError(f"cannot read {path}: {error.strerror or error}") from None
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
                _check_ratio(path, num_bytes)
                _write(copy, chunk, path)
    except _BROKEN as error:
        raise SkysortError(f"{path} is not a readable tar archive: {error}") from None


def _write(copy: IO[bytes], chunk: bytes, path: Path) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        raise SkysortError(
            f"could not unpack {path} into {tempfile.gettempdir()}: {error.strerror or error};"
            " $TMPDIR names another folder"
        ) from None


def _check_contents(path: Path, names: list[str], unpacked: int) -> None:
    for name in names:
        if re.match(r"/|[A-Za-z]:[/\\]", name) or ".." in name.replace("\\", "/").split("/"):
            raise SkysortError(f"{path} holds '{name}', a path that leads out of the archive; refused")
    _check_ratio(path, unpacked)


def _check_ratio(path: Path, unpacked: int) -> None:
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size):
        raise SkysortError(
            f"{path} would unpack to {unpacked / 2**30:,.1f} GiB,"
            f" more than {MAX_UNPACKED_RATIO} times its size; refused"
        )


def _plain(name: str) -> str:
    """Return a path without `./` and doubled slashes."""
    return "/".join(step for step in name.split("/") if step not in ("", "."))
