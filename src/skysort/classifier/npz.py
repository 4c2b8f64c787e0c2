"""Arrays in a file that `np.savez` wrote, read so that a damaged file can do no harm."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Return arrays of a file by their names.

    Raises:
        Exception: of any type, when the file is damaged. `reading` turns it into a SkysortError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns about some invalid headers
        with zipfile.ZipFile(path) as file:
            return [_array(file, name) for name in names]


def _array(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return an array that `np.savez` wrote. Whatever its header says, it takes no more memory than the file."""
    member = file.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    content = file.read(member)
    header = io.BytesIO(content)
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError(f"{member.filename} has another format than 1.0")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(header)
    array: NDArray[Any] = np.frombuffer(content, dtype, offset=header.tell())
    if min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} has a negative shape")
    return array.reshape(shape, order="F" if is_fortran else "C")
