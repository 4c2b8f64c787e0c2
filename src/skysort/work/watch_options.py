"""What to watch, where pictures go, and which folders cannot be asked for."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import sync_folder
from skysort.work.classify import Rule, check_bound
from skysort.work.journal import journal_folder
from skysort.work.journal_entries import Settings


@dataclass(frozen=True)
class WatchOptions:
    """What to watch, and where pictures go."""

    inbox: Path
    aside: Path
    keep_to: Path | None = None
    """None: pictures to keep stay."""
    review: Path | None = None
    """None: pictures that a person has to look at stay."""
    copy: bool = False
    dry_run: bool = False
    once: bool = False
    poll: bool = False
    settle: float = 2.0
    """Seconds for which a file must not change."""
    stuck: float = 600.0
    """Seconds after which an upload that does not end is told of, and an unreadable picture taken for one."""
    metrics: Path | None = None
    unsure_below: float | None = None
    """Where the likeliest class has a smaller probability than this, a picture is to be looked at."""

    def __post_init__(self) -> None:
        """Refuse times that never come, and a bound that is none.

        Raises:
            NotUnderstoodError: for one that is not a number of seconds, or not from 0 to 1.
        """
        check_bound(self.unsure_below)
        for name in ("settle", "stuck"):
            if not 0 <= (seconds := getattr(self, name)) < math.inf:
                raise NotUnderstoodError(
                    "wrong-value", f"--{name} takes a number of seconds, 0 or more; found {seconds}"
                )

    @property
    def targets(self) -> dict[str, Path]:
        """Folders by action."""
        to = {"set-aside": self.aside, "keep": self.keep_to, "review": self.review}
        return {action: folder for action, folder in to.items() if folder}

    @property
    def named(self) -> dict[str, Path]:
        """Folders by the option that names them."""
        to = {"aside": self.aside, "keep-to": self.keep_to, "review": self.review}
        return {name: folder for name, folder in to.items() if folder}

    def with_folders(self) -> "WatchOptions":
        """Return the options with absolute folders, which are there and apart from each other.

        Raises:
            NotUnderstoodError: when one lies in another, or in a journal.
            SkysortError: when one cannot be made.
        """
        if not self.inbox.is_dir():
            raise NotUnderstoodError("path-not-found", f"{self.inbox}: no such folder")
        inbox = self.inbox.resolve()
        resolved = {name: folder.resolve() for name, folder in self.named.items()}
        by_option = {"the inbox": inbox} | {f"--{name}": folder for name, folder in resolved.items()}
        check_apart(by_option, resolved["aside"])
        if not self.dry_run:
            for folder in resolved.values():
                _make(folder)
            check_apart(by_option, resolved["aside"])  # now that all are there, however they are spelt
        return WatchOptions(
            **vars(self) | {"inbox": inbox} | {name.replace("-", "_"): folder for name, folder in resolved.items()}
        )

    def settings(self, classifier: Classifier, rule: Rule) -> Settings:
        """Return what the journal tells sessions apart by; the folders must be absolute."""
        decision, threshold = (rule.name, rule.threshold) if isinstance(rule, Decision) else (None, None)
        unknown = None if classifier.table.unknown is None else classifier.table.unknown.threshold
        return Settings(
            "watch", classifier.digest, classifier.classes, decision, threshold, unknown, rule.keep,
            {name: str(folder) for name, folder in self.named.items()} | {"copy": str(self.copy)},
            self.unsure_below,
        )  # fmt: skip


def check_apart(folders: Mapping[str, Path], journal_of: Path) -> None:
    """Make sure that no folder lies in another one, and none in a journal's folder, which Skysort writes to.

    Args:
        folders: absolute, by what to call them in messages.
        journal_of: the folder whose journal is to be used.

    Raises:
        NotUnderstoodError: when one does.
    """
    for (one, folder), (other, above) in permutations(folders.items(), 2):
        if lies_in(folder, above):
            raise NotUnderstoodError(
                "folders-overlap",
                f"{one} {folder} and {other} {above} must not be in one another: what goes to one would be sorted"
                " again, or mixed with what goes to the other",
            )
    for name, folder in folders.items():
        for above in (folder, *folder.parents):
            if above == journal_folder(journal_of) or _is_journal(above):
                raise NotUnderstoodError(
                    "folders-overlap",
                    f"{name} {folder} lies in {above}, where a journal is kept; pictures need another folder",
                )


def _is_journal(folder: Path) -> bool:
    try:
        return (folder / "journal.sqlite").is_file()
    except OSError:  # who may not look into it cannot write to it either
        return False


def lies_in(folder: Path, above: Path) -> bool:
    """Tell whether a folder is another one, or below it, also where the two are spelt or mounted differently."""
    if folder.is_relative_to(above):
        return True
    try:
        wanted = above.stat()
    except OSError:
        return False
    return any(_is_same(part, wanted) for part in (folder, *folder.parents))


def _is_same(path: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), wanted)
    except OSError:
        return False


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)  # not its parents: a drive that is not there must not be made up
        sync_folder(folder.parent)
    except OSError as error:
        raise SkysortError("system", f"could not make {folder}: {error.strerror or error}") from None


def lock_of(inbox: Path) -> Path:
    """Return what to lock against a second watcher: the folder itself, where the system can."""
    if os.name == "posix":
        return inbox
    lock = inbox / ".skysort"
    lock.touch()
    return lock
