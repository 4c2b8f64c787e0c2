"""Zip and tar archives of pictures, read in place and never trusted."""

import bz2
import gzip
import hashlib
import lzma
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any

from skysort.core.errors import SkysortError
from skysort.core.files import check_not_special
from skysort.core.text import counted
from skysort.data.decode import UnreadablePictureError
from skysort.data.formats.signature import HEAD_BYTES, READABLE, picture_format
from skysort.data.memory import SMALL_BYTES, most_bytes, room_for

MAX_FILE_BYTES = 2**29
"""On a large computer; on a small one, half of what a picture may take while it is decoded."""
MAX_UNPACKED_BYTES = 2**30
MAX_UNPACKED_RATIO = 100
COPY_BYTES = 2**20
NUM_SAMPLES, SAMPLE_BYTES = 1024, 4096
"""Of a tar, whose directory is spread over the file and has no checksums of what is in it."""
IS_UTF8 = 0x800
"""Bit 11 of a zip entry's flags (APPNOTE.TXT, 4.4.4)."""
UNICODE_PATH = 0x7075
"""The extra field in which Info-ZIP keeps a name as UTF-8 (APPNOTE.TXT, 4.6.9)."""

ZIP_ENDINGS = (".zip",)
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

# What zipfile, tarfile and the decompressors raise on damage; they do not agree on one error.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError,
    LookupError, ArithmeticError, Warning,
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
    head: Callable[[str, int], bytes]
    """Gives so many bytes of a file's beginning, likewise."""
    remarks: tuple[str, ...] = ()
    """Lines to print: what could not be told of it."""


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
        NotUnderstoodError: for a pipe or a device.
    """
    check_not_special(path)
    return _open_zip(path) if _is_zip(path) else _open_tar(path)


def check_file_size(size: int) -> None:
    """Make sure that a file is not too large to be a picture.

    Raises:
        UnreadablePictureError: when it is.
    """
    if size < SMALL_BYTES:
        return
    most = min(MAX_FILE_BYTES, most_bytes() // 2)
    if size > most:
        raise UnreadablePictureError(f"a file of {size / 2**20:,.0f} MiB, more than {most // 2**20}")


def archive_stamp(path: Path) -> str:
    """Return what changes with an archive's content, whatever its size and time say.

    Of a zip, that is the digest of its directory, which holds each file's checksum; of a tar, the digest
    of samples. A compressed tar is other bytes from its first difference on.

    Raises:
        SkysortError: when it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    if _is_zip(path):
        with _zip(path) as archive:
            for entry in archive.infolist():
                figures = struct.pack("<QQQ", entry.CRC, entry.file_size, entry.header_offset)
                digest.update(figures + entry.orig_filename.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            last = max(0, size - SAMPLE_BYTES)
            for number in range(NUM_SAMPLES):
                file.seek(last * number // (NUM_SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    return digest.hexdigest()


def _is_zip(path: Path) -> bool:
    """Tell a zip from a tar; the ending comes first: a tar that ends with a zip looks like a zip from behind."""
    name = path.name.lower()
    return name.endswith(ZIP_ENDINGS) or (not name.endswith(TAR_ENDINGS) and zipfile.is_zipfile(path))


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    except (*_BROKEN, NotImplementedError) as error:
        raise SkysortError("damaged-archive", f"{path} is not a readable zip archive: {error}") from None


@contextmanager
def _open_zip(path: Path) -> Iterator[Archive]:
    with _zip(path) as archive:
        found = archive.infolist()
        names, remarks = _zip_names(path, found)
        _check_contents(path, names, sum(entry.file_size for entry in found))
        files = [(_plain(name), entry) for name, entry in zip(names, found, strict=True) if not name.endswith("/")]
        members = dict(files)
        remarks += _replaced(path, [name for name, _ in files])

        def read(name: str) -> bytes:
            return _read_zipped(archive, members[name], members[name].file_size)

        def head(name: str, num_bytes: int) -> bytes:
            return _read_zipped(archive, members[name], min(num_bytes, members[name].file_size))

        yield Archive(tuple(members), read, head, remarks)


def _zip_names(path: Path, entries: list[zipfile.ZipInfo]) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of a zip's entries, with forward slashes, and a remark if their encoding is a guess.

    A flag or an extra field says that a name is UTF-8. Finder and others write UTF-8 without either, and names in
    another encoding are hardly ever UTF-8 by chance. All others are read as code page 437, as the format wants;
    Windows may have written them in another one, and no field says which.
    """
    plain = [_raw_name(entry) for entry in entries]
    is_utf8 = _are_utf8(name for name in plain if isinstance(name, bytes))
    names = [name if isinstance(name, str) else name.decode("utf-8" if is_utf8 else "cp437") for name in plain]
    remarks: tuple[str, ...] = ()
    if not is_utf8:
        first = next(
            name for name, raw in zip(names, plain, strict=True) if isinstance(raw, bytes) and not raw.isascii()
        )
        remarks = (
            f"the names in {path} are not UTF-8, and it does not say how they are encoded; they are read as code"
            f" page 437, as in {first}. If that looks wrong, pack the folder again with a tool that writes UTF-8",
        )
    # Tools of Windows have written backslashes, which the format does not allow (APPNOTE.TXT, 4.4.17).
    return [name.partition("\0")[0].replace("\\", "/") for name in names], remarks


def _raw_name(entry: zipfile.ZipInfo) -> str | bytes:
    """Return an entry's name, as bytes where it does not say how they are encoded."""
    if entry.flag_bits & IS_UTF8:
        return entry.filename
    raw = entry.orig_filename.encode("cp437")  # as which zipfile has read it, and which has a letter for each byte
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and field[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            try:
                return field[5:].decode("utf-8")
            except UnicodeDecodeError:
                break
    return raw


def _are_utf8(names: Iterable[bytes]) -> bool:
    try:
        for name in names:
            name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _read_zipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, num_bytes: int) -> bytes:
    check_file_size(entry.file_size)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks the others without a limit, whatever size they claim; no usual tool packs pictures so.
        raise UnreadablePictureError("is compressed in a way that is neither deflate nor none")
    try:
        with room_for(num_bytes), archive.open(entry) as member:
            head = member.read(min(num_bytes, HEAD_BYTES))
            if num_bytes >= SMALL_BYTES and picture_format(head) not in READABLE:
                return head  # which is enough to say why; a few bytes may unpack to hundreds of megabytes
            # Asked for no more than it says, a member that lies about its size stops there, with a wrong checksum.
            return head + member.read(num_bytes - len(head))
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
            raise SkysortError("damaged-archive", f"{path} is not a readable tar archive: {error}") from None
        if end != bytes(tarfile.BLOCKSIZE):
            # tarfile takes a damaged header for the end, and all that follows it would be lost without a word.
            raise SkysortError(
                "damaged-archive",
                f"{path} is not a readable tar archive: damaged or cut off after {len(entries):,} entries",
            )
        _check_contents(path, [entry.name for entry in entries], sum(entry.size for entry in entries))
        files = [(_plain(entry.name), entry) for entry in entries if not entry.isdir()]
        members = dict(files)
        # Its members share one place in one file.
        read = partial(_read_tarred, archive, Lock())
        yield Archive(
            tuple(members),
            lambda name: read(members[name], members[name].size),
            lambda name, num_bytes: read(members[name], min(num_bytes, members[name].size)),
            _replaced(path, [name for name, _ in files]),
        )


def _replaced(path: Path, names: list[str]) -> tuple[str, ...]:
    """Return a remark on files that later ones of the same name replace, as unpacking does."""
    if not (num := len(names) - len(set(names))):
        return ()
    first = next(name for name, times in Counter(names).items() if times > 1)
    left_out = f"{counted(num, 'file')} {'is' if num == 1 else 'are'} left out"
    return (f"{path} holds several files of one name, such as {first}; the last one counts, and {left_out}",)


def _read_tarred(archive: tarfile.TarFile, lock: Lock, entry: tarfile.TarInfo, num_bytes: int) -> bytes:
    if not entry.isreg():
        raise UnreadablePictureError("a link or a device inside the archive, not a file")
    check_file_size(entry.size)
    try:
        with lock:
            member = archive.extractfile(entry)
            content = member.read(num_bytes) if member else b""
    except _BROKEN as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None
    if len(content) != num_bytes:
        raise UnreadablePictureError(f"cut off in the archive: {len(content):,} of {num_bytes:,} bytes")
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
                _check_ratio(path, num_bytes)
                _write(copy, chunk, path)
    except _BROKEN as error:
        raise SkysortError("damaged-archive", f"{path} is not a readable tar archive: {error}") from None


def _write(copy: IO[bytes], chunk: bytes, path: Path) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        raise SkysortError(
            "system",
            f"could not unpack {path} into {tempfile.gettempdir()}: {error.strerror or error};"
            " $TMPDIR names another folder",
        ) from None


def _check_contents(path: Path, names: list[str], unpacked: int) -> None:
    for name in names:
        if re.match(r"/|[A-Za-z]:[/\\]", name) or ".." in name.replace("\\", "/").split("/"):
            raise SkysortError(
                "unsafe-archive", f"{path} holds '{name}', a path that leads out of the archive; refused"
            )
    _check_ratio(path, unpacked)


def _check_ratio(path: Path, unpacked: int) -> None:
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size):
        raise SkysortError(
            "unsafe-archive",
            f"{path} would unpack to {unpacked / 2**30:,.1f} GiB,"
            f" more than {MAX_UNPACKED_RATIO} times its size; refused",
        )


def _plain(name: str) -> str:
    """Return a path without `./` and doubled slashes."""
    return "/".join(step for step in name.split("/") if step not in ("", "."))
