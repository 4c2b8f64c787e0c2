"""A classifier in use: loaded, proved, and ready for pictures."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skysort.classifier.format import MODEL, PROOF, ClassifierTable, find_classifier, read_table
from skysort.classifier.prove import Logits, prove
from skysort.classifier.rows import Prediction, labelled, softmax, unreadable
from skysort.errors import NotUnderstoodError, SkysortError
from skysort.pictures.decode import Pixels, UnreadablePictureError, decode
from skysort.pictures.parallel import in_order, threads_for
from skysort.pictures.sources import ImageFile, image_files

BATCH_PIXEL_BYTES = 2**20
"""Pictures of a batch together, as uint8: 341 of 32x32 RGB, 7 of 224x224."""


class Classifier:
    """A classifier folder, running on ONNX Runtime.

    Args:
        path: a run folder, its `classifier/` folder, or a copy of that.

    Raises:
        NotUnderstoodError: when there is nothing at the path.
        SkysortError: when a file is missing, altered, of a newer version, or gives other logits than its proof.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.folder = find_classifier(Path(path))
        self.table: ClassifierTable = read_table(self.folder)
        self.classes = self.table.classes
        self.shape = self.table.pictures.shape()
        self._session = _session(self.folder / MODEL)
        num_outputs = self._session.get_outputs()[0].shape[1]
        if num_outputs != len(self.classes):
            raise SkysortError(
                f"{self.folder}: classifier.json names {len(self.classes)} classes,"
                f" the model tells {num_outputs} apart"
            )
        expected = [self.shape.channels, self.shape.size, self.shape.size]
        if self._session.get_inputs()[0].shape[1:] != expected:
            raise SkysortError(
                f"{self.folder}: the model does not take the pictures that classifier.json describes"
            )
        self.difference = prove(self.folder / PROOF, self.logits, self.table.meaning)
        """Largest difference of any logit from the proof's."""

    @property
    def digest(self) -> str:
        """SHA-256 of model.onnx, which is what decides every answer."""
        return self.table.files[MODEL]

    def logits(self, pictures: Pixels) -> Logits:
        """Return (N, classes) float32 logits for (N, C, H, W) uint8 pictures, N any number."""
        step = self._batch_size
        parts = [self._run(pictures[start : start + step]) for start in range(0, len(pictures), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)

    def predict(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[Prediction]:
        """Return a prediction for every picture under some paths, in order.

        Args:
            paths: image files, folders (searched at any depth), zip and tar archives.

        Raises:
            NotUnderstoodError: when one of the paths is not there.
        """
        return list(self.stream(paths))

    def stream(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]]) -> Iterator[Prediction]:
        """Yield predictions as `predict` does, holding a batch of pictures and a folder's names at a time."""
        asked = [Path(paths)] if isinstance(paths, str | PathLike) else [Path(path) for path in paths]
        for path in asked:
            if not path.exists():
                raise NotUnderstoodError(f"{path}: no such file or folder")
        with ExitStack() as archives:
            decoded = self._decoded(image_files(asked, archives))
            while batch := list(islice(decoded, self._batch_size)):
                yield from self._predictions(batch)

    @property
    def _batch_size(self) -> int:
        return max(1, BATCH_PIXEL_BYTES // (self.shape.channels * self.shape.size**2))

    def _run(self, pictures: Pixels) -> Logits:
        (logits,) = self._session.run(None, {self._session.get_inputs()[0].name: pictures})
        return np.asarray(logits, np.float32)

    def _decoded(self, files: Iterator[ImageFile]) -> Iterator[tuple[str, Pixels | str]]:
        """Yield each file's picture, or the reason why there is none."""
        first = next(files, None)
        if first is None:
            return
        try:
            threads = threads_for(len(first[1]()))
        except UnreadablePictureError:
            threads = threads_for(np.inf)
        yield from in_order(self._decode, chain([first], files), threads)

    def _decode(self, file: ImageFile) -> tuple[str, Pixels | str]:
        path, read = file
        try:
            return path, decode(read(), self.shape)
        except UnreadablePictureError as reason:
            return path, str(reason)

    def _predictions(self, batch: Sequence[tuple[str, Pixels | str]]) -> Iterator[Prediction]:
        pictures = [picture for _, picture in batch if not isinstance(picture, str)]
        shares = iter(softmax(self.logits(np.stack(pictures)))) if pictures else iter(())
        for path, picture in batch:
            if isinstance(picture, str):
                yield unreadable(path, picture)
            else:
                yield labelled(path, next(shares), self.classes)


def load(path: str | PathLike[str]) -> Classifier:
    """Load a classifier and prove it.

    Args:
        path: a run folder, its `classifier/` folder, or a copy of that.

    Raises:
        NotUnderstoodError: when there is nothing at the path.
        SkysortError: when a file is missing, altered, of a newer version, or gives other logits than its proof.
    """
    return Classifier(path)


def _session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; the rest is for those who build the network
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no narrower base
        raise SkysortError(f"ONNX Runtime cannot run {model}: {error}") from None
