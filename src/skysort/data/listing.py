"""The table of pictures before they are decoded, and the rules for which files are pictures.

All commands follow these rules:

- They skip hidden files and folders (whose names begin with a dot) and those that systems create (`@eaDir`,
  `#recycle`, `lost+found`, …). If these hold pictures, one line names them.
- A file is a picture if its name has a picture's ending, such as `.jpg`, or its first bytes are those of a
picture.
  Only files with other endings are opened to check this.
- A damaged picture, or one in a format that Skysort cannot read, gets a row with the reason.
- All other files are counted and named.
- Commands that read or copy (train, check, evaluate, predict, sort) follow links to folders, but not in circles.
  Commands that move pictures (watch, sort --move) do not touch links.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError

EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif",
    ".tiff", ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2",
})  # fmt: skip
"""Endings of pictures. They include formats that Skysort cannot read, so that such files get a row with the
reason."""
_LEFT_BEHIND = frozenset({
    # Windows
    "$recycle.bin", "system volume information", "thumbs.db", "thumbs.db:encryptable",
    "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    # macOS, also on the network drives and sticks it writes to
    "__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", "icon\r",
    # Linux and Android: files that a check of the file system recovered
    "lost+found", "lost.dir",
    # Synology, QNAP, Asustor, TerraMaster, NetApp, Buffalo
    "@eadir", "@tmp", "@sharebin", "@sharesnap", "@synoresource", "@recycle", "@recently-snapshot", "@__thumb",
    "@transcode", "#recycle", "#snapshot", "~snapshot", "trashbox",
    # Python
    "__pycache__",
})  # fmt: skip
_LEFT_BY_OLD_WINDOWS = frozenset({"RECYCLER", "RECYCLED"})
"""Folders of Windows up to XP, in capitals. In lower case, they may be names of classes."""
_FOUND_BY_CHKDSK = re.compile(r"found\.\d{3}")


@dataclass(frozen=True)
class Listing:
    """Pictures by path, each with its class and the split that the data declares."""

    paths: tuple[str, ...]
    """(N,) paths relative to the source, with forward slashes."""
    labels: NDArray[np.int64]
    """(N,) index into classes."""
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    """(N,) `train`, `validation`, `calibration` or `test`; empty if the data declares no split."""
    left_out: tuple[str, ...] = field(default=())
    """Paths of files that are not pictures or have no class, and of empty folders, which end in a slash."""
    groups: tuple[str, ...] | None = field(default=None)
    """(N,) names of groups that must stay in one split, such as the frames of a video; empty for no group."""
    remarks: tuple[str, ...] = field(default=())
    """Lines to print after listing, about pictures that were skipped, and why."""
    origins: tuple[int, ...] | None = field(default=None)
    """(N,) index of each picture's source, if there are several; None for one source."""

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, classes: Sequence[str]) -> "tuple[Listing, NDArray[np.int64]]":
        """Return the listing of some classes, in the given order, and their rows.

        Raises:
            SkysortError: if a class is not there.
        """
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise SkysortError("unknown-class", f"no class '{missing[0]}'; there are: {', '.join(self.classes)}")
        number = np.full(len(self.classes), -1)
        for new, name in enumerate(classes):
            number[self.classes.index(name)] = new
        rows = np.flatnonzero(number[self.labels] >= 0)
        return replace(self.at(rows), labels=number[self.labels[rows]], classes=tuple(classes)), rows

    def at(self, rows: NDArray[np.int64]) -> "Listing":
        """Return the listing of some rows."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            labels=self.labels[rows],
            splits=tuple(self.splits[row] for row in rows),
            groups=None if self.groups is None else tuple(self.groups[row] for row in rows),
            origins=None if self.origins is None else tuple(self.origins[row] for row in rows),
        )


def numbered_listing(
    labels: NDArray[np.int64], classes: tuple[str, ...], num_training: int | None = None
) -> Listing:
    """List pictures without image files, under paths such as `bird/00042` or `train/bird/00042`.

    Args:
        labels: (N,) index into classes.
        classes: names of the classes.
        num_training: number of training pictures; the others are the test split. None: no splits.
    """
    if num_training is None:
        paths = tuple(f"{classes[label]}/{row:05d}" for row, label in enumerate(labels))
        return Listing(paths, labels, classes, ("",) * len(labels))
    splits = ("train",) * num_training + ("test",) * (len(labels) - num_training)
    paths = tuple(
        f"{split}/{classes[label]}/{row if split == 'train' else row - num_training:05d}"
        for row, (split, label) in enumerate(zip(splits, labels, strict=True))
    )
    return Listing(paths, labels, classes, splits)


def natural(name: str) -> str:
    """Return a sort key that orders numbers inside names by value.

    >>> sorted(["10", "2", "a10", "a9"], key=natural)
    ['2', '10', 'a9', 'a10']
    """
    # The name itself comes last, so that "1" and "01" are ordered too.
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0").zfill(24), name) + "\0" + name


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or created by a system or tool."""
    folded = name.casefold()
    return (
        name.startswith(".")
        or folded in _LEFT_BEHIND
        or name in _LEFT_BY_OLD_WINDOWS
        or _FOUND_BY_CHKDSK.fullmatch(folded) is not None
    )


def is_image_name(name: str) -> bool:
    """Return whether a file's ending is that of a picture."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def class_name(name: str) -> str:
    """Return the normalised name of a class, from the name of a folder or a cell of a table.

    Systems encode accented letters differently; the result is in NFC. Bytes that are not UTF-8 are read as
    Windows-1252 or, if that fails, Latin-1.

    >>> class_name("M\\udcf6we") == class_name("Mo\\u0308we") == "M\\xf6we"
    True
    """
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        content = name.encode("utf-8", "surrogateescape")
        try:
            name = content.decode("cp1252")
        except UnicodeDecodeError:
            name = content.decode("latin-1")
    return unicodedata.normalize("NFC", name)
