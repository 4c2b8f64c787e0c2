"""What is on the pictures of an inbox, and what to do with each: each file is read once for all of it."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.decision import Action
from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.log import as_text
from skysort.data.decode import Pixels, Shape, UnreadablePictureError, decode
from skysort.data.formats.signature import unfinished
from skysort.data.memory import room_for
from skysort.data.parallel import in_order, threads_for
from skysort.data.sources.archive import check_file_size
from skysort.work.attempts import MOST_DEATHS, Attempts
from skysort.work.journal_entries import Identity, JournalEntry, Kind
from skysort.work.names import ChangedError, identity_of

# A link is never followed, and what has become a pipe does not hold everything up.
OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Rule(Protocol):
    """What says what to do with a picture; a `Decision` is one."""

    @property
    def keep(self) -> tuple[str, ...]:
        """Classes to keep, in the classifier's order."""

    def action(self, prediction: Prediction) -> Action:
        """Return what to do with a picture."""


@dataclass(frozen=True)
class LabelRule:
    """Keep what has one of some labels, and set aside what has another. Nothing is promised of what is lost."""

    keep: tuple[str, ...]

    @classmethod
    def among(cls, keep: Sequence[str], classes: Sequence[str]) -> "LabelRule":
        """Check that there is something to keep and something to set aside.

        Raises:
            NotUnderstoodError: when there is not, or for a class that the classifier does not know.
        """
        for name in keep:
            if name not in classes:
                raise unknown("class", name, classes)
        if set(keep) == set(classes):
            raise NotUnderstoodError("wrong-value", "every class is to be kept: there is nothing to set aside")
        return cls(tuple(name for name in classes if name in keep))

    def action(self, prediction: Prediction) -> Action:
        """Return what to do with a picture."""
        if prediction.status != "ok":
            return "review"
        return "keep" if prediction.label in self.keep else "set-aside"


@dataclass(frozen=True)
class ClassifiedFile:
    """A picture that was read, and what the classifier says of it."""

    path: Path
    file: Identity
    digest: str
    prediction: Prediction
    not_ended: str | None = None
    """Why the file may still be on its way although its first picture is whole."""

    def row(self, kind: Kind, place: Path, action: str = "", reason: str | None = None) -> JournalEntry:
        """Return the journal's row for what to do with it, for a reason of its own or the classifier's."""
        said = self.prediction
        reason = reason or said.reason or ("" if said.status == "ok" else said.status)
        return JournalEntry(
            kind, self.path, place, self.digest, self.file, action, said.label,
            tuple(said.probabilities.values()), reason,
        )  # fmt: skip


def check_bound(unsure_below: float | None) -> None:
    """Make sure that a bound on confidence is one.

    Raises:
        NotUnderstoodError: when it is not from 0 to 1.
    """
    if unsure_below is not None and not 0 <= unsure_below <= 1:
        raise NotUnderstoodError(
            "wrong-value", f"--unsure-below takes a confidence from 0 to 1, such as 0.8; found {unsure_below}"
        )


def is_unsure(prediction: Prediction, below: float | None) -> bool:
    """Tell whether the likeliest class is less likely than asked for; None asks for nothing."""
    return below is not None and prediction.confidence is not None and prediction.confidence < below


def why_unsure(prediction: Prediction, below: float | None) -> str:
    """Return the reason why such a picture is to be looked at."""
    return f"unsure: the likeliest class has {prediction.confidence:.3f}, less than {below}"


def judge(
    classifier: Classifier, paths: Sequence[Path], attempts: Attempts
) -> tuple[list[ClassifiedFile], dict[Path, Exception]]:
    """Read some pictures and run them through the network together.

    Args:
        classifier: that judges.
        paths: of pictures.
        attempts: where it is noted that they are being judged.

    Returns:
        The pictures, unreadable ones among them, and the files that could not be read or judged now, each with the
        error.

    Raises:
        SkysortError: when it cannot be noted.
    """
    files: list[tuple[Path, Identity, str, str | None]] = []
    decoded: list[Decoded] = []
    failed: dict[Path, Exception] = {}
    threads = threads_for(_size(paths[0])) if paths else 1
    with attempts.judging(paths):
        read_one = partial(_read, classifier.shape, attempts)
        for path, read in zip(paths, in_order(read_one, paths, threads), strict=True):
            if isinstance(read, Exception):
                failed[path] = read
            else:
                file, digest, picture, not_ended = read
                files.append((path, file, digest, not_ended))
                decoded.append((str(path), picture))
        answers = _answers(classifier, decoded)
    judged = []
    for (path, file, digest, not_ended), answer in zip(files, answers, strict=True):
        if isinstance(answer, Exception):
            failed[path] = answer
        else:
            judged.append(ClassifiedFile(path, file, digest, answer, not_ended))
    return judged, failed


def _answers(classifier: Classifier, decoded: Sequence[Decoded]) -> Sequence[Prediction | Exception]:
    """Return an answer for each picture; where they fail together, each is asked for by itself."""
    try:
        return classifier.answer(decoded)
    except Exception as error:
        if len(decoded) == 1:
            return [error]
        return [answer for one in decoded for answer in _answers(classifier, [one])]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _read(
    shape: Shape, attempts: Attempts, path: Path
) -> tuple[Identity, str, Pixels | str, str | None] | Exception:
    """Read a file; return why that cannot be done now where it cannot.

    Else return what file it is, its digest, its picture or why there is none, and why the file has not ended.
    """
    try:
        with open(os.open(path, OPENED), "rb") as opened:  # noqa: PTH123 - a path's own open takes no flags
            file = identity_of(os.fstat(opened.fileno()), path)
            picture: Pixels | str
            not_ended = None
            try:
                if attempts.is_given_up(path, file):
                    raise UnreadablePictureError(f"{MOST_DEATHS} processes ended while they judged it")
                check_file_size(file.size)
                with room_for(file.size):
                    content = opened.read()
                digest = hashlib.sha256(content).hexdigest()
                picture = decode(content, shape)
                not_ended = unfinished(content)
            except (OSError, MemoryError):  # of the drive and the computer, not of the picture
                raise
            except Exception as error:
                known = isinstance(error, UnreadablePictureError)
                picture = str(error) if known else f"cannot be decoded: {as_text(error)}"
                opened.seek(0)
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if identity_of(os.fstat(opened.fileno()), path) != file:
                raise ChangedError("it was written to while it was read")
            return file, digest, picture, not_ended
    except Exception as error:
        return error
