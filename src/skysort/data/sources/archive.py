"""Zip and tar archives of pictures. They are read in place, and nothing in them is trusted."""

import hashlib
import tarfile
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

from skysort.core.errors import SkysortError
from skysort.core.files import check_not_special
from skysort.data.sources.archive_files import BROKEN, Archive
from skysort.data.sources.tar_archive import open_tar
from skysort.data.sources.zip_archive import open_zip, table_of_contents

NUM_SAMPLES, SAMPLE_BYTES = 1024, 4096
"""Samples for the stamp of a tar, whose headers are spread over the file and hold no checksums of its files."""
ZIP_ENDINGS = (".zip",)
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def is_archive_name(path: Path) -> bool:
    """Return whether a file's ending is that of an archive."""
    return path.name.lower().endswith(ZIP_ENDINGS + TAR_ENDINGS)


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive, or has the ending of one."""
    try:
        return is_archive_name(path) or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except BROKEN:
        return False


def open_archive(path: Path) -> AbstractContextManager[Archive]:
    """Open a zip or tar archive and check its table of contents.

    Raises:
        SkysortError: if the archive is damaged, holds paths outside it, or unpacks to so much more than its size
            that it must be malicious.
        NotUnderstoodError: if the path is a pipe or a device.
    """
    check_not_special(path)
    return open_zip(path) if _is_zip(path) else open_tar(path)


def archive_stamp(path: Path) -> str:
    """Return a digest that changes with an archive's content, even if its size and time stay the same.

    For a zip it is the digest of the central directory, which holds every file's checksum. For a tar it is the
    digest of samples: in a compressed tar, all bytes after the first change differ.

    Raises:
        SkysortError: if the archive cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    if _is_zip(path):
        digest.update(table_of_contents(path))
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
    """Return whether an archive is a zip, by its ending if it has one: a tar whose last file is a zip looks like
    one."""
    name = path.name.lower()
    return name.endswith(ZIP_ENDINGS) or (not name.endswith(TAR_ENDINGS) and zipfile.is_zipfile(path))
