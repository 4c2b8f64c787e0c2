"""The answered pictures that an improved run starts with: chosen from a journal and the run before, and copied."""

import csv
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from skysort.classifier.predictions import write_rows
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file, write_whole
from skysort.data.additions import FOLDER, TABLE
from skysort.runs.folder import Run
from skysort.work.lessons import Lessons

COLUMNS = ("path", "label", "split", "digest", "journal")
FEWEST_OF_NEW_CLASS = 3
"""Groups of corrections that a new class takes: cross-validation holds one out, another chooses a penalty."""


@dataclass(frozen=True)
class AnsweredPicture:
    """A picture that an improved run learns from, or is measured with."""

    digest: str
    """SHA-256 of the file."""
    label: str
    part: str
    """`train`, `calibration` or `test`."""
    journal: str
    """Token of the journal that has the answer."""
    places: tuple[Path, ...]
    """Where the file may be, the best place first."""

    @property
    def name(self) -> str:
        """Of its copy in the folder of answers."""
        suffix = self.places[0].suffix.lower()
        return f"{self.digest}{suffix if suffix.isascii() else ''}"


@dataclass
class Answered:
    """The answered pictures, and how many others there are."""

    pictures: list[AnsweredPicture] = field(default_factory=list)
    new_classes: tuple[str, ...] = ()
    unused_classes: Counter[str] = field(default_factory=Counter)
    """Number of answers with a class that has too few corrections to learn from."""
    learned_before: frozenset[tuple[str, str]] = frozenset()
    """Digest and label of the corrections that the run before learned from."""
    gone: list[Path] = field(default_factory=list)
    """Where pictures were that are not there any more."""

    def leave_out(self, classes: Collection[str]) -> None:
        """Leave out the pictures of new classes."""
        self.unused_classes.update(picture.label for picture in self.pictures if picture.label in classes)
        self.pictures = [picture for picture in self.pictures if picture.label not in classes]
        self.new_classes = tuple(name for name in self.new_classes if name not in classes)

    def num(self, part: str) -> int:
        """Return how many pictures there are for a part."""
        return sum(picture.part == part for picture in self.pictures)

    @property
    def num_new_corrections(self) -> int:
        """How many corrections the run before did not learn from."""
        pairs = {(picture.digest, picture.label) for picture in self.pictures if picture.part == "train"}
        return len(pairs - self.learned_before)


def answered(lessons: Lessons, before: Run, journal: str, classes: tuple[str, ...]) -> Answered:
    """Return the answered pictures for a run that improves another one.

    Corrections that the run before learned from stay, unless this is their journal and they were taken back.

    Args:
        lessons: of the journal.
        before: the run to improve.
        journal: token of the journal.
        classes: of the run before.
    """
    earlier = list(_answered_before(before))
    copies = {picture.digest: picture.places for picture in earlier}
    learned = frozenset((picture.digest, picture.label) for picture in earlier if picture.part == "train")
    found = Answered(learned_before=learned)
    usable: list[AnsweredPicture] = []
    for lesson in lessons.lessons:
        digest = lesson.row.digest
        if places := (*((lesson.place,) if lesson.is_there else ()), *copies.get(digest, ())):
            usable.append(AnsweredPicture(digest, lesson.label, lesson.part, journal, places))
        else:
            found.gone.append(lesson.place)
    answered_here = {lesson.row.digest for lesson in lessons.lessons}
    usable += [
        picture
        for picture in earlier
        if picture.part == "train" and picture.journal != journal and picture.digest not in answered_here
    ]
    num_corrections = Counter(picture.label for picture in usable if picture.part == "train")
    new = {name for name, num in num_corrections.items() if name not in classes and num >= FEWEST_OF_NEW_CLASS}
    found.new_classes = tuple(sorted(new))
    found.pictures = usable
    found.leave_out({picture.label for picture in usable} - new - set(classes))
    return found


def _answered_before(run: Run) -> Iterable[AnsweredPicture]:
    """Yield the answered pictures that a run has; none unless it improves another one.

    Raises:
        SkysortError: when answers.csv is damaged.
    """
    path = run.path / FOLDER / TABLE
    if not run.improvement:
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                name, label, part, digest, journal = (row[column] for column in COLUMNS)
                yield AnsweredPicture(digest, label, part, journal, (path.parent / name,))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise SkysortError("damaged-run", f"{path} is damaged: {error}") from None


def copy_into(folder: Path, found: Answered) -> None:
    """Copy the pictures into the folder of answers of a run, and write answers.csv.

    The copies stay when the watcher or a person moves the pictures. Those that are gone meanwhile are left out.

    Args:
        folder: of the run, which has no folder of answers yet.
        found: pictures; those that are gone are moved to `gone`.
    """
    answers = folder / FOLDER
    answers.mkdir()
    for picture in list(found.pictures):
        content = next(filter(None, (_content(place, picture.digest) for place in picture.places)), None)
        if content is None:
            found.pictures.remove(picture)
            found.gone.append(picture.places[0])
            continue
        write_whole(answers / picture.name, content)
    write_table(folder, found)


def write_table(folder: Path, found: Answered) -> None:
    """Write answers.csv of a run, whose copies are there."""
    rows = [(one.name, one.label, one.part, one.digest, one.journal) for one in found.pictures]
    with whole_file(folder / FOLDER / TABLE, newline="") as file:
        write_rows([COLUMNS, *rows], file)


def _content(place: Path, digest: str) -> bytes | None:
    """Return the bytes of a picture; None if it is not there any more."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
