"""The inputs of `predict`: paths, and pictures in memory."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from skysort.core.errors import NotUnderstoodError
from skysort.data.decode import Pixels, Shape, decode, from_image, from_pixels
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.sources.base import SkippedFiles, image_files

PictureInput = str | PathLike[str] | bytes | IO[bytes] | Image.Image | Pixels
PictureSource = tuple[str, Callable[[], bytes | Pixels]]
"""The path of a prediction, and a function that returns the image file, or the pixels in the network's shape.

The function raises UnreadablePictureError for a picture that cannot be read.
"""


class ListedPath(type(Path())):  # type: ignore[misc]
    """A path from a list that a program made. If it does not exist, it is an unreadable picture, not an error."""


def pictures_in(
    source: PictureInput | Iterable[PictureInput], shape: Shape, archives: ExitStack, passed: SkippedFiles
) -> Iterator[PictureSource]:
    """Yield the pictures of one or several inputs. A folder or an archive yields all of its pictures.

    Args:
        source: one input, or several. All items of a list or tuple are checked before the first is yielded.
            Images, arrays and open files are read at once, because the caller may reuse them.
        shape: of the pictures that the network takes.
        archives: keeps opened archives open.
        passed: collects the files under the paths that are hidden, or are no pictures.

    Raises:
        NotUnderstoodError: for any other type, or a path that does not exist, unless it is a `ListedPath`.
    """
    several = [source] if _is_one(source) else source
    if not isinstance(several, Iterable):
        raise _wrong_input("", source)
    if isinstance(several, Sequence):
        for number, one in enumerate(several):
            _check(one, number)
    for number, one in enumerate(several):
        _check(one, number)
        if isinstance(one, str | PathLike):
            yield from image_files([Path(one)], archives, passed)
        else:
            yield _name(one, number), _reader(one, shape)


def _is_one(source: object) -> bool:
    kinds = (str, PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
    return isinstance(source, kinds) or hasattr(source, "read")


def _check(one: object, number: int) -> None:
    if isinstance(one, str | PathLike):
        if not isinstance(one, ListedPath) and not Path(one).exists():
            raise NotUnderstoodError("path-not-found", f"{one}: no such file or folder")
    elif isinstance(one, np.ndarray):
        if one.dtype != np.uint8 or not (one.ndim == 2 or one.shape[2:] == (3,)) or 0 in one.shape:
            raise _wrong_input(f"picture {number}: ", one)
    elif isinstance(one, io.TextIOBase) or not _is_one(one):
        raise _wrong_input(f"picture {number}: ", one)


def _wrong_input(which: str, source: object) -> NotUnderstoodError:
    kind = (
        f"an array of {source.dtype} and shape {source.shape}" if isinstance(source, np.ndarray)
        else "a file opened as text" if isinstance(source, io.TextIOBase)
        else f"{type(source).__name__}"
    )  # fmt: skip
    return NotUnderstoodError(
        "wrong-value",
        f"{which}expected a path, the bytes of an image file, a file opened with 'rb', a PIL image, or a uint8"
        f" array of shape (H, W, 3) or (H, W), or several of these; found {kind}",
    )


def _name(one: Any, number: int) -> str:
    """Return the file name of a picture in memory, or its number."""
    name = getattr(one, "filename" if isinstance(one, Image.Image) else "name", None)
    return str(name) if isinstance(name, str | PathLike) and str(name) else f"<picture {number}>"


def _reader(one: Any, shape: Shape) -> Callable[[], bytes | Pixels]:
    if isinstance(one, bytes | bytearray | memoryview):
        return partial(bytes, bytes(one))
    try:
        pixels = _pixels(one, shape)
    except UnreadablePictureError as reason:
        return partial(_raise_unreadable, str(reason))
    return lambda: pixels


def _pixels(one: Any, shape: Shape) -> Pixels:
    if isinstance(one, Image.Image):
        return from_image(one, shape)
    return from_pixels(one, shape) if isinstance(one, np.ndarray) else decode(one.read(), shape)


def _raise_unreadable(reason: str) -> Pixels:
    raise UnreadablePictureError(reason)
