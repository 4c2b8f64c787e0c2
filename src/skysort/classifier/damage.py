"""Errors of libraries that read a damaged file, turned into one error that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.damage import damaged
from skysort.core.errors import SkysortError

LONGEST_REASON = 300
"""Characters. ONNX Runtime quotes whole shapes and its own source files."""
LACK_OF_MEMORY = ("bad_alloc", "allocate memory", "failed to map", "start new thread")
"""Texts in errors of ONNX Runtime, of the loader of libraries, and of threads, each of which needs a stack."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any error of the block into one that names the file or folder that it reads.

    Raises:
        MemoryError: for a lack of memory, which is not the fault of the file.
        SkysortError: when the system cannot read the file, or it is damaged. A SkysortError of the block passes.
    """
    try:
        yield
    except (SkysortError, MemoryError):
        raise
    except Exception as error:
        if lacks_memory(error):
            raise MemoryError(f"{path}: {short_reason(error)}") from None
        if isinstance(error, OSError) and error.strerror:
            raise SkysortError("system", f"could not read {error.filename or path}: {error.strerror}") from None
        raise damaged("damaged-classifier", path, short_reason(error)) from None


def lacks_memory(error: Exception) -> bool:
    """Tell whether the message of an error means a lack of memory."""
    return any(text in str(error) for text in LACK_OF_MEMORY)


def short_reason(error: Exception) -> str:
    """Return the message of an error, shortened to one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
