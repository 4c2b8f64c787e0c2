"""The built-in data sets: their descriptions, folders, downloads and picture sizes."""

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
from skysort.data.listing import Listing, numbered_listing
from skysort.data.sources.base import ArchiveSource, FolderSource, PixelSource, Reader, Source

NUM_SKIES = 10_000
MOST_SKIES = 10_000_000
"""This many pictures take 31 GB when they are decoded at 32x32."""
SKIES_VERSION = 1
"""Increase this when skies.draw changes, so that pictures in the cache become outdated."""
DIGITS = tuple("0123456789")
BIRDS_VS_AIRPLANES = ("airplane", "bird")
CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip


# Sizes and digests of the published files, as many public projects record them, among them TensorFlow Datasets.
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
    """A built-in data set is not in the data folder."""

    def __init__(self, title: str, folder: Path, remedy: str) -> None:
        super().__init__("missing-data", f"{title} is not in {folder}; {remedy}")
        self.remedy = remedy
        """Advice on how to get the data."""


@dataclass(frozen=True)
class NamedData:
    """A built-in data set."""

    description: str
    size: int
    """Side of its pictures, in pixels. A recipe may set another size."""
    channels: Literal[1, 3]
    num_classes: int
    open: Callable[[Path, int], Source]
    """Takes the data folder and the picture size (for drawn pictures) and returns the source. It does not
    download, and raises MissingDataError if the data is missing."""
    classes: tuple[str, ...] | None = None
    """The classes, in order, if the data set is a part of a larger one."""
    others: tuple[str, ...] = ()
    """The other classes of the larger data set; `<name>:others` has these."""
    in_tutorials: bool = False
    mirror_means_the_same: bool = True
    """False if mirror images mean something else, as for digits."""
    published: RemoteData | None = None
    """Download of the data set; None if there is none."""

    def open_or_download(self, folder: Path, size: int, progress: Progress) -> Source:
        """Open the data set, and download it first if it is missing.

        Raises:
            SkysortError: if it is missing and cannot be downloaded, or $SKYSORT_OFFLINE forbids it.
        """
        try:
            return self.open(folder, size)
        except MissingDataError as missing:
            if self.published is None:
                raise
            if is_offline():
                raise SkysortError("missing-data", f"{missing}; SKYSORT_OFFLINE forbids downloads") from None
            download(self.published, folder, missing.remedy, progress)
        return self.open(folder, size)


def data_folder(data_dir: Path | None) -> Path:
    """Return the folder of built-in data sets: `data_dir`, else $SKYSORT_DATA, else one in the cache folder."""
    from_environment = environ.get("SKYSORT_DATA")
    return data_dir or (Path(from_environment) if from_environment else cache_folder() / "data")


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
        f"unpack the binary version from https://www.cs.toronto.edu/~kriz/cifar.html to"
        f" {folder}/cifar-10-batches-bin, or give the folder that holds it with --data-dir or $SKYSORT_DATA",
    )


def _idx(published: RemoteData, classes: tuple[str, ...]) -> Callable[[Path, int], Source]:
    def source(folder: Path, _size: int) -> Source:
        own = folder / published.folder
        if not own.is_dir():
            raise MissingDataError(
                published.title,
                folder,
                f"put its four IDX files (train-images-idx3-ubyte.gz and so on) into {own}/, or give the folder"
                f" that holds {published.folder}/ with --data-dir or $SKYSORT_DATA",
            )
        return idx_source(own, classes)

    return source


def _digits(_folder: Path, _size: int) -> Source:
    def load() -> tuple[Listing, Reader]:
        require("the data set 'digits'", "train", "sklearn")
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8), from 0 … 16
        labels = digits.target.astype(np.int64)
        return numbered_listing(labels, DIGITS), lambda row: pixels[row]

    return PixelSource("digits", (), load)


def _skies(num_pictures: int) -> Callable[[Path, int], Source]:
    def source(_folder: Path, size: int) -> Source:
        if size < skies.SMALLEST:
            raise SkysortError(
                "wrong-value", f"skies needs pictures.size of at least {skies.SMALLEST}, found {size}"
            )

        def load() -> tuple[Listing, Reader]:
            labels = np.arange(num_pictures) % len(skies.CLASSES)
            return numbered_listing(labels, skies.CLASSES), lambda row: skies.draw(row, size)

        return PixelSource(f"skies {num_pictures} drawn by version {SKIES_VERSION}", (), load)

    return source


NAMED = {
    "skies": NamedData(
        "birds and airplanes that Skysort draws; skies:2000 draws 2,000 of them", 32, 3, 2, _skies(NUM_SKIES)
    ),
    "digits": NamedData(
        "1,797 handwritten digits, 8x8, from scikit-learn", 8, 1, 10, _digits, mirror_means_the_same=False
    ),
    "birds-vs-airplanes": NamedData(
        "two classes of CIFAR-10; birds-vs-airplanes:others has the other eight",
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
    """Return the built-in data set of a name, or None if there is none.

    Raises:
        NotUnderstoodError: if the number after `skies:` is out of range, or `:others` follows a data set that has
            all classes.
    """
    if name.endswith(":others") and (subset := NAMED.get(name.removesuffix(":others"))):
        if not subset.others:
            raise NotUnderstoodError(
                "unknown-data-set",
                f"'{name}': {name.removesuffix(':others')} has all classes, so there are no others",
            )
        return replace(
            subset, classes=subset.others, others=(), num_classes=len(subset.others), in_tutorials=False
        )
    if name.startswith("skies:"):
        number = name.removeprefix("skies:")
        if not number.isdecimal() or not 1 <= int(number) <= MOST_SKIES:
            raise NotUnderstoodError(
                "wrong-value",
                f"expected a number of pictures from 1 to {MOST_SKIES:,} after 'skies:', found '{number}'",
            )
        default = NAMED["skies"]
        return NamedData(
            default.description, default.size, default.channels, default.num_classes, _skies(int(number))
        )
    return NAMED.get(name)
