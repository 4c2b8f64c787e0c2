"""Helpers for tests of moves: pictures, rows and a classifier that decides by the first pixel."""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from skysort.classifier.classifier import Decoded
from skysort.classifier.predictions import Prediction, labelled, unreadable
from skysort.data.decode import Shape
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Kind, Settings, replaced
from skysort.work.moves import MoveResult
from skysort.work.names import identity

CLASSES = ("airplane", "bird")
EVERYTHING: Sequence[bytes] = ()
SETTINGS = Settings("watch", "0" * 64, CLASSES, keep=("bird",))


class FirstPixel:
    """Stands for a classifier: a dark first pixel is an airplane."""

    classes = CLASSES
    digest = "0" * 64
    shape = Shape(8, 3)
    batch_size = 8
    table = SimpleNamespace(unknown=None)

    def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
        return [
            unreadable(path, picture)
            if isinstance(picture, str)
            else labelled(path, np.array([0.9, 0.1] if picture[0, 0, 0] < 128 else [0.1, 0.9]), CLASSES)
            for path, picture in decoded
        ]


def picture(value: int, size: int = 8) -> bytes:
    """A grey picture: below 128 an airplane. Equal bytes for equal values."""
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def row_for(source: Path, place: Path, kind: Kind = "move") -> JournalEntry:
    content = source.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return JournalEntry(
        kind, source, place, digest, identity(source), "set-aside", "airplane", (0.9, 0.1), session=1
    )


def files_below(*folders: Path) -> dict[Path, bytes]:
    """Every file in some folders, hidden ones too. A running watcher may remove temporary files meanwhile."""
    files: dict[Path, bytes] = {}
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                with suppress(FileNotFoundError):
                    files[Path(folder, name)] = Path(folder, name).read_bytes()
    return files


def check_that_nothing_is_lost(
    arrived: Sequence[bytes], journal: Path, *folders: Path, unknown: Sequence[bytes] = EVERYTHING
) -> None:
    """Every picture that arrived is there, as often as it arrived, and where the journal says.

    Args:
        arrived: contents of files.
        journal: the folder of the journal.
        folders: where the pictures may be.
        unknown: contents that the journal need not know.
    """
    found = files_below(*folders)
    there, expected = Counter(found.values()), Counter(arrived)
    ends = [[content[-30:] for content in contents] for contents in (expected - there, there - expected)]
    assert there == expected, f"lost, by the last bytes: {ends[0]}; too many: {ends[1]}"
    with Journal(journal) as opened:
        assert opened.unfinished() == []
        last: dict[Path, JournalEntry] = {}
        for row in opened.rows():
            last.setdefault(row.place, row)
        moved_on = {row.source: row.id for row in reversed(list(opened.rows())) if row.kind in ("move", "remove")}
        known = set(last) | {row.source for row in opened.rows() if row.kind == "copy"}
    strangers = {path for path, content in found.items() if content not in unknown} - known
    assert unknown is EVERYTHING or not strangers, f"the journal does not know {sorted(map(str, strangers))}"
    for place, row in last.items():
        if moved_on.get(place, 0) < row.id:
            assert place in found, f"row {row.id} says {place}"
            assert hashlib.sha256(found[place]).hexdigest() == row.digest


def with_session(journal: Journal, rows: Sequence[JournalEntry]) -> list[JournalEntry]:
    session = journal.session(SETTINGS)
    return [replaced(row, session=session) for row in rows]


def errno_of(outcome: MoveResult) -> int | None:
    """Return the errno of a failed move."""
    return getattr(outcome.error, "errno", None)
