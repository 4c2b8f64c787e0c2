"""How the folders of a data set are read: which are splits, which are classes, and what has no label."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from skysort.core.errors import SkysortError
from skysort.core.text import counted
from skysort.data.listing import Listing, class_name, is_hidden, is_image_name, natural

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}
UNLABELLED = "unlabelled"
_UNLABELLED_WORDS = ("pred", "prediction", "predictions", "unlabelled", "unlabeled")
_FILLERS = frozenset({
    "seg", "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo",
    "photos", "split", "folder", "files",
})  # fmt: skip
"""Words that stand beside a split's name, as in `seg_train` and `Train Images`, and change nothing."""
_GLUED = re.compile(rf"({'|'.join(SPLIT_WORDS)})(?:set|data|images|imgs)")
MOST_NAMED = 5

Names = tuple[str, ...]
"""A path, step by step."""


def split_named(name: str) -> str:
    """Return the split that a folder or a cell means, or nothing.

    >>> [split_named(name) for name in ("seg_train", "Testing", "val2017", "TestSet", "bird")]
    ['train', 'test', 'validation', 'test', '']
    """
    words = _words(name)
    if len(words) != 1:
        return ""
    return UNLABELLED if words[0] in _UNLABELLED_WORDS else SPLIT_WORDS.get(words[0], "")


def _words(name: str) -> list[str]:
    """Return the words of a name that say something, `testset` as `test`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced.casefold())
    return [glued[1] if (glued := _GLUED.fullmatch(word)) else word for word in words if word not in _FILLERS]


def _splits_named(names: Iterable[str]) -> dict[str, str]:
    """Return the split that each of the folders at the top means, or nothing for each that means none.

    Names that differ in a split's word alone mean splits, too: `birds_train` and `birds_test`.
    """
    splits = {name: split_named(name) for name in names}
    if set(SPLIT_WORDS.values()) & set(splits.values()):
        return splits
    # `predictions` without a split beside it is a folder like others.
    words = {name: _words(name) for name in splits}
    rests = {tuple(word for word in each if word not in SPLIT_WORDS) for each in words.values()}
    of_splits = [[word for word in each if word in SPLIT_WORDS] for each in words.values()]
    if len(splits) > 1 and len(rests) == 1 and all(len(each) == 1 for each in of_splits):
        return {name: SPLIT_WORDS[each[0]] for name, each in zip(splits, of_splits, strict=True)}
    return dict.fromkeys(splits, "")


def arrange(
    paths: Iterable[str],
    source: str,
    is_picture: Callable[[str], bool] = is_image_name,
    label_by: str | None = None,
) -> Listing:
    """Read classes and splits off the paths of a folder or an archive.

    `<class>/…`, or `train|validation|calibration|test/<class>/…` (or another name that means such a split, as
    `seg_train` and `Testing`), at any depth below the class; folders around it all are looked through. Pictures of
    a split without class folders have no label and are left out. Classes are in natural order of their names.

    Args:
        paths: relative, with forward slashes; hidden ones are passed over, those of pictures with a remark.
        source: what to call it in messages.
        is_picture: tells whether a file is a picture; called with paths that are not hidden.
        label_by: a regular expression; the label is what its first bracket matches in the path, or all of its
            match. The folders then name no classes.

    Raises:
        SkysortError: when there is no picture, the folders are neither classes nor splits, or nothing says which.
    """
    split = [(path, tuple(path.split("/"))) for path in paths]
    hidden = [names for _, names in split if any(map(is_hidden, names))]
    visible = [(path, names) for path, names in split if not any(map(is_hidden, names))]
    images = [names for path, names in visible if is_picture(path)]
    skip = _wrapping(images)
    tops = _tops(images, skip)
    if label_by is not None:
        labelled = _labelled_by(images, label_by, _splits_of_all(tops, source), skip)
    else:
        labelled = _labelled_by_folder(images, skip, tops, source)
    if not labelled:
        raise SkysortError("no-labels", _no_label(source, images, [names for _, names in visible], label_by))
    inside = sorted(labelled, key=lambda names: natural("/".join(names)))
    classes = tuple(sorted({label for label, _ in labelled.values()}, key=natural))
    number = {name: index for index, name in enumerate(classes)}
    without_label = [names for names in images if names not in labelled]
    return Listing(
        tuple("/".join(names) for names in inside),
        np.array([number[labelled[names][0]] for names in inside], np.int64),
        classes,
        tuple(labelled[names][1] for names in inside),
        tuple(sorted((path for path, names in visible if names not in labelled), key=natural)),
        remarks=(*passed_over(hidden), *_unlabelled(without_label, skip, label_by)),
    )


def passed_over(hidden: Iterable[Names]) -> list[str]:
    """Return a line on hidden paths of pictures, or none: a person may have named a folder like a system's."""
    folders: dict[Names, str] = {}
    files: list[str] = []
    for names in hidden:
        # What begins with ._ is macOS's note on the picture of that name, and no picture.
        if names[-1].startswith("._") or not is_image_name(names[-1]):
            continue
        depth = next(number for number, name in enumerate(names) if is_hidden(name))
        if depth == len(names) - 1:
            files.append(names[-1])
        else:
            folders[names[: depth + 1]] = names[depth]
    parts = []
    if folders:
        parts.append(f"{counted(len(folders), 'folder')} with pictures ({_some(folders.values())})")
    if files:
        parts.append(f"{counted(len(files), 'hidden picture')} ({_some(files)})")
    return [f"passed over what is hidden or left behind by a system: {' and '.join(parts)}"] if parts else []


def _some(names: Iterable[str]) -> str:
    """Return the most frequent names."""
    distinct = [name for name, _ in Counter(names).most_common()]
    return ", ".join(distinct[:MOST_NAMED]) + (", …" if len(distinct) > MOST_NAMED else "")


def _no_label(source: str, images: list[Names], visible: list[Names], label_by: str | None) -> str:
    """Say that no picture has a label, and what there is."""
    if label_by is not None and images:
        first = min(map("/".join, images), key=natural)
        return f"pictures.label_by = '{label_by}' is found in no path under {source}; the first is {first}"
    if not visible:
        found = "no picture at all"
    else:
        first = min(map("/".join, images or visible), key=natural)
        found = first if len(images) == 1 else f"{len(images):,} pictures such as {first}"
        found += "; if the file names hold the labels, add --label-by '(cat|dog)_'"
        if not images:
            found = f"no picture at all, but {first}"
    return f"no pictures in class folders under {source}: expected <class>/<picture>.jpg, found {found}"


def _wrapping(images: list[Names]) -> int:
    """Count the folders around the classes or splits: mostly none, or one, as an archive of a folder has."""
    num = 0
    while images and all(len(names) > num + 2 for names in images):
        tops = {names[num] for names in images}
        if len(tops) > 1 or any(split_named(top) in SPLIT_WORDS.values() for top in tops):
            break
        num += 1
    return num


@dataclass(frozen=True)
class _Top:
    """A folder at the top, behind those around it all."""

    name: str
    pictures: list[Names]
    split: str
    """That its name means, or nothing."""
    depth: int
    """Where in the paths the folders in it are: behind its own name, and behind its name again, as in
    `seg_train/seg_train/`."""

    @property
    def folders(self) -> set[str]:
        """The folders in it that hold pictures."""
        return {names[self.depth] for names in self.pictures if len(names) > self.depth + 1}

    def inner_folders(self) -> set[str]:
        """Return the folders in it, or in the only folder in it; none where pictures lie beside them."""
        top = self
        while not top.has_loose and len(top.folders) == 1:
            top = _Top(top.name, top.pictures, top.split, top.depth + 1)
        return set() if top.has_loose else top.folders

    @property
    def has_loose(self) -> bool:
        """Whether a picture is in none of these."""
        return any(len(names) == self.depth + 1 for names in self.pictures)


def _tops(images: list[Names], skip: int) -> list[_Top]:
    pictures: dict[str, list[Names]] = defaultdict(list)
    for names in images:
        if len(names) > skip + 1:
            pictures[names[skip]].append(names)
    splits = _splits_named(pictures)
    tops = [_top(name, own, splits[name], skip + 1) for name, own in sorted(pictures.items())]
    # `train/images/<class>/…` and `test/images/…`: such a folder is a class only if it stands among classes.
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
    return bool(words) and all(word in _FILLERS for word in words)


def _labelled_by_folder(
    images: list[Names], skip: int, tops: list[_Top], source: str
) -> dict[Names, tuple[str, str]]:
    """Return the class and the split of each picture that has a class."""
    # A folder named "train" that holds pictures itself is a class, as beside "bus" and "car".
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
            f"{source} holds splits ({', '.join(splits)}) beside other folders ({', '.join(others)}); expected"
            " only splits, or only classes",
        )
    _check_distinct([top for top in tops if top.folders], source)


def _check_distinct(tops: list[_Top], source: str) -> None:
    first: dict[str, str] = {}
    for top in tops:
        other = first.setdefault(top.split, top.name)
        if other != top.name:
            raise SkysortError(
                "ambiguous-folders",
                f"{source} holds {other} and {top.name}, which both mean the split '{top.split}'; rename one of"
                " them, or put their pictures into one",
            )


def _check_classes(tops: list[_Top], skip: int, source: str) -> None:
    """Make sure that classes are no splits: these hold the same folders, or no folders and have a split's name.

    Raises:
        SkysortError: when they do.
    """
    if len(tops) > 1 and all(top.split for top in tops):
        raise SkysortError(
            "no-labels",
            f"{source} holds {', '.join(top.name for top in tops)} without class folders in them; expected"
            " train/<class>/<picture>.jpg. If the file names hold the labels, add --label-by '(cat|dog)_'",
        )
    first: dict[frozenset[str], str] = {}
    names = {class_name(top.name) for top in tops}
    for top in tops:
        folders = frozenset(map(class_name, top.inner_folders()))
        if len(folders) < 2:
            continue
        if len(again := sorted(folders & names, key=natural)) > 1:
            raise SkysortError(
                "ambiguous-folders",
                f"{source} holds {_some(again)}, and so does {top.name} in it; if that is a copy, or holds splits,"
                " take it out",
            )
        other = first.setdefault(folders, top.name)
        if other != top.name:
            around = f"(?:[^/]+/){{{skip}}}" if skip else ""
            raise SkysortError(
                "ambiguous-folders",
                f"{source} holds {other} and {top.name} with the same folders in them"
                f" ({_some(sorted(folders, key=natural))}): if these are splits, rename them train, validation or"
                f" test; if {other} and {top.name} are the classes, say so with"
                f" --label-by '^{around}([^/]+)/'",
            )


def _splits_of_all(tops: list[_Top], source: str) -> dict[str, str]:
    """Return splits by folder, if all folders at the top mean one."""
    if not all(top.split for top in tops):
        return {}
    _check_distinct(tops, source)
    return {top.name: top.split for top in tops}


def _labelled_by(
    images: list[Names], label_by: str, splits: dict[str, str], skip: int
) -> dict[Names, tuple[str, str]]:
    """Return the label that a pattern finds in each path, and the split, of the pictures that have a label."""
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
    """Return a line on pictures that have no label, or none."""
    if not without_label:
        return []
    num = counted(len(without_label), "picture")
    first = min(map("/".join, without_label), key=natural)
    if label_by is not None:
        return [f"pictures.label_by is not found in the paths of {num}, which were left out; the first is {first}"]
    where = _some(names[skip] + "/" if len(names) > skip + 1 else "the top" for names in without_label)
    return [f"{num} in no class folder ({where}) have no label and were left out; the first is {first}"]
