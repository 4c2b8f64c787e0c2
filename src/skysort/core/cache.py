"""The cache: one folder for data that Skysort can make again. It may be deleted at any time."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from skysort.core.errors import SkysortError

LIBRARY_CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torchinductor"}
"""Cache folders of libraries, by the environment variable that sets each. Without it, libraries write into the
home and the temporary folder."""


def cache_folder() -> Path:
    """Return the cache folder: $SKYSORT_CACHE, else the platform's cache folder.

    Raises:
        SkysortError: if $SKYSORT_CACHE is not set and the user has no home folder.
    """
    if named := os.environ.get("SKYSORT_CACHE"):
        return Path(named)
    try:
        folder = user_cache_path("skysort")
    except RuntimeError:  # raised by platformdirs 4.14; earlier versions return "~" unchanged
        folder = Path("~")
    if not folder.is_absolute():
        raise SkysortError(
            "no-home-folder",
            "this user has no home folder; set SKYSORT_CACHE to a folder that Skysort can write to",
        )
    return folder


def keep_library_caches() -> None:
    """Make libraries keep their caches in Skysort's cache folder, in this process and its child processes.

    If there is no such folder or it is read-only, libraries use their own defaults.
    """
    try:
        folder = cache_folder().absolute()
    except SkysortError:
        return
    existing = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not (os.path.isdir(existing) and os.access(existing, os.W_OK)):  # noqa: PTH112 - raises nothing
        return
    for variable, name in LIBRARY_CACHES.items():
        os.environ.setdefault(variable, str(folder / name))
