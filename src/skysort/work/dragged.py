"""Pictures that a person dragged into the folder of another class."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings
from skysort.work.names import exists
from skysort.work.settle import holds


def dragged(journal: Journal, rows: Iterable[JournalEntry] | None = None) -> dict[Path, tuple[JournalEntry, str]]:
    """Return where the pictures are that a person dragged into the folder of a class, each with its row and class.

    A dragged picture keeps its name, and its bytes prove that it is the same one. The class may be the picture's
    label, for instance if the picture comes from the folder of unsure ones.

    Args:
        journal: of the pictures.
        rows: moves and copies that are in effect; all of them if not given.
    """
    labels: dict[Path, tuple[JournalEntry, str]] = {}
    settings: dict[int, Settings] = {}
    for row in journal.rows(takeable="moves") if rows is None else rows:
        if row.session not in settings:
            settings[row.session] = journal.settings(row.session)
        folders = class_folders(settings[row.session])
        if not folders or not _is_gone(row.place):
            continue
        for label, folder in folders.items():
            if row.place.is_relative_to(folder):  # moved within its class: no correction
                continue
            for path in _possible_paths(row, folder, settings[row.session]):
                if path not in labels and is_at(path, row) and not _was_put_at(journal, path, row.digest):
                    labels[path] = (row, label)
    return labels


def class_folders(settings: Settings) -> Mapping[str, Path]:
    """Return the folder of each class that has a folder of its own in a session."""
    folders = settings.folders
    if settings.by == "sort":
        return {name: Path(folders["to"], name) for name in settings.classes} if "to" in folders else {}
    others = [name for name in settings.classes if name not in settings.keep]
    by_class = {}
    if len(settings.keep) == 1 and "keep-to" in folders:
        by_class[settings.keep[0]] = Path(folders["keep-to"])
    if len(others) == 1 and "aside" in folders:
        by_class[others[0]] = Path(folders["aside"])
    return by_class


def _possible_paths(row: JournalEntry, folder: Path, settings: Settings) -> set[Path]:
    """Return where a picture may be after a person dragged it, or its folder, into a folder."""
    tops = [Path(top) for name, top in settings.folders.items() if name in ("to", "aside", "keep-to", "review")]
    top = next((top for top in tops if row.place.is_relative_to(top)), row.place.parent)
    below = row.place.relative_to(top)
    if settings.by == "sort":  # the first part is the class
        below = Path(*below.parts[1:])
    return {folder / below, folder / row.place.name}


def is_at(path: Path, row: JournalEntry) -> bool:
    """Tell whether a file has the bytes of a row. False for a file that cannot be read now."""
    try:
        return holds(path, row)
    except OSError:
        return False


def _is_gone(path: Path) -> bool:
    """Tell whether a path certainly does not exist."""
    try:
        return not exists(path)
    except OSError:
        return False


def _was_put_at(journal: Journal, path: Path, digest: str) -> bool:
    """Tell whether Skysort put a picture with these bytes at a path and has not taken it away since."""
    put, taken = journal.put_at(path), journal.taken_from(path)
    if put is None or put.digest != digest:
        return False
    return taken is None or taken.kind == "copy" or taken.id < put.id
