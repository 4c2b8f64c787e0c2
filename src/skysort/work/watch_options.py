"""The options of a watch, and the checks of its folders."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Literal, get_args

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import sync_folder
from skysort.work.classify import Rule, check_bound
from skysort.work.coins import AuditRates
from skysort.work.journal import journal_folder
from skysort.work.journal_entries import Settings

WhenStale = Literal["keep", "go-on"]


@dataclass(frozen=True)
class WatchOptions:
    """The inbox, the folders for pictures, and the settings of a watch."""

    inbox: Path
    aside: Path
    keep_to: Path | None = None
    """None: pictures to keep stay."""
    review: Path | None = None
    """None: pictures to review stay."""
    copy: bool = False
    dry_run: bool = False
    once: bool = False
    poll: bool = False
    settle: float = 2.0
    """Seconds for which a file must not change."""
    stuck: float = 600.0
    """Seconds after which an unfinished upload is logged as stuck, and an unreadable picture goes to review."""
    metrics: Path | None = None
    unsure_below: float | None = None
    """A picture whose confidence is below this goes to review."""
    audit: AuditRates | None = None
    """None: nobody is asked to look at pictures."""
    on_alarm: tuple[str, ...] = ()
    """Program and arguments to run once per alarm; empty for none."""
    when_stale: WhenStale = "keep"
    """Whether to keep pictures that a stale decision would set aside, or to go on setting them aside."""

    def __post_init__(self) -> None:
        """Check the times and the bound.

        Raises:
            NotUnderstoodError: for a time that is not finite or negative, a bound that is not from 0 to 1, or an
                unknown `when_stale`.
        """
        check_bound(self.unsure_below)
        if self.when_stale not in get_args(WhenStale):
            raise NotUnderstoodError("wrong-value", f"--when-stale takes keep or go-on; found '{self.when_stale}'")
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
        """Make missing folders; return the options with absolute folders, none of which lies in another.

        Raises:
            NotUnderstoodError: when there is no inbox, or a folder lies in another one or in a journal.
            SkysortError: when a folder cannot be made.
        """
        check_inbox(self.inbox)
        inbox = self.inbox.resolve()
        resolved = {name: folder.resolve() for name, folder in self.named.items()}
        by_option = {"the inbox": inbox} | {f"--{name}": folder for name, folder in resolved.items()}
        check_apart(by_option, resolved["aside"])
        if not self.dry_run:
            for folder in resolved.values():
                _make(folder)
            check_apart(by_option, resolved["aside"])  # now that all exist, links and capitals count, too
        return WatchOptions(
            **vars(self) | {"inbox": inbox} | {name.replace("-", "_"): folder for name, folder in resolved.items()}
        )

    def settings(self, classifier: Classifier, rule: Rule) -> Settings:
        """Return the settings that identify a session in the journal. The folders must be absolute."""
        unknown = None if classifier.table.unknown is None else classifier.table.unknown.threshold
        settings = Settings(
            "watch",
            classifier.digest,
            classifier.classes,
            unknown=unknown,
            keep=rule.keep,
            folders={name: str(folder) for name, folder in self.named.items()} | {"copy": str(self.copy)},
            unsure_below=self.unsure_below,
        )
        if not isinstance(rule, Decision):
            return settings
        grouping = rule.grouping_in_use
        return replace(
            settings,
            decision=rule.name,
            threshold=rule.threshold,
            lose_at_most=rule.lose_at_most,
            confidence=rule.confidence,
            **({**vars(grouping), "inbox": str(self.inbox)} if grouping else {}),
        )


def check_inbox(inbox: Path) -> None:
    """Make sure that an inbox is there.

    Raises:
        NotUnderstoodError: when it is not.
    """
    if not inbox.is_dir():
        raise NotUnderstoodError("path-not-found", f"{inbox}: no such folder")


def check_apart(folders: Mapping[str, Path], journal_of: Path) -> None:
    """Make sure that no folder lies in another one or in a journal's folder.

    Args:
        folders: absolute, by their names in messages.
        journal_of: the folder whose journal will be used.

    Raises:
        NotUnderstoodError: when a folder lies in another one or in a journal's folder.
    """
    for (one, folder), (other, above) in permutations(folders.items(), 2):
        if lies_in(folder, above):
            raise NotUnderstoodError(
                "folders-overlap",
                f"{one} {folder} lies in {other} {above}: pictures would be sorted again, or mixed with others;"
                " choose folders that are apart",
            )
    for name, folder in folders.items():
        for above in (folder, *folder.parents):
            if above == journal_folder(journal_of) or _is_journal(above):
                raise NotUnderstoodError(
                    "folders-overlap",
                    f"{name} {folder} lies in {above}, the folder of a journal; choose another folder",
                )


def _is_journal(folder: Path) -> bool:
    try:
        return (folder / "journal.sqlite").is_file()
    except OSError:  # a folder that we may not read is none that we write to
        return False


def lies_in(folder: Path, above: Path) -> bool:
    """Tell whether a folder is another one, or below it, even through links, capitals or a second mount."""
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
        folder.mkdir(exist_ok=True)  # not its parents: they may be the mount point of a missing drive
        sync_folder(folder.parent)
    except OSError as error:
        raise SkysortError("system", f"could not make {folder}: {error.strerror or error}") from None


def lock_of(inbox: Path) -> Path:
    """Return the path to lock against a second watcher: the folder itself, where the system can lock one."""
    if os.name == "posix":
        return inbox
    lock = inbox / ".skysort"
    lock.touch()
    return lock
