"""Lists of paths from standard input or a file. A command line holds about 100,000 paths at most."""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from skysort.classifier.inputs import ListedPath
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import check_not_special
from skysort.data.listing import is_image_name
from skysort.data.sources.archive import is_archive_name

STANDARD_INPUT = Path("-")
OPEN_FILES = (Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders in which a system shows the open files of a process."""
NUM_PEEKED = 4096
"""Bytes to read of a file that may be a list: enough for a line with the longest path."""


def all_paths(arguments: Iterable[Path], paths_from: Path | None, *, nul: bool) -> list[Path]:
    """Return the paths of a command line, and the paths in the lists that it names.

    Args:
        arguments: paths; `-` stands for a list on standard input.
        paths_from: file with a list of paths; `-` for standard input.
        nul: whether NUL ends each path of a list, instead of the end of a line.

    Raises:
        NotUnderstoodError: when there is no path, standard input is named twice, or a path is a list of paths.
        SkysortError: when a list is empty or cannot be read.
    """
    words = [*arguments, *([paths_from] if paths_from else [])]
    if not words:
        raise NotUnderstoodError(
            "missing-argument",
            "no pictures: name files or folders, - for a list on standard input, or --paths-from FILE",
        )
    num_lists = words.count(STANDARD_INPUT)
    if num_lists > 1:
        raise NotUnderstoodError("given-twice", "- is given twice, and standard input can be read only once")
    if nul and not (paths_from or num_lists):
        raise NotUnderstoodError("options-conflict", "-0 needs a list of paths: add - or --paths-from FILE")
    paths: list[Path] = []
    for path in arguments:
        if path == STANDARD_INPUT:
            paths += _listed(path, nul=nul)
        else:
            _refuse_list(path)
            paths.append(path)
    return [*paths, *(_listed(paths_from, nul=nul) if paths_from else ())]


def _listed(file: Path, *, nul: bool) -> Iterator[Path]:
    """Return the paths of a list without its empty lines. A missing file gets a row in the predictions.

    Raises:
        NotUnderstoodError: when the list cannot be read or has another format.
        SkysortError: when the list is empty.
    """
    where = "standard input" if file == STANDARD_INPUT else str(file)
    if not _is_open_already(file):
        check_not_special(file)
    try:
        content = _standard_input() if file == STANDARD_INPUT else file.read_bytes()
    except FileNotFoundError:
        raise NotUnderstoodError("path-not-found", f"{where}: no such file") from None
    except OSError as error:
        raise NotUnderstoodError("system", f"cannot read the list {where}: {error.strerror}") from None
    names = content.split(b"\0") if nul else _lines(content, where)
    paths = [ListedPath(os.fsdecode(name)) for name in names if name]
    if not paths:
        raise SkysortError("bad-list", f"{where} lists no paths")
    return iter(paths)


def _is_open_already(file: Path) -> bool:
    """Return whether a path names an open file of this process, such as `/dev/stdin` or a shell's `<(find …)`."""
    return file in (STANDARD_INPUT, Path("/dev/stdin")) or file.parent in OPEN_FILES


def _standard_input() -> bytes:
    return sys.stdin.buffer.read() if sys.stdin else b""  # None if it is closed


def _lines(content: bytes, where: str) -> list[bytes]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell writes it
        content = content.decode("utf-16", "replace").encode()
    if b"\0" in content:
        raise NotUnderstoodError(
            "bad-list", f"{where}: expected one path per line, found NUL; if NUL ends each path, add -0"
        )
    return [line.removesuffix(b"\r") for line in content.removeprefix(codecs.BOM_UTF8).split(b"\n")]


def _refuse_list(path: Path) -> None:
    """Refuse a list of paths where a picture is expected.

    Raises:
        NotUnderstoodError: for a text file whose first line is an existing path, and for `@FILE`.
    """
    if path.name.startswith("@") and not path.exists() and path.with_name(path.name[1:]).is_file():
        raise NotUnderstoodError(
            "bad-list", f"{path}: no such file; did you mean --paths-from {path.with_name(path.name[1:])}?"
        )
    if is_image_name(path.name) or is_archive_name(path) or not path.is_file():
        return
    try:
        with path.open("rb") as file:
            first, end, _ = file.read(NUM_PEEKED).partition(b"\n")
        is_list = bool(end and first.strip()) and Path(os.fsdecode(first.removesuffix(b"\r"))).exists()
    except (OSError, ValueError):  # unreadable, or NUL in the line
        return
    if is_list:
        raise NotUnderstoodError(
            "bad-list", f"{path} is a list of paths, not a picture; did you mean --paths-from {path}?"
        )
