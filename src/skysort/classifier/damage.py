"""Whatever a damaged file makes a library raise, turned into one error that says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.errors import SkysortError

LONGEST_REASON = 300
"""Characters: ONNX Runtime quotes whole shapes and its own source files."""
LACK_OF_MEMORY = ("bad_alloc", "allocate memory", "failed to map", "start new thread")
"""In errors of ONNX Runtime, of the system that loads a library, and of threads: each takes room for its stack."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is raised below into an error about a file or folder that is read.

    Raises:
        MemoryError: for a lack of memory, which is no property of the file.
        SkysortError: when the system cannot read it, or it is damaged. One that is raised below stays as it is.
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
        raise SkysortError("damaged-classifier", f"{path} is damaged: {short_reason(error)}") from None


def lacks_memory(error: Exception) -> bool:
    """Tell whether an error that is no MemoryError says that memory was short."""
    return any(text in str(error) for text in LACK_OF_MEMORY)


def short_reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
