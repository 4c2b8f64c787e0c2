"""Where Skysort keeps what can be made again: one folder, which may be deleted at any time."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from skysort.core.errors import SkysortError

LIBRARY_CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torchinductor"}
"""Folders of libraries, by the variable that says where: else they lie in the home and the temporary folder."""


def cache_folder() -> Path:
    """Return where decoded pictures are kept: $SKYSORT_CACHE, else the platform's cache folder.

    Raises:
        SkysortError: when neither is known, as of a user without a home.
    """
    if named := os.environ.get("SKYSORT_CACHE"):
        return Path(named)
    try:
        folder = user_cache_path("skysort")
    except RuntimeError:  # of platformdirs 4.14; before, "~" stayed as it was
        folder = Path("~")
    if not folder.is_absolute():
        raise SkysortError(
            "no-home-folder", "this user has no home folder: set SKYSORT_CACHE to a folder for decoded pictures"
        )
    return folder


def keep_library_caches() -> None:
    """Let libraries keep their caches in Skysort's, in this process and those that it starts.

    Where that folder is not known or cannot be written, they do as they do elsewhere.
    """
    try:
        folder = cache_folder().absolute()
    except SkysortError:
        return
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):  # noqa: PTH112 - raises nothing
        return
    for variable, name in LIBRARY_CACHES.items():
        os.environ.setdefault(variable, str(folder / name))
