"""The table of pictures before any is decoded: which files count, of which class, in which part."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from skysort.errors import SkysortError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
PART_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "valid": "validation",
    "calibration": "calibration",
    "test": "test",
}
_JUNK = frozenset({"thumbs.db", "__pycache__", "__macosx"})


@dataclass(frozen=True)
class Listing:
    """Pictures by path, each with its class and the part that the data itself puts it in."""

    paths: tuple[str, ...]
    """(N,) relative to the source, with forward slashes."""
    labels: NDArray[np.int64]
    """(N,) index into classes."""
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    """(N,) `train`, `validation`, `calibration`, `test`, or empty where the data has no parts."""
    left_out: tuple[str, ...] = field(default=())
    """Files that are no picture by their extension, or lie outside every class; empty folders, with a slash."""
    groups: tuple[str, ...] | None = field(default=None)
    """(N,) names of what must stay in one part, as the frames of one video; empty for a picture on its own."""

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, classes: Sequence[str]) -> "tuple[Listing, NDArray[np.int64]]":
        """Keep some classes, in the order given; return the rows kept, too."""
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise SkysortError(f"no class '{missing[0]}'; there are: {', '.join(self.classes)}")
        number = np.full(len(self.classes), -1)
        for new, name in enumerate(classes):
            number[self.classes.index(name)] = new
        rows = np.flatnonzero(number[self.labels] >= 0)
        kept = Listing(
            tuple(self.paths[row] for row in rows),
            number[self.labels[rows]],
            tuple(classes),
            tuple(self.parts[row] for row in rows),
            self.left_out,
            None if self.groups is None else tuple(self.groups[row] for row in rows),
        )
        return kept, rows


def numbered(labels: NDArray[np.int64], classes: tuple[str, ...], num_training: int | None = None) -> Listing:
    """List pictures that have no file of their own, as `bird/00042` or `train/bird/00042`.

    Args:
        labels: (N,) index into classes.
        classes: their names.
        num_training: so many are the training part and the rest the test part; None for no parts.
    """
    if num_training is None:
        paths = tuple(f"{classes[label]}/{row:05d}" for row, label in enumerate(labels))
        return Listing(paths, labels, classes, ("",) * len(labels))
    parts = ("train",) * num_training + ("test",) * (len(labels) - num_training)
    paths = tuple(
        f"{part}/{classes[label]}/{row if part == 'train' else row - num_training:05d}"
        for row, (part, label) in enumerate(zip(parts, labels, strict=True))
    )
    return Listing(paths, labels, classes, parts)


def natural(name: str) -> str:
    """Return a key that sorts numbers inside names by value.

    >>> sorted(["10", "2", "a10", "a9"], key=natural)
    ['2', '10', 'a9', 'a10']
    """
    # The name itself comes last, so that "1" and "01" have an order, too.
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0").zfill(24), name) + "\0" + name


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one that systems and tools leave behind."""
    return name.startswith(".") or name.lower() in _JUNK


def is_image_name(name: str) -> bool:
    """Tell by its extension whether a file may be a picture."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def arrange(paths: Iterable[str], source: str) -> Listing:
    """Read classes and parts off the paths of a folder or an archive.

    `<class>/…`, or `train|val|validation|valid|calibration|test/<class>/…`, at any depth below the class, and
    folders around it all are looked through. Classes are in natural order of their names.

    Args:
        paths: relative, with forward slashes; hidden files and folders are passed over.
        source: what to call it in messages.

    Raises:
        SkysortError: when there is no picture, or the folders are neither classes nor parts.
    """
    split = [tuple(path.split("/")) for path in paths]
    visible = [names for names in split if not any(is_hidden(name) for name in names)]
    images = [names for names in visible if is_image_name(names[-1])]
    skip = _wrapping(images)
    has_parts = _has_parts(images, skip, source)
    depth = skip + 1 + has_parts

    def class_of(names: tuple[str, ...]) -> str:
        # Systems differ in how they spell an accented letter; a class is one all the same.
        return unicodedata.normalize("NFC", names[depth - 1])

    inside = sorted((names for names in images if len(names) > depth), key=lambda names: natural("/".join(names)))
    if not inside:
        raise SkysortError(
            f"no pictures in class folders under {source}: expected <class>/<picture>.jpg, found"
            f" {_found(images, visible)}"
        )
    classes = tuple(sorted({class_of(names) for names in inside}, key=natural))
    number = {name: index for index, name in enumerate(classes)}
    taken = set(inside)
    return Listing(
        tuple("/".join(names) for names in inside),
        np.array([number[class_of(names)] for names in inside], np.int64),
        classes,
        tuple(_part(names[skip]) if has_parts else "" for names in inside),
        tuple(sorted(("/".join(names) for names in visible if names not in taken), key=natural)),
    )


def _found(images: list[tuple[str, ...]], visible: list[tuple[str, ...]]) -> str:
    """Say in a message what there is, when no picture is in its place."""
    if not visible:
        return "no picture at all"
    first = min(map("/".join, images or visible), key=natural)
    if not images:
        return f"no picture at all, but {first}; pictures end in {', '.join(sorted(EXTENSIONS))}"
    return first if len(images) == 1 else f"{len(images):,} pictures such as {first}"


def _wrapping(images: list[tuple[str, ...]]) -> int:
    """Count the folders around the classes or parts: mostly none, or one, as an archive of a folder has."""
    num = 0
    while images and all(len(names) > num + 2 for names in images):
        tops = {names[num] for names in images}
        if len(tops) > 1 or any(map(_part, tops)):
            break
        num += 1
    return num


def _part(name: str) -> str:
    """Return the part that a folder's name means, or nothing."""
    return PART_FOLDERS.get(name.casefold(), "")


def _has_parts(images: list[tuple[str, ...]], skip: int, source: str) -> bool:
    # A folder named "train" that holds pictures itself is a class, as beside "bus" and "car".
    tops = {names[skip] for names in images if len(names) > skip + 1}
    parts = {top for top in tops if _part(top) and all(len(n) > skip + 2 for n in images if n[skip] == top)}
    if parts and parts != tops:
        raise SkysortError(
            f"{source} holds parts ({', '.join(sorted(parts))}) beside other folders"
            f" ({', '.join(sorted(tops - parts))}); expected only parts, or only classes"
        )
    return bool(parts)
