"""Zip archives: the encoding of their names, and files that lie about their size."""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.errors import SkysortError
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import HEAD_BYTES, READABLE, picture_format
from skysort.data.memory import SMALL_BYTES, room_for
from skysort.data.sources.archive_files import BROKEN, Archive, check_contents, check_file_size, plain, replaced

IS_UTF8 = 0x800
"""Bit 11 of a zip entry's flags (APPNOTE.TXT, 4.4.4)."""
UNICODE_PATH = 0x7075
"""The extra field in which Info-ZIP keeps a name as UTF-8 (APPNOTE.TXT, 4.6.9)."""

END = struct.Struct("<4s4H2LH")
"""The last record of a zip, before its comment. Its sixth field is the directory's size (APPNOTE.TXT, 4.3.16)."""
END_SIGNATURE, MOST_COMMENT_BYTES = b"PK\5\6", 0xFFFF
IN_ZIP64 = 0xFFFFFFFF
"""Stands for a size that another record holds."""


def zip_file(path: Path) -> zipfile.ZipFile:
    """Open a zip archive without checking its contents.

    Raises:
        SkysortError: if it cannot be read.
    """
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    except (*BROKEN, NotImplementedError) as error:
        raise SkysortError("damaged-archive", f"{path} is not a readable zip archive: {error}") from None


def table_of_contents(path: Path) -> bytes:
    """Return bytes that hold the name, place, size and checksum of every file in a zip archive.

    These are the end of the file, from the central directory on: to parse 60,000 entries takes a second.

    Raises:
        SkysortError: if the archive cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            num_read = min(size, END.size + MOST_COMMENT_BYTES)
            file.seek(size - num_read)
            tail = file.read()
            at = tail.rfind(END_SIGNATURE)
            if 0 <= at <= len(tail) - END.size:
                directory_bytes = END.unpack_from(tail, at)[5]
                start = size - num_read + at - directory_bytes
                if directory_bytes != IN_ZIP64 and start >= 0:
                    file.seek(start)
                    return file.read()
    except OSError as error:
        raise SkysortError("system", f"cannot read {path}: {error.strerror or error}") from None
    with zip_file(path) as archive:
        entries = [(one.CRC, one.file_size, one.header_offset, one.orig_filename) for one in archive.infolist()]
    return repr(entries).encode("utf-8", "surrogateescape")


@contextmanager
def open_zip(path: Path) -> Iterator[Archive]:
    """Open a zip archive and check its contents.

    Raises:
        SkysortError: if it cannot be read or is not safe to read.
    """
    with zip_file(path) as archive:
        entries = archive.infolist()
        names, remarks = _zip_names(path, entries)
        check_contents(path, names, sum(entry.file_size for entry in entries))
        files = [
            (plain(name), entry) for name, entry in zip(names, entries, strict=True) if not name.endswith("/")
        ]
        members = dict(files)
        remarks += replaced(path, [name for name, _ in files])

        def read(name: str) -> bytes:
            return _read_zipped(archive, members[name], members[name].file_size)

        def head(name: str, num_bytes: int) -> bytes:
            return _read_zipped(archive, members[name], min(num_bytes, members[name].file_size))

        yield Archive(tuple(members), read, head, remarks)


def _zip_names(path: Path, entries: list[zipfile.ZipInfo]) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of a zip's entries, with forward slashes, and a remark if their encoding is a guess.

    A flag or an extra field marks a name as UTF-8. Finder and other programs write UTF-8 without either. Names in
    another encoding are hardly ever valid UTF-8 by chance, so all names that are valid UTF-8 are read as such. The
    others are read as code page 437, as the format prescribes. Windows may have used another code page, and no
    field records which.
    """
    raw_names = [_raw_name(entry) for entry in entries]
    is_utf8 = _are_utf8(name for name in raw_names if isinstance(name, bytes))
    names = [name if isinstance(name, str) else name.decode("utf-8" if is_utf8 else "cp437") for name in raw_names]
    remarks: tuple[str, ...] = ()
    if not is_utf8:
        first = next(
            name
            for name, raw in zip(names, raw_names, strict=True)
            if isinstance(raw, bytes) and not raw.isascii()
        )
        remarks = (
            f"{path} does not record how its file names are encoded, and they are not UTF-8; Skysort reads them as"
            f" code page 437, such as {first}. If that looks wrong, pack the folder with a tool that writes UTF-8",
        )
    # Some Windows tools write backslashes, which the format forbids (APPNOTE.TXT, 4.4.17).
    return [name.partition("\0")[0].replace("\\", "/") for name in names], remarks


def _raw_name(entry: zipfile.ZipInfo) -> str | bytes:
    """Return an entry's name, as bytes if its encoding is not recorded."""
    if entry.flag_bits & IS_UTF8:
        return entry.filename
    raw = entry.orig_filename.encode("cp437")  # zipfile decoded it as cp437, which maps every byte
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
        # zipfile unpacks other methods without a limit on size, and no common tool uses them for pictures.
        raise UnreadablePictureError("compressed in the archive by a method other than deflate")
    try:
        with room_for(num_bytes), archive.open(entry) as member:
            head = member.read(min(num_bytes, HEAD_BYTES))
            if num_bytes >= SMALL_BYTES and picture_format(head) not in READABLE:
                return head  # enough to name the format; a few bytes may unpack to hundreds of megabytes
            # A member that lies about its size stops here, with a wrong checksum.
            return head + member.read(num_bytes - len(head))
    except BROKEN as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None
