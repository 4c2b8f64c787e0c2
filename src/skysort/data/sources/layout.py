"""Classes and splits from the folders of a data set, and the pictures that have no label."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from skysort.core.errors import SkysortError
from skysort.core.text import counted
from skysort.data.listing import Listing, class_name, is_hidden, is_image_name, natural
from skysort.data.sources.split_names import FILLERS, SPLIT_WORDS, UNLABELLED, split_named, splits_named

MOST_NAMED = 5

Names = tuple[str, ...]
"""The parts of a path."""


def arrange(
    paths: Iterable[str],
    source: str,
    is_picture: Callable[[str], bool] = is_image_name,
    label_by: str | None = None,
) -> Listing:
    """Read classes and splits from the paths in a folder or an archive.

    Paths have the form `<class>/…` or `train|validation|calibration|test/<class>/…`. Other names of splits, such
    as `seg_train` and `Testing`, work too. Pictures may be at any depth below the class, and there may be folders
    around all of this. Pictures in a split without class folders have no label and are left out. Classes are in
    natural order of their names.

    Args:
        paths: relative paths with forward slashes. Hidden files are skipped, hidden pictures with a remark.
        source: the name of the source in messages.
        is_picture: returns whether a file is a picture. It is called only for files that are not hidden.
        label_by: a regular expression; the label is the text in its first brackets that match, or the whole match.
            The folders then name no classes.

    Raises:
        SkysortError: if there is no picture, or the folders are neither clearly classes nor clearly splits.
    """
    all_paths = [(path, tuple(path.split("/"))) for path in paths]
    hidden = [names for _, names in all_paths if any(map(is_hidden, names))]
    visible = [(path, names) for path, names in all_paths if not any(map(is_hidden, names))]
    images = [names for path, names in visible if is_picture(path)]
    skip = _wrapping(images)
    tops = _tops(images, skip)
    if label_by is not None:
        labelled = _labelled_by(images, label_by, _splits_of_all(tops, source), skip)
    else:
        labelled = _labelled_by_folder(images, skip, tops, source)
    if not labelled:
        raise SkysortError("no-labels", _no_label(source, images, [names for _, names in visible], label_by))
    pictures = sorted(labelled, key=lambda names: natural("/".join(names)))
    classes = tuple(sorted({label for label, _ in labelled.values()}, key=natural))
    number = {name: index for index, name in enumerate(classes)}
    without_label = [names for names in images if names not in labelled]
    return Listing(
        tuple("/".join(names) for names in pictures),
        np.array([number[labelled[names][0]] for names in pictures], np.int64),
        classes,
        tuple(labelled[names][1] for names in pictures),
        tuple(sorted((path for path, names in visible if names not in labelled), key=natural)),
        remarks=(*hidden_pictures_remark(hidden), *_unlabelled(without_label, skip, label_by)),
    )


def hidden_pictures_remark(hidden: Iterable[Names]) -> list[str]:
    """Return a line about hidden pictures, or nothing. A person may have given a folder a name that systems
    use."""
    folders: dict[Names, str] = {}
    files: list[str] = []
    for names in hidden:
        # A file that begins with ._ holds macOS's metadata of the picture of that name.
        if names[-1].startswith("._") or not is_image_name(names[-1]):
            continue
        depth = next(number for number, name in enumerate(names) if is_hidden(name))
        if depth == len(names) - 1:
            files.append(names[-1])
        else:
            folders[names[: depth + 1]] = names[depth]
    parts = []
    if folders:
        parts.append(f"{counted(len(folders), 'folder')} with pictures ({_most_frequent(folders.values())})")
    if files:
        parts.append(f"{counted(len(files), 'hidden picture')} ({_most_frequent(files)})")
    return [f"Skysort skipped hidden or system files: {' and '.join(parts)}"] if parts else []


def _most_frequent(names: Iterable[str]) -> str:
    """Return the most frequent names, in one text."""
    distinct = [name for name, _ in Counter(names).most_common()]
    return ", ".join(distinct[:MOST_NAMED]) + (", …" if len(distinct) > MOST_NAMED else "")


def _no_label(source: str, images: list[Names], visible: list[Names], label_by: str | None) -> str:
    """Return the message for pictures without labels: what was expected and what is there."""
    if label_by is not None and images:
        first = min(map("/".join, images), key=natural)
        return f"pictures.label_by = '{label_by}' matches no path under {source}; the first is {first}"
    if not visible:
        contents = "no files"
    else:
        first = min(map("/".join, images or visible), key=natural)
        contents = first if len(images) == 1 else f"{len(images):,} pictures such as {first}"
        contents += "; if the file names hold the labels, add --label-by '(cat|dog)_'"
        if not images:
            contents = f"no picture, but {first}"
    return f"no pictures in class folders under {source}: expected <class>/<picture>.jpg, found {contents}"


def _wrapping(images: list[Names]) -> int:
    """Count the folders around the classes or splits: usually none, or one if a folder was packed."""
    num = 0
    while images and all(len(names) > num + 2 for names in images):
        tops = {names[num] for names in images}
        if len(tops) > 1 or any(split_named(top) in SPLIT_WORDS.values() for top in tops):
            break
        num += 1
    return num


@dataclass(frozen=True)
class _Top:
    """A top folder, which may be a class or a split."""

    name: str
    pictures: list[Names]
    split: str
    """The split that its name means; empty if it means none."""
    depth: int
    """Position in the paths of the folders inside it: after its name, or after its repeated name, as in
    `seg_train/seg_train/`."""

    @property
    def folders(self) -> set[str]:
        """The folders inside it that hold pictures."""
        return {names[self.depth] for names in self.pictures if len(names) > self.depth + 1}

    def inner_folders(self) -> set[str]:
        """Return the folders inside it, or inside its only folder; none if pictures lie beside them."""
        top = self
        while not top.has_loose and len(top.folders) == 1:
            top = _Top(top.name, top.pictures, top.split, top.depth + 1)
        return set() if top.has_loose else top.folders

    @property
    def has_loose(self) -> bool:
        """Whether a picture is outside these folders."""
        return any(len(names) == self.depth + 1 for names in self.pictures)


def _tops(images: list[Names], skip: int) -> list[_Top]:
    pictures: dict[str, list[Names]] = defaultdict(list)
    for names in images:
        if len(names) > skip + 1:
            pictures[names[skip]].append(names)
    splits = splits_named(pictures)
    tops = [_top(name, own, splits[name], skip + 1) for name, own in sorted(pictures.items())]
    # In `train/images/<class>/…` beside `test/images/…`, `images` is a class only if it is among other classes.
    inner = [top.folders for top in tops if top.split]
    for number, top in enumerate(tops):
        if top.split and not top.has_loose and len(top.folders) == 1:
            (only,) = top.folders
            if _is_filler(only) and all(folders == {only} or only not in folders for folders in inner):
                tops[number] = _Top(top.name, top.pictures, top.split, top.depth + 1)
    return tops


def _top(name: str, pictures: list[Names], split: str, depth: int) -> _Top:
    top = _Top(name, pictures, split, depth)
    while split and not top.has_loose and len(top.folders) == 1:
        (only,) = top.folders
        if only != name and split_named(only) != split:
            break
        depth += 1
        top = _Top(name, pictures, split, depth)
    return top


def _is_filler(name: str) -> bool:
    words = re.findall(r"[^\W_]+", name.casefold())
    return bool(words) and all(word in FILLERS for word in words)


def _labelled_by_folder(
    images: list[Names], skip: int, tops: list[_Top], source: str
) -> dict[Names, tuple[str, str]]:
    """Return the class and the split of each picture in a class folder."""
    # A folder "train" that directly holds pictures is a class, for example beside "bus" and "car".
    if any(top.split and not top.has_loose for top in tops):
        _check_splits(tops, source)
    else:
        _check_classes(tops, skip, source)
        return {names: (class_name(names[skip]), "") for top in tops for names in top.pictures}
    return {
        names: (class_name(names[top.depth]), top.split)
        for top in tops
        for names in top.pictures
        if top.split != UNLABELLED and len(names) > top.depth + 1
    }


def _check_splits(tops: list[_Top], source: str) -> None:
    others = [top.name for top in tops if not top.split]
    splits = [top.name for top in tops if top.split]
    if others:
        raise SkysortError(
            "ambiguous-folders",
            f"{source} holds splits ({', '.join(splits)}) and other folders ({', '.join(others)}); expected only"
            " splits, or only classes",
        )
    _check_distinct([top for top in tops if top.folders], source)


def _check_distinct(tops: list[_Top], source: str) -> None:
    first: dict[str, str] = {}
    for top in tops:
        other = first.setdefault(top.split, top.name)
        if other != top.name:
            raise SkysortError(
                "ambiguous-folders",
                f"{other} and {top.name} in {source} both mean the split '{top.split}'; rename one, or merge them",
            )


def _check_classes(tops: list[_Top], skip: int, source: str) -> None:
    """Make sure that the top folders are classes, not splits or copies.

    Raises:
        SkysortError: if all have names of splits, two hold the same folders, or one holds folders named as
            classes.
    """
    if len(tops) > 1 and all(top.split for top in tops):
        raise SkysortError(
            "no-labels",
            f"the splits {', '.join(top.name for top in tops)} in {source} have no class folders; expected"
            " train/<class>/<picture>.jpg. If the file names hold the labels, add --label-by '(cat|dog)_'",
        )
    first: dict[frozenset[str], str] = {}
    names = {class_name(top.name) for top in tops}
    for top in tops:
        folders = frozenset(map(class_name, top.inner_folders()))
        if len(folders) < 2:
            continue
        if len(repeated := sorted(folders & names, key=natural)) > 1:
            raise SkysortError(
                "ambiguous-folders",
                f"{source} and its folder {top.name} both hold {_most_frequent(repeated)}; remove {top.name} if it"
                " is a copy or holds splits",
            )
        other = first.setdefault(folders, top.name)
        if other != top.name:
            around = f"(?:[^/]+/){{{skip}}}" if skip else ""
            raise SkysortError(
                "ambiguous-folders",
                f"{other} and {top.name} in {source} hold the same folders"
                f" ({_most_frequent(sorted(folders, key=natural))}); if they are splits, rename them train,"
                f" validation or test; if they are classes, add --label-by '^{around}([^/]+)/'",
            )


def _splits_of_all(tops: list[_Top], source: str) -> dict[str, str]:
    """Return the split of each top folder if all names mean one; otherwise nothing."""
    if not all(top.split for top in tops):
        return {}
    _check_distinct(tops, source)
    return {top.name: top.split for top in tops}


def _labelled_by(
    images: list[Names], label_by: str, splits: dict[str, str], skip: int
) -> dict[Names, tuple[str, str]]:
    """Return the label that a pattern finds in each picture's path, and its split."""
    labelled = {}
    for names in images:
        match = re.search(label_by, "/".join(names))
        if match is None:
            continue
        label = next((group for group in match.groups() if group is not None), "") if match.re.groups else match[0]
        split = splits.get(names[skip], "") if len(names) > skip + 1 else ""
        if label and split != UNLABELLED:
            labelled[names] = class_name(label), split
    return labelled


def _unlabelled(without_label: list[Names], skip: int, label_by: str | None) -> list[str]:
    """Return a line about pictures without a label, or nothing."""
    if not without_label:
        return []
    num = counted(len(without_label), "picture")
    first = min(map("/".join, without_label), key=natural)
    if label_by is not None:
        return [f"Skysort left out {num} whose path does not match pictures.label_by; the first is {first}"]
    folders = _most_frequent(names[skip] + "/" if len(names) > skip + 1 else "the top" for names in without_label)
    return [f"Skysort left out {num} without a label, outside class folders ({folders}); the first is {first}"]
