"""Sources of pictures: folders, archives, and data without image files.

The stamp of a source changes when its files change, and outdates the cache. It is made of each file's size,
modification time and change time (which no tool can set back). For an archive it includes a digest of its
directory.
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
from skysort.core.text import counted
from skysort.data.decode import Pixels
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import HEAD_BYTES, picture_format
from skysort.data.listing import Listing, is_hidden, is_image_name, natural
from skysort.data.memory import room_for
from skysort.data.sources.archive import archive_stamp, is_archive_name, open_archive
from skysort.data.sources.archive_files import Archive, check_file_size
from skysort.data.sources.layout import arrange, hidden_pictures_remark

MAX_HIDDEN_FILES = 1000
"""Number of files in a hidden folder that are searched for a picture."""

Reader = Callable[[int], bytes | Pixels]
"""Takes a row of a listing; returns the bytes of its image file, or (H, W) or (H, W, 3) uint8 pixels.

Raises UnreadablePictureError if this picture cannot be read.
"""


class Source(Protocol):
    """A collection of pictures with classes."""

    @property
    def identity(self) -> str:
        """A text that tells this source from others, whatever it holds now."""

    def stamp(self) -> str:
        """Return a text that changes when pictures may have changed: sizes and times of files."""

    def opened(self) -> AbstractContextManager[tuple[Listing, Reader]]:
        """Return the listing and a reader of the pictures, which works inside the context."""


@dataclass(frozen=True)
class FolderSource:
    """A folder with a subfolder per class, or with splits that have one each."""

    path: Path
    label_by: str | None = None
    """Regular expression for labels, as `pictures.label_by` of a recipe."""

    @property
    def identity(self) -> str:
        """The folder's absolute path, and `label_by`."""
        return f"folder {self.path.resolve()}{_labels(self.label_by)}"

    def stamp(self) -> str:
        """Return the sizes and times of all files."""
        return "\n".join(f"{name} {size_and_times(self.path / name)}" for name in walk(self.path))

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the listing and a reader of the pictures, which works inside the context."""

        def is_a_picture(name: str) -> bool:
            return not name.endswith("/") and is_picture(self.path / name)

        names = (entry.checked() for entry in _walk(self.path))
        listing = arrange(names, str(self.path), is_a_picture, self.label_by)
        yield listing, lambda row: read_file(self.path / listing.paths[row])


@dataclass(frozen=True)
class ArchiveSource:
    """A zip or tar archive of such a folder, read in place."""

    path: Path
    label_by: str | None = None
    """Regular expression for labels, as `pictures.label_by` of a recipe."""

    @property
    def identity(self) -> str:
        """The archive's absolute path, and `label_by`."""
        return f"archive {self.path.resolve()}{_labels(self.label_by)}"

    def stamp(self) -> str:
        """Return the size and times of the archive, and a digest of its contents."""
        return f"{size_and_times(self.path)} {archive_stamp(self.path)}"

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the listing and a reader of the pictures, which works inside the context."""
        with open_archive(self.path) as archive:
            listing = arrange(archive.names, str(self.path), partial(_is_picture_in, archive), self.label_by)
            listing = replace(listing, remarks=(*archive.remarks, *listing.remarks))
            yield listing, lambda row: archive.read(listing.paths[row])


def _labels(label_by: str | None) -> str:
    return "" if label_by is None else f" labelled by {label_by}"


@dataclass(frozen=True)
class PixelSource:
    """Pictures without image files: drawn ones, or many in one file."""

    identity: str
    files: tuple[Path, ...]
    """The files that they are loaded from; empty for pictures that Skysort draws."""
    load: Callable[[], tuple[Listing, Reader]]

    def stamp(self) -> str:
        """Return the sizes and times of the files."""
        return "\n".join(f"{path} {size_and_times(path)}" for path in self.files)

    @contextmanager
    def opened(self) -> Iterator[tuple[Listing, Reader]]:
        """Return the listing and a reader of the pictures, which works inside the context."""
        yield self.load()


def walk(folder: Path) -> Iterator[str]:
    """Yield the files below a folder in natural order, as relative paths with forward slashes.

    It skips hidden files and folders, and follows links to folders but not in circles. An empty folder is yielded
    itself, with a slash at its end.

    Raises:
        SkysortError: if a folder cannot be read.
    """
    for entry in _walk(folder):
        if not entry.is_hidden:
            yield entry.checked()


@dataclass(frozen=True)
class _Entry:
    """A file below a folder, or a folder that is empty, hidden or unreadable."""

    name: str
    """The relative path; for a hidden folder, the path of the first picture in it."""
    error: SkysortError | None = None
    is_hidden: bool = False

    def checked(self) -> str:
        """Return the path.

        Raises:
            SkysortError: if it is a folder that cannot be read.
        """
        if self.error:
            raise self.error
        return self.name


def _walk(folder: Path, prefix: str = "", around: frozenset[str] = frozenset()) -> Iterator[_Entry]:
    real = os.path.realpath(folder)
    if real in around:
        return
    try:
        with os.scandir(folder) as entries:
            names = sorted((natural(entry.name), entry.name, _is_folder(entry)) for entry in entries)
    except OSError as error:
        yield _Entry(prefix, SkysortError("system", f"cannot read folder {folder}: {error.strerror or error}"))
        return
    visible = [(name, is_folder) for _, name, is_folder in names if not is_hidden(name)]
    if prefix and not visible:
        yield _Entry(prefix)
    for name, is_folder in visible:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", around | {real})
        else:
            yield _Entry(prefix + name)
    for _, name, is_folder in names:
        if is_hidden(name) and (picture := _first_picture(folder / name) if is_folder else name):
            yield _Entry(prefix + (f"{name}/{picture}" if is_folder else name), is_hidden=True)


def _first_picture(folder: Path) -> str | None:
    """Return the path of a picture below a hidden folder, if one is among its first files."""
    num_files = 0
    for around, _, names in os.walk(folder):  # skips folders that cannot be read
        for name in names:
            if is_image_name(name) and not name.startswith("._"):
                return (Path(around) / name).relative_to(folder).as_posix()
        num_files += len(names)
        if num_files > MAX_HIDDEN_FILES:
            break
    return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether to walk into an entry. A folder with a picture's ending counts as an unreadable picture."""
    try:
        return entry.is_dir() and not is_image_name(entry.name)
    except OSError:  # a link to itself
        return False


def size_and_times(path: Path) -> str:
    """Return a text that changes with a file; `missing` if there is no file."""
    try:
        try:
            status = path.stat()
        except OSError:  # a broken link has a row too
            status = path.lstat()
    except OSError:
        return "missing"
    # The change time shows a changed permission, so that an unreadable file is tried again.
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        UnreadablePictureError: if it cannot be read, is no regular file or is too large to be a picture.
        MemoryError: if this computer has too little free memory for it now.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            raise UnreadablePictureError("not a regular file")
        check_file_size(status.st_size)
        with room_for(status.st_size):
            return path.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(f"cannot be read: {error.strerror or error}") from None


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture, by its ending or else by its first bytes."""
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
"""A path to show, and a function that reads the file or raises UnreadablePictureError."""


@dataclass
class SkippedFiles:
    """Files under some paths that were skipped."""

    files: list[str] = field(default_factory=list)
    """Paths of files that are not pictures."""
    hidden: list[str] = field(default_factory=list)
    """Paths of hidden pictures, one per hidden folder."""

    def remarks(self) -> list[str]:
        """Return lines to print, or nothing."""
        lines = hidden_pictures_remark(tuple(path.split("/")) for path in self.hidden)
        if self.files:
            first = min(self.files, key=natural)
            num = counted(len(self.files), "file that is not a picture", "files that are not pictures")
            lines.append(f"Skysort skipped {num}; the first is {first}")
        return lines


def image_files(paths: Iterable[Path], archives: ExitStack, skipped: SkippedFiles) -> Iterator[ImageFile]:
    """Yield the pictures in files, folders (at any depth) and archives, in the given order.

    A file that is named directly counts as a picture, whatever it is. A folder or an archive that cannot be read
    counts as one unreadable picture, so that the others are still read. Archives stay open as long as `archives`,
    because pictures may be read later, on another thread.

    Args:
        paths: paths of files, folders and archives.
        archives: keeps the open archives.
        skipped: receives the files that are hidden or not pictures.
    """
    for path in paths:
        is_folder = False
        with suppress(OSError):  # for example, the name is too long: reading it raises an error with the reason
            is_folder = path.is_dir()
        try:
            if is_folder:
                yield from _in_folder(path, skipped)
            elif is_archive_name(path):
                yield from _in_archive(path, archives.enter_context(open_archive(path)), skipped)
            else:
                yield str(path), partial(read_file, path)
        except SkysortError as damage:
            yield str(path), partial(_cannot_be_read, str(damage))


def _in_folder(folder: Path, skipped: SkippedFiles) -> Iterator[ImageFile]:
    for entry in _walk(folder):
        path = folder / entry.name
        if entry.error:
            yield str(path), partial(_cannot_be_read, str(entry.error))
        elif entry.is_hidden:
            skipped.hidden.append(entry.name)
        elif entry.name.endswith("/"):
            continue
        elif is_picture(path):
            yield str(path), partial(read_file, path)
        else:
            skipped.files.append(str(path))


def _in_archive(path: Path, archive: Archive, skipped: SkippedFiles) -> Iterator[ImageFile]:
    for name in sorted(archive.names, key=natural):
        if any(map(is_hidden, name.split("/"))):
            skipped.hidden.append(name)
        elif _is_picture_in(archive, name):
            yield f"{path}/{name}", partial(archive.read, name)
        else:
            skipped.files.append(f"{path}/{name}")


def _cannot_be_read(reason: str) -> bytes:
    raise UnreadablePictureError(reason)
