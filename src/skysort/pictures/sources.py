"""Where pictures come from: folders, archives, and data that never was a file a picture."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from skysort.errors import SkysortError
from skysort.pictures.archives import check_file_size, is_archive_name, open_archive
from skysort.pictures.decode import Pixels, UnreadablePictureError
from skysort.pictures.listing import Listing, arrange, is_hidden, is_image_name, natural

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
        return "\n".join(f"{name} {size_and_times(self.path / name)}" for name in walk(self.path))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        listing = arrange(walk(self.path), str(self.path))
        yield listing, lambda row: read_file(self.path / listing.paths[row])


@dataclass(frozen=True)
class ArchiveSource:
    """A zip or tar archive of such a folder, read in place."""

    path: Path

    @property
    def identity(self) -> str:
        """The archive's absolute path."""
        return f"archive {self.path.resolve()}"

    def stamp(self) -> str:
        """Return size and time of the archive."""
        found = self.path.stat()
        return f"{found.st_size} {found.st_mtime_ns}"

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        with open_archive(self.path) as archive:
            listing = arrange(archive.names, str(self.path))
            yield listing, lambda row: archive.read(listing.paths[row])


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


def walk(folder: Path) -> Iterator[str]:
    """Yield the files below a folder in natural order, as relative paths with forward slashes.

    Hidden files and folders are passed over; links to folders are followed, but not around in circles. A folder
    that holds nothing is yielded itself, with a slash at its end.

    Raises:
        SkysortError: when a folder cannot be read.
    """
    for name, error in _walk(folder, "", frozenset()):
        if error:
            raise error
        yield name


def _walk(folder: Path, prefix: str, around: frozenset[str]) -> Iterator[tuple[str, SkysortError | None]]:
    """Yield what `walk` does, and folders that cannot be read, with the error."""
    real = os.path.realpath(folder)
    if real in around:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted((natural(e.name), e.name, _is_folder(e)) for e in found if not is_hidden(e.name))
    except OSError as error:
        yield prefix, SkysortError(f"cannot read folder {folder}: {error.strerror or error}")
        return
    if prefix and not entries:
        yield prefix, None
    for _, name, is_folder in entries:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", around | {real})
        else:
            yield prefix + name, None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell what to go into. A folder that is called a picture is a picture that cannot be read."""
    try:
        return entry.is_dir() and not is_image_name(entry.name)
    except OSError:  # a link to itself
        return False


def size_and_times(path: Path) -> str:
    """Return what changes with a file; the same for all that is not there."""
    try:
        try:
            found = path.stat()
        except OSError:  # a link to nowhere is a row, too
            found = path.lstat()
    except OSError:
        return "missing"
    # A changed permission shows in the last: what could not be read before is tried again.
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        UnreadablePictureError: when it cannot be read, is no regular file or too large to be a picture.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would never end
            raise UnreadablePictureError("not a regular file")
        check_file_size(found.st_size)
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(f"cannot be read: {error.strerror or error}") from None


ImageFile = tuple[str, Callable[[], bytes]]
"""A path to show, and how to read what is there, which may raise UnreadablePictureError."""


def image_files(paths: Iterable[Path], archives: ExitStack) -> Iterator[ImageFile]:
    """Yield the pictures under files, folders (at any depth) and archives, in the order given.

    A file named outright counts whatever its name ends in. A folder, at any depth, or an archive that cannot be
    read is one picture that cannot be, so that nothing else is lost with it. Archives stay open as long as
    `archives` does: what is yielded here may be read later, on another thread.
    """
    for path in paths:
        try:
            if path.is_dir():
                for name, error in _walk(path, "", frozenset()):
                    if error:
                        yield str(path / name), partial(_cannot_be_read, str(error))
                    elif is_image_name(name):
                        yield str(path / name), partial(read_file, path / name)
            elif is_archive_name(path):
                archive = archives.enter_context(open_archive(path))
                for name in _visible_images(archive.names):
                    yield f"{path}/{name}", partial(archive.read, name)
            else:
                yield str(path), partial(read_file, path)
        except SkysortError as damage:
            yield str(path), partial(_cannot_be_read, str(damage))


def _visible_images(names: Iterable[str]) -> list[str]:
    return sorted(
        (name for name in names if is_image_name(name) and not any(map(is_hidden, name.split("/")))), key=natural
    )


def _cannot_be_read(reason: str) -> bytes:
    raise UnreadablePictureError(reason)
