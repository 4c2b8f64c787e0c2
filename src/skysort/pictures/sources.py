"""Where pictures come from: folders, zip archives, and data that never was a file a picture."""

import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from skysort.errors import NotUnderstoodError, SkysortError
from skysort.pictures.decode import Pixels, UnreadablePictureError
from skysort.pictures.listing import Listing, arrange, is_hidden, is_image_name, natural

MAX_FILE_BYTES = 2**29
"""Half a gibibyte: more than 100 megapixels take in any of the formats, but for 16-bit TIFF."""
MAX_UNPACKED_BYTES = 2**30
MAX_UNPACKED_RATIO = 100

Reader = Callable[[int], bytes | Pixels]
"""Gives a row of a listing: the bytes of its image file, or (H, W) or (H, W, 3) uint8 pixels.

Raises UnreadablePictureError when that one picture cannot be had.
"""


class Source(Protocol):
    """Anything that holds pictures in classes."""

    @property
    def identity(self) -> str:
        """What makes this source another than the next, whatever it holds today."""

    def stamp(self) -> str:
        """Return what changes whenever the pictures may have changed: sizes and times of files."""

    def opened(self) -> AbstractContextManager[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""


@dataclass(frozen=True)
class FolderSource:
    """A folder with a subfolder a class, or with parts of such."""

    path: Path

    @property
    def identity(self) -> str:
        """The folder's absolute path."""
        return f"folder {self.path.resolve()}"

    def stamp(self) -> str:
        """Return sizes and times of all files."""
        rows = []
        for name in walk(self.path):
            found = _stat(self.path / name)
            # A changed permission shows in the last: what could not be read before is tried again.
            rows.append(f"{name} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")
        return "\n".join(rows)

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        listing = arrange(walk(self.path), str(self.path))
        yield listing, lambda row: read_file(self.path / listing.paths[row])


@dataclass(frozen=True)
class ZipSource:
    """A zip archive of such a folder, read in place."""

    path: Path

    @property
    def identity(self) -> str:
        """The archive's absolute path."""
        return f"zip {self.path.resolve()}"

    def stamp(self) -> str:
        """Return size and time of the archive."""
        found = self.path.stat()
        return f"{found.st_size} {found.st_mtime_ns}"

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        with open_zip(self.path) as archive:
            names = (entry.filename for entry in archive.infolist() if not entry.is_dir())
            listing = arrange(names, str(self.path))
            yield listing, lambda row: read_member(archive, listing.paths[row])


@dataclass(frozen=True)
class PixelSource:
    """Pictures that come as pixels: drawn, or from a file of many."""

    identity: str
    files: tuple[Path, ...]
    """What they are loaded from; empty for what the program makes itself."""
    load: Callable[[], tuple[Listing, Reader]]

    def stamp(self) -> str:
        """Return sizes and times of the files."""
        return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in self.files)

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        yield self.load()


def path_source(path: Path) -> Source:
    """Return the source for a folder or a zip archive.

    Raises:
        NotUnderstoodError: when it is neither.
    """
    if path.is_dir():
        return FolderSource(path)
    if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        return ZipSource(path)
    raise NotUnderstoodError(f"{path} is neither a folder nor a zip archive")


def walk(folder: Path) -> Iterator[str]:
    """Yield the files below a folder in natural order, as relative paths with forward slashes.

    Hidden files and folders are passed over; links to folders are followed, but not around in circles.

    Raises:
        SkysortError: when a folder cannot be read.
    """
    yield from _walk(folder, "", frozenset())


def _walk(folder: Path, prefix: str, around: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in around:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted((natural(e.name), e.name, _is_folder(e)) for e in found if not is_hidden(e.name))
    except OSError as error:
        raise SkysortError(f"cannot read folder {folder}: {error.strerror or error}") from None
    for _, name, is_folder in entries:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", around | {real})
        else:
            yield prefix + name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell what to go into. A folder that is called a picture is a picture that cannot be read."""
    try:
        return entry.is_dir() and not is_image_name(entry.name)
    except OSError:  # a link to itself
        return False


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError:  # a link to nowhere is a row, too
        return path.lstat()


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        UnreadablePictureError: when it cannot be read, is no regular file or too large to be a picture.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would never end
            raise UnreadablePictureError("not a regular file")
        _check_size(found.st_size)
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(f"cannot be read: {error.strerror or error}") from None


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnreadablePictureError(f"a file of {size / 2**20:,.0f} MiB, more than {MAX_FILE_BYTES // 2**20}")


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose table of contents can be trusted.

    Raises:
        SkysortError: for a damaged archive, one with paths that lead out of it, and one that unpacks to so
            much more than its own size that it can only be meant to harm.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SkysortError(f"{path} is not a readable zip archive: {error}") from None
    with archive:
        unpacked = 0
        for entry in archive.infolist():
            name = entry.filename
            if re.match(r"/|[A-Za-z]:[/\\]", name) or ".." in name.replace("\\", "/").split("/"):
                raise SkysortError(f"{path} holds '{name}', a path that leads out of the archive; refused")
            unpacked += entry.file_size
        if unpacked > max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size):
            raise SkysortError(
                f"{path} would unpack to {unpacked / 2**30:,.1f} GiB,"
                f" more than {MAX_UNPACKED_RATIO} times its size; refused"
            )
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of an image file inside an archive.

    Raises:
        UnreadablePictureError: when that member is damaged, locked by a password or too large.
    """
    try:
        _check_size(archive.getinfo(name).file_size)
        with archive.open(name) as member:
            # Asked for no more than it says, a member that lies about its size stops there, with a wrong checksum.
            return member.read(archive.getinfo(name).file_size)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise UnreadablePictureError(f"cannot be read from the archive: {error}") from None


ImageFile = tuple[str, Callable[[], bytes]]
"""A path to show, and how to read what is there, which may raise UnreadablePictureError."""


def image_files(paths: Iterable[Path], archives: ExitStack) -> Iterator[ImageFile]:
    """Yield the pictures under files, folders (at any depth) and zip archives, in the order given.

    A file named outright counts whatever its name ends in. A folder or archive that cannot be read is one
    picture that cannot be, so that nothing else is lost with it. Archives stay open as long as `archives` does:
    what is yielded here may be read later, on another thread.
    """
    for path in paths:
        try:
            if path.is_dir():
                for name in filter(is_image_name, walk(path)):
                    yield str(path / name), partial(read_file, path / name)
            elif path.suffix.lower() == ".zip":
                archive = archives.enter_context(open_zip(path))
                for name in _visible_images(archive):
                    yield f"{path}/{name}", partial(read_member, archive, name)
            else:
                yield str(path), partial(read_file, path)
        except SkysortError as error:
            yield str(path), partial(_cannot_be_read, str(error))


def _visible_images(archive: zipfile.ZipFile) -> list[str]:
    names = (entry.filename for entry in archive.infolist() if not entry.is_dir())
    return sorted(
        (name for name in names if is_image_name(name) and not any(map(is_hidden, name.split("/")))), key=natural
    )


def _cannot_be_read(reason: str) -> bytes:
    raise UnreadablePictureError(reason)
