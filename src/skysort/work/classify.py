"""The pictures of an inbox, classified. Each file is read once, for its digest and for its pixels."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.decision import Action, check_kept
from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError
from skysort.core.log import as_text
from skysort.data.capture import Capture, capture_of
from skysort.data.decode import Pixels, Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import unfinished
from skysort.data.memory import room_for
from skysort.data.parallel import in_order, threads_for
from skysort.data.sources.archive_files import check_file_size
from skysort.work.attempts import MOST_DEATHS, Attempts
from skysort.work.journal_entries import By, Identity, JournalEntry, Kind
from skysort.work.names import ChangedError, identity_of

# These flags follow no link, and do not block on a file that has become a pipe.
OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Rule(Protocol):
    """Turns predictions into actions; a `Decision` is one."""

    @property
    def keep(self) -> tuple[str, ...]:
        """Classes to keep, in the classifier's order."""

    def action(self, prediction: Prediction) -> Action:
        """Return the action for a picture."""


@dataclass(frozen=True)
class LabelRule:
    """Keep pictures with certain labels, and set aside those with others. There is no guarantee."""

    keep: tuple[str, ...]

    @classmethod
    def among(cls, keep: Sequence[str], classes: Sequence[str]) -> "LabelRule":
        """Make a rule for the classes of a classifier.

        Raises:
            NotUnderstoodError: for a class that the classifier does not have, or when no class is left to set
                aside.
        """
        check_kept(classes, keep)
        return cls(tuple(name for name in classes if name in keep))

    def action(self, prediction: Prediction) -> Action:
        """Return the action for a picture."""
        if prediction.status != "ok":
            return "review"
        return "keep" if prediction.label in self.keep else "set-aside"


class ReadFile(NamedTuple):
    """A file that was read whole."""

    path: Path
    file: Identity
    digest: str
    picture: Pixels | str
    """Its pixels, or the reason why there are none."""
    not_ended: str | None
    """The sign that more of the file may follow; None if there is no such sign."""
    capture: Capture | None
    """How it was taken; None if it cannot be decoded."""


@dataclass(frozen=True)
class ClassifiedFile:
    """A file that was read, and the classifier's prediction."""

    path: Path
    file: Identity
    digest: str
    prediction: Prediction
    not_ended: str | None = None
    """The sign that more of the file may follow, although its first picture is whole."""
    capture: Capture | None = None
    """How it was taken; None if it cannot be decoded."""

    def entry(
        self, kind: Kind, place: Path, session: int, by: By, action: str = "", reason: str | None = None
    ) -> JournalEntry:
        """Return the journal's entry for a move of this file. The reason is the classifier's unless given."""
        prediction = self.prediction
        reason = reason or prediction.reason or ("" if prediction.status == "ok" else prediction.status)
        return JournalEntry(
            kind, self.path, place, self.digest, self.file, action, prediction.label,
            tuple(prediction.probabilities.values()), reason, session=session, by=by,
            similarity=prediction.similarity, **(self.capture._asdict() if self.capture else {}),
        )  # fmt: skip


def check_bound(unsure_below: float | None) -> None:
    """Check the bound on confidence.

    Raises:
        NotUnderstoodError: when it is not from 0 to 1.
    """
    if unsure_below is not None and not 0 <= unsure_below <= 1:
        raise NotUnderstoodError(
            "wrong-value", f"--unsure-below takes a confidence from 0 to 1, such as 0.8; found {unsure_below}"
        )


def is_unsure(prediction: Prediction, below: float | None) -> bool:
    """Tell whether the confidence is below a bound; None for no bound."""
    return below is not None and prediction.confidence is not None and prediction.confidence < below


def why_unsure(prediction: Prediction, below: float | None) -> str:
    """Return the reason why an unsure picture goes to review."""
    return f"unsure: confidence {prediction.confidence:.3f} is below {below}"


def classify(
    classifier: Classifier, paths: Sequence[Path], attempts: Attempts
) -> tuple[list[ClassifiedFile], dict[Path, Exception]]:
    """Read files and classify them as one batch.

    Args:
        classifier: for the batch.
        paths: of the files.
        attempts: records the files while they are decoded and classified.

    Returns:
        The classified files, unreadable pictures among them; and the files that could not be read or classified
        now, each with the error.

    Raises:
        SkysortError: when the attempts cannot be recorded.
    """
    files: list[ReadFile] = []
    failed: dict[Path, Exception] = {}
    threads = threads_for(_size(paths[0])) if paths else 1
    with attempts.recording(paths):
        read_one = partial(_read, classifier.shape, attempts)
        for path, file in zip(paths, in_order(read_one, paths, threads), strict=True):
            if isinstance(file, Exception):
                failed[path] = file
            else:
                files.append(file)
        predictions = _predictions(classifier, [(str(file.path), file.picture) for file in files])
    classified = []
    for file, prediction in zip(files, predictions, strict=True):
        if isinstance(prediction, Exception):
            failed[file.path] = prediction
        else:
            classified.append(
                ClassifiedFile(file.path, file.file, file.digest, prediction, file.not_ended, file.capture)
            )
    return classified, failed


def _predictions(classifier: Classifier, decoded: Sequence[Decoded]) -> Sequence[Prediction | Exception]:
    """Return a prediction per picture. If the batch fails, run each picture alone, and return its own error."""
    try:
        return classifier.answer(decoded)
    except Exception as error:
        if len(decoded) == 1:
            return [error]
        return [prediction for one in decoded for prediction in _predictions(classifier, [one])]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _read(shape: Shape, attempts: Attempts, path: Path) -> ReadFile | Exception:
    """Read and decode a file; return the error where it cannot be read now."""
    try:
        with open(os.open(path, OPENED), "rb") as opened:  # noqa: PTH123 - a path's own open takes no flags
            file = identity_of(os.fstat(opened.fileno()), path)
            picture: Pixels | str
            not_ended, capture = None, None
            try:
                if attempts.is_given_up(path, file):
                    raise UnreadablePictureError(f"{MOST_DEATHS} processes died while they classified it")
                check_file_size(file.size)
                with room_for(file.size):
                    content = opened.read()
                digest = hashlib.sha256(content).hexdigest()
                picture = decode(content, shape)
                not_ended = unfinished(content)
                capture = capture_of(picture, content)
            except (OSError, MemoryError):  # the drive or the computer is at fault, not the picture
                raise
            except Exception as error:
                is_known = isinstance(error, UnreadablePictureError)
                picture = str(error) if is_known else f"cannot be decoded: {as_text(error)}"
                opened.seek(0)
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if identity_of(os.fstat(opened.fileno()), path) != file:
                raise ChangedError("the file changed while it was read")
            return ReadFile(path, file, digest, picture, not_ended, capture)
    except Exception as error:
        return error
