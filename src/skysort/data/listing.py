"""The table of pictures before any is decoded, and the one rule for which files are pictures.

All verbs follow this rule:

- Hidden files and folders (their names begin with a dot) and those that systems leave behind (`@eaDir`,
  `#recycle`, `lost+found`, …) are passed over. Where they hold pictures, one line names them.
- A file is a picture if its name ends as a picture's does (`.jpg`) or if its first bytes are a picture's, whatever
  its name. Only files with other endings are opened to see that.
- A picture in a format that Skysort does not read, and a picture that is damaged, gets a row with the reason.
- All other files are counted and named.
- Verbs that read or copy (train, check, evaluate, predict, sort) follow links to folders, but not in circles.
  Verbs that move pictures (watch, sort --move) leave links alone.
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
"""Endings of pictures, also of those that are not read here: such a file gets a row that says so."""
_LEFT_BEHIND = frozenset({
    # Windows
    "$recycle.bin", "system volume information", "thumbs.db", "thumbs.db:encryptable",
    "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    # macOS, also on the network drives and sticks it writes to
    "__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", "icon\r",
    # Linux and Android: what a check of the file system found again
    "lost+found", "lost.dir",
    # Synology, QNAP, Asustor, TerraMaster, NetApp, Buffalo
    "@eadir", "@tmp", "@sharebin", "@sharesnap", "@synoresource", "@recycle", "@recently-snapshot", "@__thumb",
    "@transcode", "#recycle", "#snapshot", "~snapshot", "trashbox",
    # Python
    "__pycache__",
})  # fmt: skip
_LEFT_BY_OLD_WINDOWS = frozenset({"RECYCLER", "RECYCLED"})
"""Spelled so by Windows up to XP; in small letters they are what a class of waste is called."""
_FOUND_BY_CHKDSK = re.compile(r"found\.\d{3}")


@dataclass(frozen=True)
class Listing:
    """Pictures by path, each with its class and the split that the data itself puts it in."""

    paths: tuple[str, ...]
    """(N,) relative to the source, with forward slashes."""
    labels: NDArray[np.int64]
    """(N,) index into classes."""
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    """(N,) `train`, `validation`, `calibration`, `test`, or empty where the data has no splits."""
    left_out: tuple[str, ...] = field(default=())
    """Files that are no picture, or have no class; empty folders, with a slash."""
    groups: tuple[str, ...] | None = field(default=None)
    """(N,) names of what must stay in one split, as the frames of one video; empty for a picture on its own."""
    remarks: tuple[str, ...] = field(default=())
    """Lines to print once the pictures are listed: pictures that were passed over, and why."""
    origins: tuple[int, ...] | None = field(default=None)
    """(N,) which of several sources each picture is of; None for one source."""

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, classes: Sequence[str]) -> "tuple[Listing, NDArray[np.int64]]":
        """Keep some classes, in the order given; return the rows kept, too."""
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise SkysortError("unknown-class", f"no class '{missing[0]}'; there are: {', '.join(self.classes)}")
        number = np.full(len(self.classes), -1)
        for new, name in enumerate(classes):
            number[self.classes.index(name)] = new
        rows = np.flatnonzero(number[self.labels] >= 0)
        return replace(self.at(rows), labels=number[self.labels[rows]], classes=tuple(classes)), rows

    def at(self, rows: NDArray[np.int64]) -> "Listing":
        """Keep some rows."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            labels=self.labels[rows],
            splits=tuple(self.splits[row] for row in rows),
            groups=None if self.groups is None else tuple(self.groups[row] for row in rows),
            origins=None if self.origins is None else tuple(self.origins[row] for row in rows),
        )


def numbered(labels: NDArray[np.int64], classes: tuple[str, ...], num_training: int | None = None) -> Listing:
    """List pictures that have no file of their own, as `bird/00042` or `train/bird/00042`.

    Args:
        labels: (N,) index into classes.
        classes: their names.
        num_training: so many are the training split and the rest the test split; None for no splits.
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
    """Return a key that sorts numbers inside names by value.

    >>> sorted(["10", "2", "a10", "a9"], key=natural)
    ['2', '10', 'a9', 'a10']
    """
    # The name itself comes last, so that "1" and "01" have an order, too.
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0").zfill(24), name) + "\0" + name


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or one that systems and tools leave behind."""
    folded = name.casefold()
    return (
        name.startswith(".")
        or folded in _LEFT_BEHIND
        or name in _LEFT_BY_OLD_WINDOWS
        or _FOUND_BY_CHKDSK.fullmatch(folded) is not None
    )


def is_image_name(name: str) -> bool:
    """Tell by its ending whether a file should be a picture."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def class_name(name: str) -> str:
    """Return the name of a class as it is written everywhere, from a name of a folder or a cell of a table.

    Systems differ in how they spell an accented letter; here it is NFC. A class must be text: bytes that are not
    UTF-8 are read as Windows-1252 or, where that has no such letter, Latin-1.

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
