"""The drives that folders are on. Where a drive is missing, its mount point is a folder, too: the wrong one."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from skysort.core.errors import SkysortError


def mount_of(folder: Path) -> Path:
    """Return the mount point of the drive that a folder is on."""
    return next(above for above in (folder, *folder.parents) if is_mount_point(above))


def is_mount_point(folder: Path) -> bool:
    """Tell what `os.path.ismount` tells, which takes seconds for a thousand nested folders."""
    if os.name == "nt":
        return os.path.ismount(folder)
    try:
        here, above = folder.lstat(), (folder / "..").stat()
    except (OSError, ValueError):
        return False
    return not stat.S_ISLNK(here.st_mode) and (here.st_dev != above.st_dev or here.st_ino == above.st_ino)


class Mounts:
    """The mount points of absolute folders.

    Args:
        by_folder: mount points that are known from before.
    """

    def __init__(self, by_folder: Mapping[Path, Path]) -> None:
        self.by_folder = dict(by_folder)

    @classmethod
    def now(cls, folders: Iterable[Path]) -> Self:
        """Return the mount points of folders at this moment."""
        return cls({folder: mount_of(folder) for folder in folders})

    def check(self) -> None:
        """Make sure that all folders are there, on their drives.

        Raises:
            SkysortError: when a folder or its drive is missing.
        """
        for folder in self.by_folder:
            if not folder.is_dir():
                raise _gone(folder)
            self._check_mount(folder)
            self.by_folder[folder] = mount_of(folder)  # a drive mounted since must not vanish either

    def check_above(self, path: Path) -> None:
        """Make sure that the folders above a path are there, on their drives.

        Raises:
            SkysortError: when a folder or its drive is missing.
        """
        for folder in self.by_folder.keys() & set(path.parents):
            self._check_mount(folder)
            if not folder.is_dir():
                raise SkysortError(
                    "folder-gone",
                    f"the folder {folder} is not there; give it its old name back if you renamed it, or create it",
                )

    def _check_mount(self, folder: Path) -> None:
        if not mount_of(folder).is_relative_to(self.by_folder[folder]):
            raise _gone(folder)


def _gone(folder: Path) -> SkysortError:
    return SkysortError("folder-gone", f"{folder} is not there; is its drive mounted?")
