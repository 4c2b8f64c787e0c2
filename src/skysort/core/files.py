"""Whole-or-nothing writing, checked reading and digests: every file Skysort leaves behind comes from here."""

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

from pydantic import BaseModel, ValidationError

from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError
from skysort.core.locks import locked

Table = TypeVar("Table", bound=BaseModel)

NOT_WRITTEN = (errno.EIO, errno.ENOSPC, errno.EDQUOT)


def _beside(path: Path) -> Path:
    """Return the name a file or folder is written under until it is whole."""
    path = path.absolute()
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system has that.

    Raises:
        OSError: when the folder cannot be opened, or the disk did not take them.
    """
    if os.name != "posix":  # Windows cannot open a folder, and renames durably without it
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # who may write into a folder need not be allowed to list it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:  # network file systems may refuse; the rename has succeeded all the same
        if error.errno in NOT_WRITTEN:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write below into an error that names what was being written.

    Raises:
        SkysortError: for a full disk, a read-only folder and whatever else the system refuses.
    """
    try:
        yield
    except OSError as error:
        raise SkysortError("system", f"could not write {path}: {error.strerror or error}") from error


@contextmanager
def whole_file(path: Path, mode: str = "w", *, newline: str | None = None) -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when it is complete and on the disk.

    Text is UTF-8, and names that are no UTF-8 keep their bytes. After an error nothing is left.

    Raises:
        SkysortError: when it cannot be written.
    """
    beside = _beside(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": newline}
    try:
        with writing(path):
            with beside.open(mode, **text) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # what kept it from being made keeps it from being there
            beside.unlink()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text or bytes file that appears whole or not at all."""
    with whole_file(path, "wb") as file:
        file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)


def check_not_special(path: Path) -> None:
    """Make sure that a path is no pipe, device or socket: a pipe may never end, and opening it may never return.

    Raises:
        NotUnderstoodError: when it is one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says why it cannot be read
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise NotUnderstoodError("not-a-regular-file", f"{path} is a {kind}; expected a regular file or a folder")


def read_json(path: Path, kind: type[Table]) -> Table:
    """Read a JSON file that holds one table.

    Args:
        path: of the file.
        kind: what it must hold; where it has a `format`, the default is the newest that can be read.

    Raises:
        SkysortError: when it is missing, damaged or of a newer version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("format") if isinstance(content, dict) else None
        if "format" in kind.model_fields and isinstance(found, int):
            newest = kind.model_fields["format"].default
            if found > newest:
                raise SkysortError(
                    "newer-format",
                    f"{path} is of format {found}, and skysort {version('skysort')} reads up to {newest};"
                    " a newer Skysort reads it",
                )
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise SkysortError("damaged-file", f"{path} is damaged: {field}: {first['msg']}") from None
    except RecursionError:
        raise SkysortError("damaged-file", f"{path} is damaged: it is nested too deep") from None
    except (OSError, ValueError) as error:
        raise SkysortError("damaged-file", f"{path} is damaged: {error}") from None


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which appears under its name only when it is complete.

    Raises:
        SkysortError: when the name is taken by anything but an empty folder, or on a failed write.
    """
    beside = _beside(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.mkdir()
            with _being_filled(beside):
                yield beside
                for file in beside.iterdir():
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
    """Hold a folder, where the system can, so that no other process takes it for what a killed one left."""
    return locked(folder) if os.name == "posix" else nullcontext()


def remove_partials(path: Path) -> bool:
    """Remove what killed processes left of a file or folder that they had not finished writing.

    Only names that this module gives to that path are removed, and no folder that a process still fills.

    Returns:
        Whether anything was removed.
    """
    path = path.absolute()
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.partial")
    try:
        partials = [other for other in path.parent.iterdir() if left.fullmatch(other.name)]
    except OSError:  # there is no such folder, or it may not be listed
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
    """Make sure that nothing in a folder is a link, so that whatever is written or deleted there is there.

    Raises:
        SkysortError: when something is.
    """
    for parent, folders, files in os.walk(folder):  # which follows no link
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                raise SkysortError(
                    "linked-folder",
                    f"{path} is a link; a run or classifier folder must hold files and folders of its own."
                    f" Put what {name} leads to in its place",
                )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
