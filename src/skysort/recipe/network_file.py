"""The name of a person's own network, `FILE.py:Class`. Nothing here runs the file."""

import hashlib
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import check_not_special


def is_own(name: str) -> bool:
    """Return whether a name means a person's own network, not a recipe or a `.toml` file.

    >>> is_own("mine.py:Net"), is_own("swift"), is_own("mine.toml")
    (True, False, False)
    """
    return name.endswith(".py") or (":" in name and not name.endswith(".toml"))


def file_and_class(target: str) -> tuple[Path, str]:
    """Split `FILE.py:Class` into the file and the class.

    Raises:
        NotUnderstoodError: if the text has another form.
    """
    file, _, name = target.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise NotUnderstoodError("wrong-value", f"expected FILE.py:Class, such as mine.py:Net, found '{target}'")
    return Path(file), name


def read_source(file: Path, sha256: str | None = None) -> bytes:
    """Return the source code of a person's own network.

    Args:
        file: the file to read.
        sha256: the digest it must have; None: any.

    Raises:
        NotUnderstoodError: if it cannot be read.
        SkysortError: if it has another digest.
    """
    check_not_special(file)
    try:
        source = file.read_bytes()
    except FileNotFoundError:
        raise NotUnderstoodError("path-not-found", f"{file}: no such file") from None
    except OSError as error:
        raise NotUnderstoodError("system", f"cannot read {file}: {error.strerror}") from None
    if sha256 not in (None, digest(source)):
        raise SkysortError(
            "changed-file",
            f"{file} has changed: expected SHA-256 {sha256}, found {digest(source)};"
            " restore the file, or train again",
        )
    return source


def digest(source: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(source).hexdigest()
