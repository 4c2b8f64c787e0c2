"""A person's own network, as it is named: `FILE.py:Class`. Nothing here runs the file."""

import hashlib
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import check_not_special


def is_own(name: str) -> bool:
    """Tell whether a name means a person's own network, and not a recipe or its `.toml` file.

    >>> is_own("mine.py:Net"), is_own("swift"), is_own("mine.toml")
    (True, False, False)
    """
    return name.endswith(".py") or (":" in name and not name.endswith(".toml"))


def file_and_class(target: str) -> tuple[Path, str]:
    """Return the two parts of `FILE.py:Class`.

    Raises:
        NotUnderstoodError: when it has another form.
    """
    file, _, name = target.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise NotUnderstoodError("wrong-value", f"expected FILE.py:Class, found '{target}'")
    return Path(file), name


def read_source(file: Path, sha256: str | None = None) -> bytes:
    """Return the content of a person's file.

    Args:
        file: to read.
        sha256: the digest it must have; None for any.

    Raises:
        NotUnderstoodError: when it cannot be read.
        SkysortError: when it has another digest.
    """
    check_not_special(file)
    try:
        source = file.read_bytes()
    except OSError as error:
        raise NotUnderstoodError("system", f"cannot read {file}: {error.strerror}") from None
    if sha256 not in (None, digest(source)):
        raise SkysortError(
            "changed-file",
            f"{file} has changed: the recipe expects the SHA-256 {sha256}, and the file has {digest(source)};"
            " put the file back as it was, or train again",
        )
    return source


def digest(source: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(source).hexdigest()
