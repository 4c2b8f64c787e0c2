"""The data that has a name: what it is, where it is looked for and had from, and its own picture size."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from os import environ
from pathlib import Path
from typing import Literal

import numpy as np

from skysort.core.cache import cache_folder
from skysort.core.errors import NotUnderstoodError, SkysortError, require
from skysort.core.progress import Progress
from skysort.data.builtin import skies
from skysort.data.builtin.cifar import CLASSES as CIFAR_CLASSES
from skysort.data.builtin.cifar import binary_source, pickled_source
from skysort.data.builtin.download import RemoteData, RemoteFile, download, is_offline, move_all, unpack_only
from skysort.data.builtin.idx import idx_source
from skysort.data.listing import Listing, numbered
from skysort.data.sources.base import ArchiveSource, FolderSource, PixelSource, Reader, Source

NUM_SKIES = 10_000
MOST_SKIES = 10_000_000
"""Decoded, these take 31 GB at 32x32."""
SKIES_VERSION = 1
"""One more whenever skies.draw draws otherwise, so that no cached picture outlives its drawing."""
DIGITS = tuple("0123456789")
BIRDS_VS_AIRPLANES = ("airplane", "bird")
CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip


# Sizes and digests of the publishers' files as many public projects record them, among them TensorFlow Datasets.
CIFAR_10 = RemoteData(
    "CIFAR-10",
    "cifar-10-batches-bin",
    (
        RemoteFile(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    (
        "https://www.cs.toronto.edu/~kriz",
        "https://cave.cs.toronto.edu/kriz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10",
    ),
    unpack_only("cifar-10-batches-bin", CIFAR_FILES),
)
MNIST = RemoteData(
    "MNIST",
    "mnist",
    (
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
    move_all,
)
FASHION_MNIST = RemoteData(
    "Fashion-MNIST",
    "fashion-mnist",
    (
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    move_all,
)


class MissingDataError(SkysortError):
    """Named data is in none of the places it is looked for."""

    def __init__(self, title: str, folder: Path, remedy: str) -> None:
        super().__init__("missing-data", f"{title} is not in {folder}; {remedy}")
        self.remedy = remedy
        """What a person can do about it."""


@dataclass(frozen=True)
class NamedData:
    """A data set with a name."""

    description: str
    size: int
    """Side of its pictures in pixels, used unless a recipe sets another."""
    channels: Literal[1, 3]
    num_classes: int
    open: Callable[[Path, int], Source]
    """Takes the data folder and the picture size (for what is drawn). Downloads nothing, but raises
    MissingDataError."""
    classes: tuple[str, ...] | None = None
    """The classes taken of a larger set, in order."""
    others: tuple[str, ...] = ()
    """The classes of that set that are not taken; `<name>:others` has these."""
    in_tutorials: bool = False
    mirror_means_the_same: bool = True
    """False for what is read, as digits are."""
    published: RemoteData | None = None
    """Where it can be downloaded."""

    def open_or_download(self, folder: Path, size: int, progress: Progress) -> Source:
        """Open it, after downloading it if it is not there.

        Raises:
            SkysortError: when it is not there and cannot be downloaded, or $SKYSORT_OFFLINE forbids it.
        """
        try:
            return self.open(folder, size)
        except MissingDataError as missing:
            if self.published is None:
                raise
            if is_offline():
                raise SkysortError(
                    "missing-data", f"{missing}; SKYSORT_OFFLINE keeps it from being downloaded"
                ) from None
            download(self.published, folder, missing.remedy, progress)
        return self.open(folder, size)


def data_folder(asked: Path | None) -> Path:
    """Return where named data is looked for: as asked, else $SKYSORT_DATA, else in the cache folder."""
    named = environ.get("SKYSORT_DATA")
    return asked or (Path(named) if named else cache_folder() / "data")


def _cifar10(folder: Path, _size: int) -> Source:
    for name, source in (
        ("cifar-10-batches-bin", binary_source),
        ("cifar10", FolderSource),
        ("cifar10.zip", ArchiveSource),
        ("cifar10.tar", ArchiveSource),
        ("cifar-10-batches-py", pickled_source),
    ):
        if (folder / name).exists():
            return source(folder / name)
    raise MissingDataError(
        "CIFAR-10",
        folder,
        f"put cifar-10-batches-bin/ into {folder} (the binary version from"
        " https://www.cs.toronto.edu/~kriz/cifar.html, unpacked), or name the folder that has it"
        " with --data-dir or $SKYSORT_DATA",
    )


def _idx(published: RemoteData, classes: tuple[str, ...]) -> Callable[[Path, int], Source]:
    def source(folder: Path, _size: int) -> Source:
        own = folder / published.folder
        if not own.is_dir():
            raise MissingDataError(
                published.title,
                folder,
                f"put its four IDX files (train-images-idx3-ubyte.gz and so on) into {own}/, or name the folder"
                f" that has {published.folder}/ with --data-dir or $SKYSORT_DATA",
            )
        return idx_source(own, classes)

    return source


def _digits(_folder: Path, _size: int) -> Source:
    def load() -> tuple[Listing, Reader]:
        require("the data set 'digits'", "train", "sklearn")
        from sklearn.datasets import load_digits

        found = load_digits()
        pixels = np.round(found.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8), from 0 … 16
        labels = found.target.astype(np.int64)
        return numbered(labels, DIGITS), lambda row: pixels[row]

    return PixelSource("digits", (), load)


def _skies(num_pictures: int) -> Callable[[Path, int], Source]:
    def source(_folder: Path, size: int) -> Source:
        if size < skies.SMALLEST:
            raise SkysortError(
                "wrong-value", f"skies are drawn from {skies.SMALLEST} pixels on; pictures.size = {size}"
            )

        def load() -> tuple[Listing, Reader]:
            labels = np.arange(num_pictures) % len(skies.CLASSES)
            return numbered(labels, skies.CLASSES), lambda row: skies.draw(row, size)

        return PixelSource(f"skies {num_pictures} drawn by version {SKIES_VERSION}", (), load)

    return source


NAMED = {
    "skies": NamedData(
        "birds and airplanes drawn by this program; skies:2000 draws so many", 32, 3, 2, _skies(NUM_SKIES)
    ),
    "digits": NamedData(
        "1,797 handwritten digits, 8x8, from scikit-learn", 8, 1, 10, _digits, mirror_means_the_same=False
    ),
    "birds-vs-airplanes": NamedData(
        "the two classes of CIFAR-10; birds-vs-airplanes:others has the other eight",
        32,
        3,
        2,
        _cifar10,
        BIRDS_VS_AIRPLANES,
        tuple(name for name in CIFAR_CLASSES if name not in BIRDS_VS_AIRPLANES),
        in_tutorials=True,
        published=CIFAR_10,
    ),
    "cifar10": NamedData(
        "60,000 photographs of 10 classes, 32x32", 32, 3, 10, _cifar10, in_tutorials=True, published=CIFAR_10
    ),
    "mnist": NamedData(
        "70,000 handwritten digits, 28x28",
        28,
        1,
        10,
        _idx(MNIST, DIGITS),
        in_tutorials=True,
        mirror_means_the_same=False,
        published=MNIST,
    ),
    "fashion-mnist": NamedData(
        "70,000 pieces of clothing, 28x28", 28, 1, 10, _idx(FASHION_MNIST, FASHION), published=FASHION_MNIST
    ),
}


def find_named(name: str) -> NamedData | None:
    """Return the data of a name, or None for what is no name of any.

    Raises:
        NotUnderstoodError: for `skies:` with no sensible number behind it, or `:others` behind data that is all of
            its set.
    """
    if name.endswith(":others") and (subset := NAMED.get(name.removesuffix(":others"))):
        if not subset.others:
            raise NotUnderstoodError(
                "unknown-data-set", f"'{name}': {name.removesuffix(':others')} leaves out no classes"
            )
        return replace(
            subset, classes=subset.others, others=(), num_classes=len(subset.others), in_tutorials=False
        )
    if name.startswith("skies:"):
        number = name.removeprefix("skies:")
        if not number.isdecimal() or not 1 <= int(number) <= MOST_SKIES:
            raise NotUnderstoodError(
                "wrong-value",
                f"expected a number of pictures behind 'skies:', from 1 to {MOST_SKIES:,}, found '{number}'",
            )
        every = NAMED["skies"]
        return NamedData(every.description, every.size, every.channels, every.num_classes, _skies(int(number)))
    return NAMED.get(name)
