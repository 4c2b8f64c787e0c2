"""Pictures that a person dragged from the folder where they were put into the folder of a class."""

from collections.abc import Mapping
from pathlib import Path

from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings
from skysort.work.names import stands
from skysort.work.settle import holds


def dragged(journal: Journal) -> dict[Path, str]:
    """Return pictures that stand in the folder of a class and were put elsewhere, and the class: a person's word.

    A picture keeps its name when it is dragged; that it is the same one is told by its bytes. The class may be the
    one that the picture was labelled with, as when it comes from the folder of unsure ones.
    """
    found: dict[Path, str] = {}
    settings: dict[int, Settings] = {}
    for row in journal.rows(takeable="moves"):
        if row.session not in settings:
            settings[row.session] = journal.settings(row.session)
        folders = class_folders(settings[row.session])
        if not folders or not _is_gone(row.place):
            continue
        for label, folder in folders.items():
            if row.place.is_relative_to(folder):  # who tidies up within a class says nothing of it
                continue
            for path in _where_it_may_be(row, folder, settings[row.session]):
                if path not in found and is_at(path, row) and not _was_put_at(journal, path, row.digest):
                    found[path] = label
    return found


def class_folders(settings: Settings) -> Mapping[str, Path]:
    """Return the folder of each class that has one of its own, by the settings that pictures were put by."""
    folders = settings.folders
    if settings.by == "sort":
        return {name: Path(folders["to"], name) for name in settings.classes} if "to" in folders else {}
    others = [name for name in settings.classes if name not in settings.keep]
    found = {}
    if len(settings.keep) == 1 and "keep-to" in folders:
        found[settings.keep[0]] = Path(folders["keep-to"])
    if len(others) == 1 and "aside" in folders:
        found[others[0]] = Path(folders["aside"])
    return found


def _where_it_may_be(row: JournalEntry, folder: Path, settings: Settings) -> set[Path]:
    """Return the paths at which a picture may stand that was dragged into a folder, alone or with its own."""
    tops = [Path(top) for name, top in settings.folders.items() if name in ("to", "aside", "keep-to", "review")]
    top = next((top for top in tops if row.place.is_relative_to(top)), row.place.parent)
    below = row.place.relative_to(top)
    if settings.by == "sort":  # what is first below the top is the class
        below = Path(*below.parts[1:])
    return {folder / below, folder / row.place.name}


def is_at(path: Path, row: JournalEntry) -> bool:
    """Tell whether a file has the bytes of a row; one that cannot be read now has not."""
    try:
        return holds(path, row)
    except OSError:
        return False


def _is_gone(path: Path) -> bool:
    """Tell whether nothing stands at a path, for certain."""
    try:
        return not stands(path)
    except OSError:
        return False


def _was_put_at(journal: Journal, path: Path, digest: str) -> bool:
    """Tell whether a row put a picture with these bytes at a path, and none took it away since."""
    put, taken = journal.put_at(path), journal.taken_from(path)
    if put is None or put.digest != digest:
        return False
    return taken is None or taken.kind == "copy" or taken.id < put.id
