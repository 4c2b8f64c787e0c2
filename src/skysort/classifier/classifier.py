"""A classifier, loaded and checked against its proof, ready for pictures."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.damage import reading
from skysort.classifier.decision import Decision
from skysort.classifier.evidence import Evidence
from skysort.classifier.format import (
    DIGESTED,
    MODEL,
    PROOF,
    REFERENCE,
    ClassifierTable,
    find_classifier,
    read_table,
)
from skysort.classifier.inputs import PictureInput, PictureSource, pictures_in
from skysort.classifier.ood import Similarities, why_unknown
from skysort.classifier.predictions import Prediction, labelled, softmax, unreadable
from skysort.classifier.proof import Logits, prove, write_proof
from skysort.classifier.reference import Reference
from skysort.classifier.runtime import EVIDENCE, FEATURES, LOGITS, Session
from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.core.files import sha256
from skysort.data.decode import Pixels, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.parallel import groups, in_order, threads_for
from skysort.data.sources.base import SkippedFiles

BATCH_PIXEL_BYTES = 2**20
"""Size of a batch as uint8: 341 pictures of 32x32 RGB, or 7 of 224x224."""
SMALL_FILES_AT_A_TIME = 32
"""Files per task of a thread. A single small file takes hardly longer to decode than to hand over."""
FILES_LOOKED_AT = 32
"""At most so many files are decoded before their sizes decide the number of threads."""

Decoded = tuple[str, Pixels | str]
"""A path, and the picture or the reason why there is none."""
Explain = Callable[[Prediction, Pixels, Evidence], None]
"""Takes a picture's prediction, its (C, H, W) pixels for the network, and its (classes, h, w) evidence."""


class Classifier:
    """A classifier folder, running on ONNX Runtime.

    Args:
        path: a run folder, its `classifier/` folder, or a copy of that.

    Raises:
        NotUnderstoodError: when the path does not exist.
        SkysortError: when a file is missing, damaged, altered or of a newer version, or the model does not give
            the logits of its proof.
        MemoryError: when there is too little memory.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        folder = find_classifier(Path(path))
        with reading(folder):
            self._open(folder, read_table(folder))
            self.difference = prove(folder / PROOF, self.logits, self.table.meaning)
        """Largest difference of a logit from the proof."""

    @classmethod
    def unproved(cls, folder: Path, table: ClassifierTable) -> Self:
        """Return an unfinished classifier: the folder has model.onnx, and `write` adds the other files."""
        classifier = cls.__new__(cls)
        classifier._open(folder, table)
        return classifier

    def _open(self, folder: Path, table: ClassifierTable) -> None:
        self.folder, self.table, self.classes = folder, table, table.classes
        self.shape = table.pictures.shape()
        self._session = Session(folder / MODEL, self.shape, len(self.classes))
        self.reference: Reference | None = None
        if table.has_reference:
            self._take(Reference.read(folder / REFERENCE))

    def _take(self, reference: Reference) -> None:
        num_features = reference.features.shape[1]
        if self._session.num_features != num_features:
            raise SkysortError(
                "altered-classifier",
                f"{self.folder / REFERENCE} has {num_features} features per picture, but the model gives"
                f" {self._session.num_features or 'none'}",
            )
        self.reference = reference

    def write_reference(self, reference: Reference) -> None:
        """Write reference.npz into an unfinished classifier, and take it from now on.

        Raises:
            SkysortError: when the model gives other features, or the file cannot be written.
        """
        self._take(reference)
        reference.write(self.folder / REFERENCE)

    def write(self, pictures: Pixels, logits: Logits) -> None:
        """Write the proof, check the classifier against it, and write classifier.json.

        Args:
            pictures: (N, C, H, W) uint8, for the proof.
            logits: (N, classes) float32, which the model must give for these pictures.

        Raises:
            SkysortError: when the logits of the model differ by too much, or a file cannot be written.
        """
        write_proof(self.folder / PROOF, pictures, logits, self.table.meaning)
        self.difference = prove(self.folder / PROOF, self.logits, self.table.meaning)
        digests = {name: sha256(self.folder / name) for name in DIGESTED if (self.folder / name).exists()}
        self.table = self.table.model_copy(update={"files": digests, "proof_difference": self.difference})
        self.table.write(self.folder)

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Pickle the path of the folder; unpickling loads and checks it again."""
        return type(self), (self.folder.absolute(),)

    @property
    def digest(self) -> str:
        """SHA-256 of model.onnx, which decides every answer except whether a picture is unknown."""
        return self.table.files[MODEL]

    def decision(self, name: str) -> Decision:
        """Return a decision by its name.

        Raises:
            NotUnderstoodError: when the classifier has no decision of this name.
        """
        for decision in self.table.decisions:
            if decision.name == name:
                return decision
        if not self.table.decisions:
            raise NotUnderstoodError(
                "unknown-decision", f"{self.folder} has no decision; make one with skysort decide"
            )
        raise unknown("decision", name, [decision.name for decision in self.table.decisions])

    def logits(self, pictures: Pixels) -> Logits:
        """Return (N, classes) float32 logits for any number N of (N, C, H, W) uint8 pictures."""
        step = self.batch_size
        parts = [self._session.run(pictures[start : start + step]) for start in range(0, len(pictures), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)

    @property
    def has_evidence(self) -> bool:
        """Whether the model says where its evidence lies."""
        return EVIDENCE in self._session.outputs

    def evidence(self, pictures: Pixels) -> Evidence:
        """Return (N, classes, h, w) float32 evidence for (N, C, H, W) uint8 pictures, N at least 1.

        A class's evidence adds up, over places, to its logit times the temperature, less its bias. The classifier
        must have `has_evidence`.
        """
        step = self.batch_size
        starts = range(0, len(pictures), step)
        return np.concatenate([self._session.evidence(pictures[start : start + step]) for start in starts])

    def logits_and_similarities(self, pictures: Pixels) -> tuple[Logits, Similarities | None]:
        """Return logits as `logits` does, and the (N,) similarities to the reference; None if there is none."""
        logits, similarities, _ = self._outputs(pictures, explain=False)
        return logits, similarities

    def nearest(self, pictures: Pixels, num: int) -> NDArray[np.int64]:
        """Return the (N, num) rows of the reference whose features are most like those of pictures, nearest first.

        The classifier must have a reference. Where that has fewer rows than `num`, there are as many columns.

        Args:
            pictures: (N, C, H, W) uint8, N at least 1.
            num: of rows per picture.
        """
        assert self.reference
        step = self.batch_size
        starts = range(0, len(pictures), step)
        parts = [self._session.run_with(pictures[start : start + step], FEATURES)[FEATURES] for start in starts]
        return self.reference.nearest(np.concatenate(parts), num)

    def _outputs(self, pictures: Pixels, *, explain: bool) -> tuple[Logits, Similarities | None, Evidence | None]:
        """Return logits, similarities and, to explain them, the evidence, from one pass through the network."""
        others = [*([FEATURES] if self.reference else []), *([EVIDENCE] if explain else [])]
        if not others or not len(pictures):
            return self.logits(pictures), None, None
        step = self.batch_size
        parts = [
            self._session.run_with(pictures[start : start + step], *others)
            for start in range(0, len(pictures), step)
        ]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        similarities = self.reference.similarities(outputs[FEATURES]) if self.reference else None
        return outputs[LOGITS], similarities, outputs.get(EVIDENCE)

    def predict(self, pictures: PictureInput | Iterable[PictureInput]) -> list[Prediction]:
        """Return one prediction per picture, in order.

        Args:
            pictures: one or several of: the path of an image file, a folder (searched at any depth), or a zip or
                tar archive; the bytes of an image file, or a file opened with "rb"; a PIL image; a (H, W, 3) or
                (H, W) uint8 array, RGB or grey. A picture without a file name gets the path `<picture 0>` and so
                on.

        Raises:
            NotUnderstoodError: for any other type, or a path that does not exist.
        """
        return list(self.stream(pictures))

    def stream(
        self,
        pictures: PictureInput | Iterable[PictureInput],
        passed: SkippedFiles | None = None,
        explain: Explain | None = None,
    ) -> Generator[Prediction, None, None]:
        """Yield predictions as `predict` does. The pictures may be endless: two batches are in memory at a time.

        Threads decode the next batch while the network runs. They end with the generator.

        Args:
            pictures: as for `predict`.
            passed: collects the files under the paths that are hidden, or are no pictures.
            explain: is called for each picture that could be read. The classifier must have `has_evidence`.
        """
        # Archives close last: the decoding threads may read them until they end.
        with ExitStack() as archives:
            files = pictures_in(pictures, self.shape, archives, passed or SkippedFiles())
            with closing(self._decoded(files)) as decoded:
                for batch in groups(decoded, self.batch_size):
                    yield from self._predictions(batch, explain)

    def answer(self, decoded: Sequence[Decoded], explain: Explain | None = None) -> list[Prediction]:
        """Return one prediction per picture, decoded to this classifier's shape.

        Args:
            decoded: the pictures.
            explain: as for `stream`.
        """
        return list(self._predictions(decoded, explain))

    @property
    def batch_size(self) -> int:
        """Number of pictures that go through the network together."""
        return max(1, BATCH_PIXEL_BYTES // (self.shape.channels * self.shape.size**2))

    def _decoded(self, files: Iterator[PictureSource]) -> Generator[Decoded, None, None]:
        """Yield each file's picture, or the reason why there is none.

        Threads decode the next batch while the network runs.
        """
        # One large file decides: small ones hardly count beside it.
        threads = 1
        for path, read in islice(files, FILES_LOOKED_AT):
            picture, size = self._decode_file(path, read)
            yield path, picture
            threads = threads_for(size)
            if threads > 1:
                break
        num = SMALL_FILES_AT_A_TIME if threads == 1 else 1
        ahead = max(2 * threads, self.batch_size // num)
        for group in in_order(self._decode_files, groups(files, num), threads, ahead):
            for (path, read), first_try in group:
                # If memory was short, try again. The threads take no further files while this waits for memory.
                yield path, self._decode_file(path, read)[0] if first_try is None else first_try

    def _decode_files(self, files: Iterable[PictureSource]) -> list[tuple[PictureSource, Pixels | str | None]]:
        """Return each file with its picture, the reason why there is none, or None if memory was short."""
        decoded: list[tuple[PictureSource, Pixels | str | None]] = []
        for path, read in files:
            picture = None
            with suppress(MemoryError):
                picture, _ = self._decode_file(path, read)
            decoded.append(((path, read), picture))
        return decoded

    def _decode_file(self, path: str, read: Callable[[], bytes | Pixels]) -> tuple[Pixels | str, int]:
        """Return a picture or the reason why there is none, and the size of the file.

        Raises:
            MemoryError: when memory is short. The message names the picture.
        """
        size = 0
        try:
            content = read()
            if not isinstance(content, bytes):
                return content, size
            size = len(content)
            return decode(content, self.shape), size
        except UnreadablePictureError as reason:
            return str(reason), size
        except MemoryError as lack:
            raise MemoryError(f"{path}: {str(lack) or 'too little to decode it'}") from None

    def _predictions(self, batch: Sequence[Decoded], explain: Explain | None = None) -> Iterator[Prediction]:
        pictures = [picture for _, picture in batch if not isinstance(picture, str)]
        stacked = np.stack(pictures) if pictures else np.zeros(0, np.uint8)
        logits, similarities, places = self._outputs(stacked, explain=explain is not None)
        evidence = iter(() if places is None else places)
        likenesses = [None] * len(logits) if similarities is None else similarities.tolist()
        reasons = why_unknown(self.table.unknown, logits, similarities)
        answers = zip(softmax(logits), reasons, likenesses, strict=True)
        for path, picture in batch:
            if isinstance(picture, str):
                yield unreadable(path, picture)
            else:
                shares, why, similarity = next(answers)
                prediction = labelled(path, shares, self.classes, why, similarity)
                if explain:
                    explain(prediction, picture, next(evidence))
                yield prediction


def predict(
    classifier: str | PathLike[str] | Classifier, pictures: PictureInput | Iterable[PictureInput]
) -> Iterator[Prediction]:
    """Yield one prediction per picture, in order. The pictures may be endless.

    Args:
        classifier: a run folder, its `classifier/` folder, a copy of that, or a loaded classifier.
        pictures: as for `Classifier.predict`: paths, folders, archives, bytes, open files, images or arrays.

    Raises:
        NotUnderstoodError: when a path does not exist, or an argument is no picture.
        SkysortError: when the classifier is damaged.
    """
    loaded = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    return loaded.stream(pictures)


def load(path: str | PathLike[str]) -> Classifier:
    """Load a classifier and check it against its proof.

    Args:
        path: a run folder, its `classifier/` folder, or a copy of that.

    Raises:
        NotUnderstoodError: when the path does not exist.
        SkysortError: when a file is missing, damaged, altered or of a newer version, or the model does not give
            the logits of its proof.
        MemoryError: when there is too little memory.
    """
    return Classifier(path)
