"""The open archive, for zip and tar alike, and the limits on its contents."""

import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import SkysortError
from skysort.core.text import counted
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.memory import SMALL_BYTES, most_bytes

MAX_FILE_BYTES = 2**29
"""Largest file in an archive. With little memory the limit is half of what a picture may take while it is
decoded."""
MAX_UNPACKED_BYTES = 2**30
MAX_UNPACKED_RATIO = 100

# The errors that zipfile, tarfile and the decompressors raise on damage.
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError,
    LookupError, ArithmeticError, Warning,
)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """An open archive."""

    names: tuple[str, ...]
    """Relative paths of its files, with forward slashes. If two files have one name, the later one counts, as it
    does in unpacking."""
    read: Callable[[str], bytes]
    """Returns a file's bytes, on any thread. Raises UnreadablePictureError if the file is damaged, encrypted, a
    link or too large."""
    head: Callable[[str, int], bytes]
    """Returns the first bytes of a file, as many as asked, and raises the same errors."""
    remarks: tuple[str, ...] = ()
    """Lines to print about uncertain entries of the archive."""


def check_file_size(size: int) -> None:
    """Make sure that a file is not too large to be a picture.

    Args:
        size: in bytes.

    Raises:
        UnreadablePictureError: if it is too large.
    """
    if size < SMALL_BYTES:
        return
    most = min(MAX_FILE_BYTES, most_bytes() // 2)
    if size > most:
        raise UnreadablePictureError(f"a file of {size / 2**20:,.0f} MiB; Skysort reads up to {most // 2**20} MiB")


def check_contents(path: Path, names: list[str], unpacked: int) -> None:
    """Make sure that an archive is safe to read.

    Args:
        path: the path of the archive.
        names: the paths of its files and folders.
        unpacked: bytes of all its files together.

    Raises:
        SkysortError: if a path leads out of the archive, or it unpacks to too much data.
    """
    for name in names:
        if re.match(r"/|[A-Za-z]:[/\\]", name) or ".." in name.replace("\\", "/").split("/"):
            raise SkysortError(
                "unsafe-archive", f"{path} is not safe to read: it holds '{name}', a path outside the archive"
            )
    check_ratio(path, unpacked)


def check_ratio(path: Path, unpacked: int) -> None:
    """Make sure that an archive does not unpack to far more bytes than it has.

    Raises:
        SkysortError: if it does.
    """
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size):
        raise SkysortError(
            "unsafe-archive",
            f"{path} is not safe to read: it would unpack to {unpacked / 2**30:,.1f} GiB, more than"
            f" {MAX_UNPACKED_RATIO} times its size",
        )


def plain(name: str) -> str:
    """Return a path without `./` and double slashes."""
    return "/".join(step for step in name.split("/") if step not in ("", "."))


def replaced(path: Path, names: list[str]) -> tuple[str, ...]:
    """Return a remark about files that later files of the same name replace, as in unpacking."""
    if not (num := len(names) - len(set(names))):
        return ()
    first = next(name for name, times in Counter(names).items() if times > 1)
    ignored = f"{counted(num, 'file')} {'is' if num == 1 else 'are'} ignored"
    return (f"{path} holds several files of one name, such as {first}; the last one counts, and {ignored}",)
