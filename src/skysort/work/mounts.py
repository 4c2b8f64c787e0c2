"""On which drives folders are: where one is gone, what is found in its place is not its folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from skysort.core.errors import SkysortError


def mount_of(folder: Path) -> Path:
    """Return where the drive of a folder is mounted."""
    return next(above for above in (folder, *folder.parents) if os.path.ismount(above))


class Mounts:
    """Folders, absolute, and where their drives are mounted."""

    def __init__(self, mounts: Mapping[Path, Path]) -> None:
        self.mounts = dict(mounts)

    def check(self) -> None:
        """Make sure that the folders are there.

        Raises:
            SkysortError: when one is not, or its drive is gone.
        """
        for folder in self.mounts:
            if not folder.is_dir():
                raise _gone(folder)
            self._check_mount(folder)
            self.mounts[folder] = mount_of(folder)  # one that is mounted since is not to go either

    def check_of(self, path: Path) -> None:
        """Make sure that the folders are there that a path is below, and their drives.

        Raises:
            SkysortError: when one is not.
        """
        for folder in self.mounts.keys() & set(path.parents):
            self._check_mount(folder)
            if not folder.is_dir():
                raise SkysortError(
                    "folder-gone",
                    f"the folder {folder} is not there; if it was renamed, give it its name back, else make it",
                )

    def _check_mount(self, folder: Path) -> None:
        if not mount_of(folder).is_relative_to(self.mounts[folder]):
            raise _gone(folder)


def _gone(folder: Path) -> SkysortError:
    return SkysortError("folder-gone", f"{folder} is not there; is its drive?")
