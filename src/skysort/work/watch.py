"""Watching an inbox day and night: find new files, wait until they are complete, classify them, move them."""

import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError, require
from skysort.core.files import remove_partials
from skysort.core.locks import locked
from skysort.core.log import as_text, tell
from skysort.core.text import counted
from skysort.work.arrivals import Stop
from skysort.work.classify import LabelRule, Rule
from skysort.work.coins import AuditRates
from skysort.work.inbox import LONGEST_DELAY
from skysort.work.journal import Journal, journal_folder
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.mounts import Mounts
from skysort.work.on_alarm import command_of
from skysort.work.status_file import Counts, StatusWriter, status_file, watcher_lock
from skysort.work.watch_options import WatchOptions, WhenStale, lock_of
from skysort.work.watcher import Watcher

SECONDS_FOR_STATUS = 1.0
"""How long `skysort status` may hold the watcher's lock, to see whether a watcher holds it."""


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
    audit: str | None = None,
    on_alarm: str | None = None,
    when_stale: WhenStale = WatchOptions.when_stale,
    stop: Stop | None = None,
) -> Counts:
    """Sort the pictures that arrive in a folder, until stopped. Nothing is deleted, and every move can be undone.

    The logger `skysort` logs what happens. Give either `decision` or `keep`.

    Args:
        classifier: a run folder, its `classifier/` folder, a copy of that, or a loaded classifier.
        inbox: the folder that pictures arrive in, at any depth.
        aside: folder for pictures that are not to be kept. The journal is beside it.
        decision: name of the classifier's decision that says which pictures to keep.
        keep: class or classes to keep instead, with no guarantee.
        keep_to: folder for pictures to keep; by default they stay.
        review: folder for pictures that a person must review; by default they stay.
        copy: copy pictures, and leave the inbox as it is.
        dry_run: only log what would be done.
        once: sort the pictures that are there, and return.
        poll: scan the inbox every two seconds, as network drives need it.
        settle: seconds for which a file must not change before it is read.
        stuck: seconds before an upload that stopped growing is logged as stuck.
        metrics: a text file of counts to write, for Prometheus.
        unsure_below: pictures whose confidence is below this go to review.
        audit: share of the pictures to ask a person about, such as `5%` or `aside=10%,keep=2%`. `skysort audit`
            says what their answers mean for the decision's promise.
        on_alarm: program and arguments to run once per alarm, with facts in its environment. No shell is involved.
        when_stale: `keep` to set nothing aside while an alarm says that the decision breaks its promise, or
            `go-on` to set pictures aside as before.
        stop: set it from another thread, or in a signal handler, to end the watch after the current batch.

    Returns:
        The number of pictures per action, and the state of the inbox.

    Raises:
        NotUnderstoodError: when options conflict, or name something that does not exist.
        SkysortError: when another watcher is at work on the inbox, the journal is damaged, or, with `once`, when
            anything failed. Otherwise the watcher logs each failure and tries again.
    """
    if (decision is None) == (not keep):
        raise NotUnderstoodError(
            "options-conflict",
            "expected --decision NAME, or --keep CLASS to keep by label with no guarantee",
        )
    for option, value in (("--audit", audit), ("--on-alarm", on_alarm)):
        if value is not None and decision is None:
            raise NotUnderstoodError(
                "options-conflict", f"{option} is about a promise; add --decision NAME, which makes one"
            )
    options = WatchOptions(
        Path(inbox), Path(aside), _path(keep_to), _path(review), copy, dry_run, once, poll, settle, stuck,
        _path(metrics), unsure_below, None if audit is None else AuditRates.parse(audit),
        () if on_alarm is None else command_of(on_alarm), when_stale,
    )  # fmt: skip
    loaded = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    rule = _rule(loaded, decision, keep, options.inbox)
    if options.audit and isinstance(rule, Decision):
        _log_grouping(rule)
    counts = watch_inbox(loaded, rule, options, stop or Stop())
    tell(
        logging.INFO, "ended", **counts.actions,
        waiting=counts.waiting, stuck=counts.stuck, passed_over=counts.passed_over,
    )  # fmt: skip
    return counts


def _log_grouping(decision: Decision) -> None:
    """Log how an audit groups pictures, if the promise counts groups."""
    if grouping := decision.grouping_in_use:
        facts = {name: value for name, value in vars(grouping).items() if value}
        event = "the promise counts groups of pictures, and so does the audit"
        tell(logging.INFO, event, decision=decision.name, **facts)


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _rule(classifier: Classifier, decision: str | None, keep: str | Sequence[str], inbox: Path) -> Rule:
    """Return the rule that decides, and log it."""
    if decision:
        rule = classifier.decision(decision)
        tell(
            logging.INFO, "watching by decision", decision=decision, inbox=str(inbox),
            lose_at_most=rule.lose_at_most, confidence=rule.confidence,
        )  # fmt: skip
        return rule
    by_label = LabelRule.among([keep] if isinstance(keep, str) else keep, classifier.classes)
    tell(
        logging.WARNING, "watching by label, with no guarantee of how many pictures to keep are lost",
        keep=", ".join(by_label.keep), inbox=str(inbox),
    )  # fmt: skip
    return by_label


def watch_inbox(classifier: Classifier, rule: Rule, options: WatchOptions, stop: Stop) -> Counts:
    """Watch an inbox until `stop` is set, or sort the pictures that are there once.

    Args:
        classifier: classifies the pictures.
        rule: turns predictions into actions.
        options: the folders and settings.
        stop: set it to end the watch after the current batch.

    Raises:
        NotUnderstoodError: when the folders do not exist or overlap.
        SkysortError: when another watcher is at work on the inbox, the journal is damaged, or, with `once`, when
            anything failed. Otherwise the watcher logs each failure and tries again.
    """
    options = options.with_folders()
    if not options.once:
        require("watching a folder", "watch", "watchfiles")
    if options.metrics:
        require("a file of metrics", "watch", "prometheus_client")
    settings = options.settings(classifier, rule)
    folders = [options.inbox] if options.dry_run else [options.inbox, *options.targets.values()]
    counts = Counts()
    with ExitStack() as stack:
        journal_of = options.aside
        if options.dry_run:  # a temporary journal, in which every picture stays
            journal_of = Path(stack.enter_context(tempfile.TemporaryDirectory()), "dry-run")
        about = {"inbox": str(options.inbox), "aside": str(options.aside)}
        writer = StatusWriter(status_file(journal_folder(journal_of)), options.metrics, about)
        _keep_running(
            Watcher(classifier, rule, settings, options, stop, Mounts.now(folders), counts, writer), journal_of
        )
    if options.once:
        _check_all_moved(counts)
    return counts


def _keep_running(watcher: Watcher, journal_of: Path) -> None:
    """Run a watcher until it is stopped. After an error that may pass, wait, and run it again.

    Raises:
        SkysortError: when another watcher is at work on the inbox or the journal, or the journal is damaged.
        Exception: any other error, with `once`.
    """
    own_locks = (lock_of(watcher.options.inbox), watcher_lock(journal_folder(journal_of)))
    delay = 1.0
    while True:
        began = time.monotonic()
        with ExitStack() as locks:  # held during the wait, too; an inbox made anew must be locked anew
            try:
                _run(watcher, journal_of, locks)
                return
            except Exception as error:
                if isinstance(error, LockedError) and error.path in own_locks:
                    raise
                ends = watcher.options.once or isinstance(error, DamagedJournalError)
                watcher.counts.trouble = as_text(error)
                watcher.status_writer.write(watcher.counts, "ended" if ends else "in trouble")
                if ends:
                    raise
            delay = 1.0 if time.monotonic() - began > LONGEST_DELAY else min(2 * delay, LONGEST_DELAY)
            tell(logging.ERROR, "cannot go on now", error=watcher.counts.trouble, seconds_to_next_try=delay)
            if watcher.stop.wait(delay):
                watcher.status_writer.write(watcher.counts, "ended")
                return


def _run(watcher: Watcher, journal_of: Path, locks: ExitStack) -> None:
    """Lock the inbox and the journal, and run a watcher with it."""
    inbox, lock = watcher.options.inbox, watcher_lock(journal_folder(journal_of))
    if inbox.is_dir():
        locks.enter_context(locked(lock_of(inbox)))
    watcher.mounts.check()
    with Journal(journal_of, make=True) as journal:
        lock.touch()
        locks.enter_context(locked(lock, wait=SECONDS_FOR_STATUS))
        remove_partials(watcher.status_writer.status)
        watcher.run(journal)


def _check_all_moved(counts: Counts) -> None:
    """Make sure that no picture failed and no folder was closed.

    Raises:
        SkysortError: when one did or was.
    """
    problems = []
    if counts.failing:
        problems.append(f"{counted(counts.failing, 'picture')} could not be sorted")
    if counts.closed:
        problems.append(f"{counted(counts.closed, 'folder')} could not be read")
    if problems:
        raise SkysortError("some-not-moved", f"{' and '.join(problems)}; the log has the reasons")
