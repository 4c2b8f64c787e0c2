"""The features of pictures: computed once per picture and backbone, and kept in the cache."""

import hashlib
import math
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.runtime import FEATURES, OnnxModel
from skysort.core.cache import cache_folder
from skysort.core.environment import release_freed_memory
from skysort.core.files import write_whole, writing
from skysort.core.locks import locked
from skysort.core.progress import Progress
from skysort.data.dataset import Dataset
from skysort.data.decode import Pixels
from skysort.data.store import DIGEST_BYTES
from skysort.transfer.backbones import Backbone
from skysort.transfer.efficientnet_lite import HEAD
from skysort.transfer.network import backbone_model

FORMAT = 1
VALUES, CHECKSUMS, DIGESTS = "features.bin", "checksums.bin", "digests.bin"
CHECKSUM_BYTES = 4
ROW_BYTES = 4 * HEAD
BATCH = 8
"""Pictures per call, which bounds the memory of the maps between layers."""
PICTURES_TIMED, CALLS_TIMED = 4, 4
CHUNK = 256
"""Rows that have a checksum together, and are kept together after an interruption."""


@dataclass(frozen=True)
class PictureFeatures:
    """The features of a dataset's readable pictures."""

    values: NDArray[np.float32]
    """(M, D), mapped from the cache, read-only."""
    positions: NDArray[np.int64]
    """(N,) the row of each picture of the listing in the values; -1 for an unreadable one."""

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the (N, D) features of readable rows of the listing, as a copy."""
        return self.values[self.positions[rows]].astype(np.float64)


def compute_features(dataset: Dataset, backbone: Backbone, progress: Progress, *, flip: bool) -> PictureFeatures:
    """Return the features of all readable pictures, computing those that are not in the cache yet.

    The cache is keyed by the pictures' pixels, the backbone's digest and whether mirror images count. Features
    that an interrupted call has computed stay there, and the next call goes on after them. Pictures that are in
    another dataset of the cache, too, have the same features there.

    Args:
        dataset: pictures of the backbone's size.
        backbone: whose weights are on this computer.
        progress: shows how many are computed.
        flip: whether features are the means of a picture's and of its mirror image's.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    is_readable = dataset.positions >= 0
    rows = np.flatnonzero(is_readable)
    positions = np.where(is_readable, np.cumsum(is_readable) - 1, -1)
    folder = _folder(dataset, backbone, flip=flip)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (VALUES, CHECKSUMS):
            (folder / name).touch()
    with locked(folder / VALUES, wait=math.inf):  # another process may be computing the same
        num_done = _num_whole(folder)
        if num_done < len(rows):
            _compute(folder, dataset, rows, num_done, backbone, progress, flip=flip)
            dataset.store.release()  # from now on, features stand for most pictures
            release_freed_memory()
    values = np.memmap(folder / VALUES, np.float32, mode="r", shape=(len(rows), HEAD))
    return PictureFeatures(values, positions)


def num_missing(dataset: Dataset, backbone: Backbone, *, flip: bool) -> int:
    """Return how many readable pictures have no features in the cache yet."""
    folder = _folder(dataset, backbone, flip=flip)
    num_done = _num_whole(folder) if (folder / CHECKSUMS).exists() else 0
    missing = _digests(dataset)[num_done:]
    known = _known_elsewhere(folder, missing)
    return sum(digest not in known for digest in missing)


def milliseconds_per_picture(backbone: Backbone) -> float:
    """Return how long a picture's features take on this computer, by a few calls.

    Raises:
        SkysortError: when the weights are missing or damaged.
    """
    model = OnnxModel(backbone_model(backbone))
    pictures = np.zeros((PICTURES_TIMED, 3, backbone.size, backbone.size), np.uint8)
    seconds = []
    for _ in range(CALLS_TIMED):
        started = time.perf_counter()
        model.compute(pictures, FEATURES)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds) / PICTURES_TIMED


def _folder(dataset: Dataset, backbone: Backbone, *, flip: bool) -> Path:
    """Return the folder of the cache for the features of a dataset's readable pictures."""
    pictures = hashlib.blake2b(b"".join(_digests(dataset)), digest_size=16).hexdigest()
    key = f"{pictures}-{backbone.sha256[:16]}-{backbone.size}-{'flip' if flip else 'plain'}-{FORMAT}"
    return cache_folder() / "features" / key


def _digests(dataset: Dataset) -> list[bytes]:
    """Return the digest of each readable picture's pixels."""
    positions = dataset.positions[dataset.positions >= 0]
    return [digest.tobytes() for digest in dataset.store.digests[positions]]


def _known_elsewhere(folder: Path, digests: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
    """Return the features, by digest, of those pictures that are in other folders of the cache of this kind."""
    digests_left = set(digests)
    known: dict[bytes, NDArray[np.float32]] = {}
    kind = folder.name.partition("-")[2]
    for other in folder.parent.glob(f"*-{kind}"):
        try:
            content = (other / DIGESTS).read_bytes() if other != folder else b""
            of_other = [content[at : at + DIGEST_BYTES] for at in range(0, len(content), DIGEST_BYTES)]
            if digests_left.isdisjoint(of_other):
                continue
            num = min(_num_whole(other), len(of_other))
            values = np.memmap(other / VALUES, np.float32, mode="r", shape=(num, HEAD))
        except (OSError, ValueError):  # a cleaning tool removed it, or it is empty
            continue
        known |= {
            digest: values[row].copy() for row, digest in enumerate(of_other[:num]) if digest in digests_left
        }
    return known


def _num_whole(folder: Path) -> int:
    """Return how many rows from the first are in the cache as they were computed."""
    checksums = np.fromfile(folder / CHECKSUMS, "<u4")
    num_rows = 0
    with (folder / VALUES).open("rb") as file:
        for checksum in checksums:
            chunk = file.read(CHUNK * ROW_BYTES)
            if not chunk or len(chunk) % ROW_BYTES or zlib.crc32(chunk) != checksum:
                break
            num_rows += len(chunk) // ROW_BYTES
    return num_rows


def _compute(
    folder: Path,
    dataset: Dataset,
    rows: NDArray[np.int64],
    num_done: int,
    backbone: Backbone,
    progress: Progress,
    *,
    flip: bool,
) -> None:
    """Append the features of rows, from `num_done` on, chunk by chunk."""
    first = (
        num_done // CHUNK * CHUNK
    )  # a last chunk that is not full belongs to no other pictures, as the key has it
    digests = _digests(dataset)
    known = _known_elsewhere(folder, digests[first:])
    with writing(folder):
        write_whole(folder / DIGESTS, b"".join(digests))
    model = OnnxModel(backbone_model(backbone))
    with (
        writing(folder),
        (folder / VALUES).open("r+b") as values,
        (folder / CHECKSUMS).open("r+b") as checksums,
        progress.step("Computing features", len(rows), done=first) as tell,
    ):
        values.truncate(first * ROW_BYTES)
        checksums.truncate(first // CHUNK * CHECKSUM_BYTES)
        values.seek(0, os.SEEK_END)
        checksums.seek(0, os.SEEK_END)
        for start in range(first, len(rows), CHUNK):
            numbers = np.arange(start, min(start + CHUNK, len(rows)))
            features = np.empty((len(numbers), HEAD), np.float32)
            is_new = np.array([digests[number] not in known for number in numbers])
            for place in np.flatnonzero(~is_new):
                features[place] = known[digests[numbers[place]]]
            tell(len(numbers) - int(is_new.sum()), "")
            for batch in np.split(np.flatnonzero(is_new), range(BATCH, int(is_new.sum()), BATCH)):
                if len(batch):
                    features[batch] = _of_pictures(model, dataset.pixels(rows[numbers[batch]]), flip=flip)
                    tell(len(batch), "")
            chunk = features.tobytes()
            values.write(chunk)
            values.flush()
            checksums.write(np.array([zlib.crc32(chunk)], "<u4").tobytes())
            checksums.flush()


def _of_pictures(model: OnnxModel, pixels: Pixels, *, flip: bool) -> NDArray[np.float32]:
    features: NDArray[np.float32]
    (features,) = model.compute(pixels, FEATURES)
    if flip:
        (mirrored,) = model.compute(np.ascontiguousarray(pixels[..., ::-1]), FEATURES)
        features = (features + mirrored) / np.float32(2)
    return features
