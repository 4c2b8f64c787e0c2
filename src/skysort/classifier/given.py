"""What `predict` takes: paths, and pictures in memory."""

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
from skysort.data.decode import Pixels, Shape, UnreadablePictureError, decode, from_image, from_pixels
from skysort.data.sources.base import SkippedFiles, image_files

Given = str | PathLike[str] | bytes | IO[bytes] | Image.Image | Pixels
Picture = tuple[str, Callable[[], bytes | Pixels]]
"""What its row is called, and what gives its image file, or its pixels in the shape that was asked for.

The latter raises UnreadablePictureError.
"""


class ListedPath(type(Path())):  # type: ignore[misc]
    """A path that a program listed, not a person: one that is not there is a picture that cannot be read."""


def pictures_in(
    given: Given | Iterable[Given], shape: Shape, archives: ExitStack, passed: SkippedFiles
) -> Iterator[Picture]:
    """Yield the pictures in what was given: of a path all that are under it, else one.

    Args:
        given: one, or several; a list or tuple is checked as a whole before anything is yielded. Images, arrays
            and open files are read as they are taken, since whoever gives them may use them anew.
        shape: what these are made to be.
        archives: where archives that are opened are kept.
        passed: is filled with the files under paths that are no pictures, or hidden.

    Raises:
        NotUnderstoodError: for what is none of these, or a path that is not there, unless it is a `ListedPath`.
    """
    several = [given] if _is_one(given) else given
    if not isinstance(several, Iterable):
        raise _not_taken("", given)
    if isinstance(several, Sequence):
        for number, one in enumerate(several):
            _check(one, number)
    for number, one in enumerate(several):
        _check(one, number)
        if isinstance(one, str | PathLike):
            yield from image_files([Path(one)], archives, passed)
        else:
            yield _name(one, number), _taken(one, shape)


def _is_one(given: object) -> bool:
    kinds = (str, PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
    return isinstance(given, kinds) or hasattr(given, "read")


def _check(one: object, number: int) -> None:
    if isinstance(one, str | PathLike):
        if not isinstance(one, ListedPath) and not Path(one).exists():
            raise NotUnderstoodError("path-not-found", f"{one}: no such file or folder")
    elif isinstance(one, np.ndarray):
        if one.dtype != np.uint8 or not (one.ndim == 2 or one.shape[2:] == (3,)) or 0 in one.shape:
            raise _not_taken(f"picture {number}: ", one)
    elif isinstance(one, io.TextIOBase) or not _is_one(one):
        raise _not_taken(f"picture {number}: ", one)


def _not_taken(which: str, found: object) -> NotUnderstoodError:
    what = (
        f"an array of {found.dtype} and shape {found.shape}" if isinstance(found, np.ndarray)
        else "a file opened as text" if isinstance(found, io.TextIOBase)
        else f"{type(found).__name__}"
    )  # fmt: skip
    return NotUnderstoodError(
        "wrong-value",
        f"{which}expected a path, the bytes of an image file, a file opened with 'rb', a PIL image, or a uint8"
        f" array of shape (H, W, 3) or (H, W), or several of these; found {what}",
    )


def _name(one: Any, number: int) -> str:
    """Return the name of the file behind a picture in memory, or its number."""
    name = getattr(one, "filename" if isinstance(one, Image.Image) else "name", None)
    return str(name) if isinstance(name, str | PathLike) and str(name) else f"<picture {number}>"


def _taken(one: Any, shape: Shape) -> Callable[[], bytes | Pixels]:
    if isinstance(one, bytes | bytearray | memoryview):
        return partial(bytes, bytes(one))
    try:
        pixels = _pixels(one, shape)
    except UnreadablePictureError as reason:
        return partial(_cannot_be_read, str(reason))
    return lambda: pixels


def _pixels(one: Any, shape: Shape) -> Pixels:
    if isinstance(one, Image.Image):
        return from_image(one, shape)
    return from_pixels(one, shape) if isinstance(one, np.ndarray) else decode(one.read(), shape)


def _cannot_be_read(reason: str) -> Pixels:
    raise UnreadablePictureError(reason)
