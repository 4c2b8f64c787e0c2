"""Names of splits: `seg_train`, `Testing` and `val2017` mean train, test and validation."""

import re
from collections.abc import Iterable

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
FILLERS = frozenset({
    "seg", "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo",
    "photos", "split", "folder", "files",
})  # fmt: skip
"""Words that may stand beside a split's name without changing its meaning, as in `seg_train` and `Train
Images`."""
_GLUED = re.compile(rf"({'|'.join(SPLIT_WORDS)})(?:set|data|images|imgs)")


def split_named(name: str) -> str:
    """Return the split that a folder's or a cell's name means; empty if it means none.

    >>> [split_named(name) for name in ("seg_train", "Testing", "val2017", "TestSet", "bird")]
    ['train', 'test', 'validation', 'test', '']
    """
    words = _words(name)
    if len(words) != 1:
        return ""
    return UNLABELLED if words[0] in _UNLABELLED_WORDS else SPLIT_WORDS.get(words[0], "")


def _words(name: str) -> list[str]:
    """Return the words of a name without fillers; `testset` gives `test`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced.casefold())
    return [glued[1] if (glued := _GLUED.fullmatch(word)) else word for word in words if word not in FILLERS]


def splits_named(names: Iterable[str]) -> dict[str, str]:
    """Return the split that each top folder's name means; empty if it means none.

    Names that differ only in a split's word mean splits too: `birds_train` and `birds_test`.
    """
    splits = {name: split_named(name) for name in names}
    if set(SPLIT_WORDS.values()) & set(splits.values()):
        return splits
    # Without a split beside it, `predictions` is a folder like any other.
    words = {name: _words(name) for name in splits}
    other_words = {tuple(word for word in of_name if word not in SPLIT_WORDS) for of_name in words.values()}
    split_words = [[word for word in of_name if word in SPLIT_WORDS] for of_name in words.values()]
    if len(splits) > 1 and len(other_words) == 1 and all(len(of_name) == 1 for of_name in split_words):
        return {name: SPLIT_WORDS[of_name[0]] for name, of_name in zip(splits, split_words, strict=True)}
    return dict.fromkeys(splits, "")
