"""An inbox watched day and night: see what has come, wait until it is complete, judge, note, move, note."""

import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError, require
from skysort.core.files import remove_partials
from skysort.core.locks import locked
from skysort.core.log import as_text, tell
from skysort.core.text import counted
from skysort.work.arrivals import Stop
from skysort.work.attempts import Attempts
from skysort.work.classify import LabelRule, Rule
from skysort.work.inbox import LONGEST_DELAY
from skysort.work.journal import Journal, journal_folder
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.mounts import Mounts, mount_of
from skysort.work.settle import under_way_by_others
from skysort.work.status_file import Counts, StatusWriter, status_file, watcher_lock
from skysort.work.watch_options import WatchOptions, lock_of
from skysort.work.watcher import Watcher

SECONDS_FOR_A_LOOK = 1.0
"""For which `skysort status` may hold what a watcher holds, to see whether one does."""

MOST_LISTED = 10


def watch(
    classifier: str | PathLike[str] | Classifier,
    inbox: str | PathLike[str],
    aside: str | PathLike[str],
    *,
    decision: str | None = None,
    keep: str | Sequence[str] = (),
    keep_to: str | PathLike[str] | None = None,
    review: str | PathLike[str] | None = None,
    copy: bool = False,
    dry_run: bool = False,
    once: bool = False,
    poll: bool = False,
    settle: float = WatchOptions.settle,
    stuck: float = WatchOptions.stuck,
    metrics: str | PathLike[str] | None = None,
    unsure_below: float | None = None,
    stop: Stop | None = None,
) -> Counts:
    """Sort the pictures that arrive in a folder, until stopped. Nothing is deleted, and every move can be undone.

    What happens is logged by the logger `skysort`. One of `decision` and `keep` is needed.

    Args:
        classifier: a run folder, its `classifier/` folder, a copy of that, or a loaded classifier.
        inbox: the folder that pictures arrive in, at any depth.
        aside: folder for pictures that are not to be kept. The journal is beside it.
        decision: name of the classifier's decision that says which pictures to keep.
        keep: class or classes to keep instead, with no guarantee.
        keep_to: folder for pictures to keep; by default they stay.
        look: folder for pictures that a person must look at; by default they stay.
        copy: copy pictures, and leave the inbox as it is.
        dry_run: only log what would be done.
        once: deal with the pictures that are there, and return.
        poll: look again and again, as network drives need it.
        settle: seconds for which a file must not change before it is read.
        stuck: seconds before an upload that stopped growing is logged as stuck.
        metrics: a text file of counts to write, for Prometheus.
        unsure_below: pictures whose confidence is below this are for a person to look at.
        stop: set it from another thread, or by a signal, to end the watch; the burst in hand is finished.

    Returns:
        What was done and how things stand.

    Raises:
        NotUnderstoodError: when options do not go together, or name what is not there.
        SkysortError: when another watcher is at work on the inbox, the journal is damaged, or, with `once`, when
            anything failed. Otherwise the watcher logs what fails and tries again.
    """
    if (decision is None) == (not keep):
        raise NotUnderstoodError(
            "options-conflict", "expected either --decision NAME, or --keep CLASS to go by labels with no promise"
        )
    options = WatchOptions(
        Path(inbox), Path(aside), _path(keep_to), _path(review), copy, dry_run, once, poll, settle, stuck,
        _path(metrics), unsure_below,
    )  # fmt: skip
    loaded = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    rule: Rule
    if decision:
        rule = chosen = loaded.decision(decision)
        tell(
            logging.INFO, "watching by decision", decision=decision, inbox=str(inbox),
            lose_at_most=chosen.lose_at_most, confidence=chosen.confidence,
        )  # fmt: skip
    else:
        rule = LabelRule.among([keep] if isinstance(keep, str) else keep, loaded.classes)
        tell(
            logging.WARNING, "watching by label: no promise holds of how many pictures to keep are set aside",
            keep=", ".join(rule.keep), inbox=str(inbox),
        )  # fmt: skip
    counts = watch_inbox(loaded, rule, options, stop or Stop())
    tell(
        logging.INFO, "ended", **counts.actions,
        waiting=counts.waiting, stuck=counts.stuck, passed_over=counts.passed_over,
    )  # fmt: skip
    return counts


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def watch_inbox(classifier: Classifier, rule: Rule, options: WatchOptions, stop: Stop) -> Counts:
    """Watch an inbox until it is asked to stop, or once.

    Args:
        classifier: that judges.
        rule: what to do by its answers.
        options: what to watch, and where pictures go.
        stop: set when it is to end; the burst in hand is finished.

    Raises:
        NotUnderstoodError: when the folders cannot be as they are asked for.
        SkysortError: when another watcher is at work on the inbox, the journal is damaged, or, once, when anything
            failed. Otherwise what fails is told and tried again.
    """
    options = options.with_folders()
    if not options.once:
        require("watching a folder", "watch", "watchfiles")
    if options.metrics:
        require("a file of metrics", "watch", "prometheus_client")
    settings = options.settings(classifier, rule)
    counts = Counts()
    folders = [options.inbox] if options.dry_run else [options.inbox, *options.targets.values()]
    drives = Mounts({folder: mount_of(folder) for folder in folders})
    with ExitStack() as held:
        journal_of = options.aside
        if options.dry_run:  # in a journal that nobody sees, everything stays where it is
            journal_of = Path(held.enter_context(tempfile.TemporaryDirectory())) / "dry-run"
        status_writer = StatusWriter(
            None, options.metrics, {"inbox": str(options.inbox), "aside": str(options.aside)}
        )
        status_writer.status = status_file(journal_folder(journal_of))
        lock = watcher_lock(journal_folder(journal_of))
        delay = 1.0
        looks_for_others = not options.once  # in all of the folders, which may take long: once, at the start
        while True:
            began = time.monotonic()
            with ExitStack() as locks:  # held while it waits, too; an inbox made anew is another to hold
                try:
                    if options.inbox.is_dir():
                        locks.enter_context(locked(lock_of(options.inbox)))
                    drives.check()
                    with Journal(journal_of, make=True) as journal:
                        lock.touch()
                        locks.enter_context(locked(lock, wait=SECONDS_FOR_A_LOOK))
                        remove_partials(status_writer.status)
                        if looks_for_others:
                            _tell_of_others(folders, journal)
                            looks_for_others = False
                        attempts = Attempts(journal.folder / "judging.json")
                        Watcher(
                            classifier,
                            rule,
                            settings,
                            options,
                            stop,
                            drives,
                            journal,
                            attempts,
                            counts,
                            status_writer,
                        ).run()
                except Exception as error:
                    if isinstance(error, LockedError) and error.path in (lock_of(options.inbox), lock):
                        raise
                    ends = options.once or isinstance(error, DamagedJournalError)
                    counts.trouble = as_text(error)
                    status_writer.write(counts, "ended" if ends else "in trouble")
                    if ends:
                        raise
                    delay = 1.0 if time.monotonic() - began > LONGEST_DELAY else min(2 * delay, LONGEST_DELAY)
                    tell(logging.ERROR, "cannot go on now", error=counts.trouble, seconds_to_next_try=delay)
                else:
                    if options.once:
                        _check_that_all_was_done(counts)
                    return counts
                if stop.wait(delay):
                    status_writer.write(counts, "ended")
                    return counts


def _tell_of_others(folders: list[Path], journal: Journal) -> None:
    """Log what other journals have under way in some folders, or left there."""
    for path in islice(under_way_by_others(folders, journal.token), MOST_LISTED):
        tell(logging.WARNING, "under way by another journal, and left to it", path=str(path))


def _check_that_all_was_done(counts: Counts) -> None:
    """Make sure that nothing is left that could not be done.

    Raises:
        SkysortError: when something is.
    """
    problems = []
    if counts.failing:
        problems.append(f"{counted(counts.failing, 'picture')} could not be dealt with")
    if counts.closed:
        problems.append(f"{counted(counts.closed, 'folder')} could not be read")
    if problems:
        raise SkysortError("some-not-moved", f"{' and '.join(problems)}; the log says why")
