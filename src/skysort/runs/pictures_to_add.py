"""The answered pictures that an improved run starts with: chosen from a journal and the run before, and copied."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from skysort.classifier.predictions import write_rows
from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file, write_whole
from skysort.data.additions import FOLDER, TABLE
from skysort.data.sources.csv_table import read_rows
from skysort.runs.folder import Run
from skysort.work.answered_pictures import AnsweredPictures

COLUMNS = ("path", "label", "split", "digest", "journal")
FEWEST_OF_NEW_CLASS = 3
"""Groups of corrections that a new class takes: cross-validation holds one out, another chooses a penalty."""


@dataclass(frozen=True)
class PictureToAdd:
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
class PicturesToAdd:
    """The answered pictures, and how many others there are."""

    pictures: list[PictureToAdd] = field(default_factory=list)
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


def pictures_to_add(
    answered: AnsweredPictures, before: Run, journal: str, classes: tuple[str, ...]
) -> PicturesToAdd:
    """Return the answered pictures for a run that improves another one.

    Corrections that the run before learned from stay, unless this is their journal and they were taken back.

    Args:
        answered: of the journal.
        before: the run to improve.
        journal: token of the journal.
        classes: of the run before.
    """
    earlier = list(_answered_before(before))
    copies = {picture.digest: picture.places for picture in earlier}
    learned = frozenset((picture.digest, picture.label) for picture in earlier if picture.part == "train")
    to_add = PicturesToAdd(learned_before=learned)
    usable: list[PictureToAdd] = []
    for picture in answered.pictures:
        digest = picture.row.digest
        if places := (*((picture.place,) if picture.is_there else ()), *copies.get(digest, ())):
            usable.append(PictureToAdd(digest, picture.label, picture.part, journal, places))
        else:
            to_add.gone.append(picture.place)
    answered_here = {picture.row.digest for picture in answered.pictures}
    usable += [
        picture
        for picture in earlier
        if picture.part == "train" and picture.journal != journal and picture.digest not in answered_here
    ]
    num_corrections = Counter(picture.label for picture in usable if picture.part == "train")
    new = {name for name, num in num_corrections.items() if name not in classes and num >= FEWEST_OF_NEW_CLASS}
    to_add.new_classes = tuple(sorted(new))
    to_add.pictures = usable
    to_add.leave_out({picture.label for picture in usable} - new - set(classes))
    return to_add


def _answered_before(run: Run) -> Iterable[PictureToAdd]:
    """Yield the answered pictures that a run has; none unless it improves another one.

    Raises:
        SkysortError: when answers.csv is damaged.
    """
    path = run.path / FOLDER / TABLE
    if not run.improvement:
        return
    try:
        for row in read_rows(path):
            digest, journal = row.others["digest"], row.others["journal"]
            yield PictureToAdd(digest, row.label, row.split, journal, (path.parent / row.path,))
    except (SkysortError, KeyError) as error:
        raise damaged("damaged-run", path, error) from None


def copy_into(folder: Path, to_add: PicturesToAdd) -> None:
    """Copy the pictures into the folder of answers of a run, and write answers.csv.

    The copies stay when the watcher or a person moves the pictures. Those that are gone meanwhile are left out.

    Args:
        folder: of the run, which has no folder of answers yet.
        to_add: pictures; those that are gone are moved to `gone`.
    """
    answers = folder / FOLDER
    answers.mkdir()
    for picture in list(to_add.pictures):
        content = next(filter(None, (_content(place, picture.digest) for place in picture.places)), None)
        if content is None:
            to_add.pictures.remove(picture)
            to_add.gone.append(picture.places[0])
            continue
        write_whole(answers / picture.name, content)
    write_table(folder, to_add)


def write_table(folder: Path, to_add: PicturesToAdd) -> None:
    """Write answers.csv of a run, whose copies are there."""
    rows = [(one.name, one.label, one.part, one.digest, one.journal) for one in to_add.pictures]
    with whole_file(folder / FOLDER / TABLE, newline="") as file:
        write_rows([COLUMNS, *rows], file)


def _content(place: Path, digest: str) -> bytes | None:
    """Return the bytes of a picture; None if it is not there any more."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
