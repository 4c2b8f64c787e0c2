"""Atomic writing, checked reading and digests. All files that Skysort writes come from here."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel

from skysort.core.damage import damaged
from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError
from skysort.core.locks import locked

Table = TypeVar("Table", bound=BaseModel)

NOT_WRITTEN = (errno.EIO, errno.ENOSPC, errno.EDQUOT)


def _beside(path: Path) -> Path:
    """Return a temporary name, which a file or folder has until it is complete."""
    path = path.absolute()
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, on systems that need it.

    Raises:
        OSError: if the folder cannot be opened, or the disk refuses.
    """
    if os.name != "posix":  # Windows cannot open a folder, and its renames are durable without this
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a user may have the right to write into a folder but not to list it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:  # network file systems may refuse, although the rename succeeded
        if error.errno in NOT_WRITTEN:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into an error that names `path`.

    Raises:
        SkysortError: if the disk is full, the folder is read-only, or the system refuses for another reason.
    """
    try:
        yield
    except OSError as error:
        raise SkysortError("system", f"could not write {path}: {error.strerror or error}") from error


@contextmanager
def whole_file(
    path: Path, mode: str = "w", *, newline: str | None = None, is_secret: bool = False
) -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when it is complete and on the disk.

    Only its owner may read or write a secret file, from the moment that it exists.

    Text is UTF-8; file names that are not UTF-8 keep their bytes. After an error, nothing remains.

    Raises:
        SkysortError: if the file cannot be written.
    """
    beside = _beside(path)
    encoding, errors = (None, None) if "b" in mode else ("utf-8", "surrogateescape")
    opener = (lambda name, flags: os.open(name, flags, 0o600)) if is_secret else None
    try:
        with writing(path):
            with open(beside, mode, -1, encoding, errors, newline, opener=opener) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # if it could not be created, there is nothing to remove
            beside.unlink()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text or bytes to a file that appears complete or not at all."""
    with whole_file(path, "wb") as file:
        file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)


def check_not_special(path: Path) -> None:
    """Make sure that a path is no pipe, device or socket. Opening or reading a pipe may never return.

    Raises:
        NotUnderstoodError: if it is one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # opening it will raise an error with the reason
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise NotUnderstoodError("not-a-regular-file", f"{path} is a {kind}; expected a regular file or a folder")


def read_json(path: Path, kind: type[Table], *, code: str, next_step: str = "") -> Table:
    """Read a JSON file and check it against a model.

    Args:
        path: the path of the file.
        kind: the model. If it has a field `format`, its default is the newest format that Skysort can read.
        code: of the error for a missing or damaged file.
        next_step: what to do then, in place of the usual step.

    Raises:
        SkysortError: if the file is missing, damaged or in a newer format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        file_format = content.get("format") if isinstance(content, dict) else None
        if "format" in kind.model_fields and isinstance(file_format, int):
            newest = kind.model_fields["format"].default
            if file_format > newest:
                raise SkysortError(
                    "newer-format",
                    f"{path} has format {file_format}; skysort {version('skysort')} reads formats up to {newest},"
                    " so use a newer one",
                )
        return kind.model_validate(content)
    except (OSError, ValueError, RecursionError) as error:  # ValidationError is a ValueError
        raise damaged(code, path, error, next_step) from None


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill. It appears under its name only when it is complete.

    Raises:
        SkysortError: if anything but an empty folder has the name, or a write fails.
    """
    beside = _beside(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.mkdir()
            with _being_filled(beside):
                yield beside
                for file in beside.rglob("*"):
                    if file.is_dir():
                        sync_folder(file)
                    else:
                        with file.open("rb+") as opened:
                            os.fsync(opened.fileno())
                sync_folder(beside)
                if path.is_dir():
                    path.rmdir()  # refuses a folder that holds anything
                beside.rename(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _being_filled(folder: Path) -> AbstractContextManager[None]:
    """Lock a folder, on systems that can, so that no other process takes it for the remains of a killed one."""
    return locked(folder) if os.name == "posix" else nullcontext()


def remove_partials(path: Path) -> bool:
    """Remove incomplete copies of a file or folder that killed processes have left.

    It removes only the temporary names that this module gives to that path, and no folder that a process still
    fills.

    Returns:
        Whether it removed anything.
    """
    path = path.absolute()
    partial_name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.partial")
    try:
        partials = [other for other in path.parent.iterdir() if partial_name.fullmatch(other.name)]
    except OSError:  # the folder does not exist, or this user may not list it
        return False
    num_removed = 0
    for partial in partials:
        with suppress(OSError, LockedError):
            if partial.is_dir() and not partial.is_symlink():
                with _being_filled(partial):
                    shutil.rmtree(partial)
            else:
                partial.unlink()
            num_removed += 1
    return num_removed > 0


def check_no_links(folder: Path) -> None:
    """Make sure that a folder contains no links, so that writes and deletions stay within it.

    Raises:
        SkysortError: if it contains one.
    """
    for parent, folders, files in os.walk(folder):  # does not follow links
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                raise SkysortError(
                    "linked-folder",
                    f"{path} is a link, and a run or classifier folder must not contain links;"
                    f" replace {name} with a copy of the file or folder it points to",
                )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
