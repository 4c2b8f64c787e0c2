"""Where pictures come from: folders, archives, and data that never was a file a picture.

One rule tells a source from its former self, for all that is cached of it: the size and the times of each file
(its own, and that of the file system's record of it, which no tool sets back), and for an archive also the digest
of its directory.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels, UnreadablePictureError
from skysort.data.formats.signature import HEAD_BYTES, picture_format
from skysort.data.listing import Listing, is_hidden, is_image_name, natural
from skysort.data.memory import room_for
from skysort.data.sources.archive import Archive, archive_stamp, check_file_size, is_archive_name, open_archive
from skysort.data.sources.layout import arrange, passed_over

MOST_LOOKED_AT = 1000
"""Files of a hidden folder among which pictures are looked for."""

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
    """A folder with a subfolder a class, or with splits of such."""

    path: Path
    label_by: str | None = None
    """As `pictures.label_by` of a recipe."""

    @property
    def identity(self) -> str:
        """The folder's absolute path, and how its pictures are labelled."""
        return f"folder {self.path.resolve()}{_labels(self.label_by)}"

    def stamp(self) -> str:
        """Return sizes and times of all files."""
        return "\n".join(f"{name} {size_and_times(self.path / name)}" for name in walk(self.path))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""

        def is_a_picture(name: str) -> bool:
            return not name.endswith("/") and is_picture(self.path / name)

        names = (found.checked() for found in _walk(self.path))
        listing = arrange(names, str(self.path), is_a_picture, self.label_by)
        yield listing, lambda row: read_file(self.path / listing.paths[row])


@dataclass(frozen=True)
class ArchiveSource:
    """A zip or tar archive of such a folder, read in place."""

    path: Path
    label_by: str | None = None
    """As `pictures.label_by` of a recipe."""

    @property
    def identity(self) -> str:
        """The archive's absolute path, and how its pictures are labelled."""
        return f"archive {self.path.resolve()}{_labels(self.label_by)}"

    def stamp(self) -> str:
        """Return size and times of the archive, and the digest of its directory."""
        return f"{size_and_times(self.path)} {archive_stamp(self.path)}"

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """List the pictures, and read them while the context lasts."""
        with open_archive(self.path) as archive:
            listing = arrange(archive.names, str(self.path), partial(_is_picture_in, archive), self.label_by)
            listing = replace(listing, remarks=(*archive.remarks, *listing.remarks))
            yield listing, lambda row: archive.read(listing.paths[row])


def _labels(label_by: str | None) -> str:
    return "" if label_by is None else f" labelled by {label_by}"


@dataclass(frozen=True)
class PixelSource:
    """Pictures that come as pixels: drawn, or from a file of many."""

    identity: str
    files: tuple[Path, ...]
    """What they are loaded from; empty for what the program makes itself."""
    load: Callable[[], tuple[Listing, Reader]]

    def stamp(self) -> str:
        """Return sizes and times of the files."""
        return "\n".join(f"{path} {size_and_times(path)}" for path in self.files)

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
    for found in _walk(folder):
        if not found.is_hidden:
            yield found.checked()


@dataclass(frozen=True)
class _Found:
    """A file below a folder, or a folder that holds nothing, is hidden or cannot be read."""

    name: str
    """The relative path; of a hidden folder, that of the first picture in it."""
    error: SkysortError | None = None
    is_hidden: bool = False

    def checked(self) -> str:
        """Return the path.

        Raises:
            SkysortError: when it is a folder that cannot be read.
        """
        if self.error:
            raise self.error
        return self.name


def _walk(folder: Path, prefix: str = "", around: frozenset[str] = frozenset()) -> Iterator[_Found]:
    real = os.path.realpath(folder)
    if real in around:
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted((natural(entry.name), entry.name, _is_folder(entry)) for entry in entries)
    except OSError as error:
        yield _Found(prefix, SkysortError("system", f"cannot read folder {folder}: {error.strerror or error}"))
        return
    visible = [(name, is_folder) for _, name, is_folder in found if not is_hidden(name)]
    if prefix and not visible:
        yield _Found(prefix)
    for name, is_folder in visible:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", around | {real})
        else:
            yield _Found(prefix + name)
    for _, name, is_folder in found:
        if is_hidden(name) and (picture := _first_picture(folder / name) if is_folder else name):
            yield _Found(prefix + (f"{name}/{picture}" if is_folder else name), is_hidden=True)


def _first_picture(folder: Path) -> str | None:
    """Return a picture below a hidden folder, by its name, if one is among the first files."""
    num_files = 0
    for around, _, names in os.walk(folder):  # which passes over what may not be read
        for name in names:
            if is_image_name(name) and not name.startswith("._"):
                return (Path(around) / name).relative_to(folder).as_posix()
        num_files += len(names)
        if num_files > MOST_LOOKED_AT:
            break
    return None


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
        MemoryError: when this computer has too little memory for it now.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would never end
            raise UnreadablePictureError("not a regular file")
        check_file_size(found.st_size)
        with room_for(found.st_size):
            return path.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(f"cannot be read: {error.strerror or error}") from None


def is_picture(path: Path) -> bool:
    """Tell whether a file is a picture: by its ending, else by its first bytes."""
    if is_image_name(path.name):
        return True
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would never end
            return False
        with path.open("rb") as file:
            return picture_format(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _is_picture_in(archive: Archive, name: str) -> bool:
    if is_image_name(name):
        return True
    try:
        return picture_format(archive.head(name, HEAD_BYTES)) is not None
    except UnreadablePictureError:
        return False


ImageFile = tuple[str, Callable[[], bytes]]
"""A path to show, and how to read what is there, which may raise UnreadablePictureError."""


@dataclass
class SkippedFiles:
    """What was found under some paths besides pictures."""

    files: list[str] = field(default_factory=list)
    """Files that are no pictures."""
    hidden: list[str] = field(default_factory=list)
    """Pictures that are hidden, and one for each hidden folder with pictures."""

    def remarks(self) -> list[str]:
        """Return lines to print, none for nothing."""
        lines = passed_over(tuple(path.split("/")) for path in self.hidden)
        if self.files:
            is_or_are = "file is no picture and was" if len(self.files) == 1 else "files are no pictures and were"
            first = min(self.files, key=natural)
            lines.append(f"{len(self.files):,} {is_or_are} passed over; the first is {first}")
        return lines


def image_files(paths: Iterable[Path], archives: ExitStack, passed: SkippedFiles) -> Iterator[ImageFile]:
    """Yield the pictures under files, folders (at any depth) and archives, in the order given.

    A file named outright counts whatever it is. A folder, at any depth, or an archive that cannot be
    read is one picture that cannot be, so that nothing else is lost with it. Archives stay open as long as
    `archives` does: what is yielded here may be read later, on another thread.

    Args:
        paths: of files, folders and archives.
        archives: where archives that are opened are kept.
        passed: is filled with what is no picture, or hidden.
    """
    for path in paths:
        is_folder = False
        with suppress(OSError):  # of a name that is too long, say: whoever opens it says so
            is_folder = path.is_dir()
        try:
            if is_folder:
                yield from _in_folder(path, passed)
            elif is_archive_name(path):
                yield from _in_archive(path, archives.enter_context(open_archive(path)), passed)
            else:
                yield str(path), partial(read_file, path)
        except SkysortError as damage:
            yield str(path), partial(_cannot_be_read, str(damage))


def _in_folder(folder: Path, passed: SkippedFiles) -> Iterator[ImageFile]:
    for found in _walk(folder):
        path = folder / found.name
        if found.error:
            yield str(path), partial(_cannot_be_read, str(found.error))
        elif found.is_hidden:
            passed.hidden.append(found.name)
        elif found.name.endswith("/"):
            continue
        elif is_picture(path):
            yield str(path), partial(read_file, path)
        else:
            passed.files.append(str(path))


def _in_archive(path: Path, archive: Archive, passed: SkippedFiles) -> Iterator[ImageFile]:
    for name in sorted(archive.names, key=natural):
        if any(map(is_hidden, name.split("/"))):
            passed.hidden.append(name)
        elif _is_picture_in(archive, name):
            yield f"{path}/{name}", partial(archive.read, name)
        else:
            passed.files.append(f"{path}/{name}")


def _cannot_be_read(reason: str) -> bytes:
    raise UnreadablePictureError(reason)
