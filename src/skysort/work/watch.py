"""An inbox watched day and night: see what has come, wait until it is complete, judge, note, move, note."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.errors import LockedError, NotUnderstoodError, SkysortError, require
from skysort.core.files import remove_partials
from skysort.core.locks import locked
from skysort.core.log import as_text, tell
from skysort.core.text import counted
from skysort.work.arrivals import Stop, arrivals
from skysort.work.attempts import Attempts
from skysort.work.classify import ClassifiedFile, LabelRule, Rule, is_unsure, judge, why_unsure
from skysort.work.inbox import LONGEST_DELAY, Inbox
from skysort.work.journal import Journal, journal_folder
from skysort.work.journal_entries import DamagedJournalError, Identity, JournalEntry, Settings, replaced
from skysort.work.mounts import Mounts, mount_of
from skysort.work.moves import MoveResult, act, moving
from skysort.work.names import free_place, stands
from skysort.work.settle import under_way_by_others
from skysort.work.status_file import Counts, State, StatusWriter, status_file, watcher_lock
from skysort.work.watch_options import WatchOptions, lock_of

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
    look: str | PathLike[str] | None = None,
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
        Path(inbox), Path(aside), _path(keep_to), _path(look), copy, dry_run, once, poll, settle, stuck,
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


def watch_inbox(classifier: Classifier, rule: Rule, order: WatchOptions, stop: Stop) -> Counts:
    """Watch an inbox until it is asked to stop, or once.

    Args:
        classifier: that judges.
        rule: what to do by its answers.
        order: what to watch, and where pictures go.
        stop: set when it is to end; the burst in hand is finished.

    Raises:
        NotUnderstoodError: when the folders cannot be as they are asked for.
        SkysortError: when another watcher is at work on the inbox, the journal is damaged, or, once, when anything
            failed. Otherwise what fails is told and tried again.
    """
    order = order.with_folders()
    if not order.once:
        require("watching a folder", "watch", "watchfiles")
    if order.metrics:
        require("a file of metrics", "watch", "prometheus_client")
    settings = order.settings(classifier, rule)
    counts = Counts()
    folders = [order.inbox] if order.dry_run else [order.inbox, *order.targets.values()]
    drives = Mounts({folder: mount_of(folder) for folder in folders})
    with ExitStack() as held:
        journal_of = order.aside
        if order.dry_run:  # in a journal that nobody sees, everything stays where it is
            journal_of = Path(held.enter_context(tempfile.TemporaryDirectory())) / "dry-run"
        told = StatusWriter(None, order.metrics, {"inbox": str(order.inbox), "aside": str(order.aside)})
        told.status = status_file(journal_folder(journal_of))
        lock = watcher_lock(journal_folder(journal_of))
        delay = 1.0
        looks_for_others = not order.once  # in all of the folders, which may take long: once, at the start
        while True:
            began = time.monotonic()
            with ExitStack() as locks:  # held while it waits, too; an inbox made anew is another to hold
                try:
                    if order.inbox.is_dir():
                        locks.enter_context(locked(lock_of(order.inbox)))
                    drives.check()
                    with Journal(journal_of, make=True) as journal:
                        lock.touch()
                        locks.enter_context(locked(lock, wait=SECONDS_FOR_A_LOOK))
                        remove_partials(told.status)
                        if looks_for_others:
                            _tell_of_others(folders, journal)
                            looks_for_others = False
                        attempts = Attempts(journal.folder / "judging.json")
                        _Watcher(
                            classifier, rule, settings, order, stop, drives, journal, attempts, counts, told
                        ).run()
                except Exception as error:
                    if isinstance(error, LockedError) and error.path in (lock_of(order.inbox), lock):
                        raise
                    ends = order.once or isinstance(error, DamagedJournalError)
                    counts.trouble = as_text(error)
                    told.write(counts, "ended" if ends else "in trouble")
                    if ends:
                        raise
                    delay = 1.0 if time.monotonic() - began > LONGEST_DELAY else min(2 * delay, LONGEST_DELAY)
                    tell(logging.ERROR, "cannot go on now", error=counts.trouble, seconds_to_next_try=delay)
                else:
                    if order.once:
                        _check_that_all_was_done(counts)
                    return counts
                if stop.wait(delay):
                    told.write(counts, "ended")
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


@dataclass
class _Watcher:
    """One watch with one journal; all it knows is there, so that starting anew is going on."""

    classifier: Classifier
    rule: Rule
    settings: Settings
    order: WatchOptions
    stop: Stop
    drives: Mounts
    journal: Journal
    attempts: Attempts
    counts: Counts
    told: StatusWriter
    session: int = field(init=False)
    inbox: Inbox = field(init=False)

    def run(self) -> None:
        """Go on until asked to stop."""
        self.session = self.journal.session(self.settings)
        order = self.order
        self.inbox = Inbox(
            order.inbox, order.settle, order.stuck, self.stays, self.attempts.is_suspect, by_own_time=order.once
        )
        watched = order.inbox.stat()
        coming = (
            self.what_is_there() if order.once else arrivals(order.inbox, self.sweep, self.stop, poll=order.poll)
        )
        for arrived in coming:
            if not os.path.samestat(watched, order.inbox.stat()):
                raise SkysortError("folder-gone", f"{order.inbox} is another folder than it was")
            for path in arrived:
                self.inbox.see(path)
            while not self.stop.is_set() and (complete := self.inbox.take(self.classifier.batch_size)):
                self.deal_with(complete)
                self.say_how_it_stands_now_and_then()
            self.say_how_it_stands_now_and_then()
        self.say_how_it_stands("ended")

    def what_is_there(self) -> Iterator[set[Path]]:
        """Look through the inbox once, and then wait for what is not complete yet."""
        self.sweep()
        yield set()
        while (seconds := self.inbox.seconds_to_next()) is not None and not self.stop.wait(seconds):
            yield set()

    def deal_with(self, complete: list[Path]) -> None:
        """Deal with a burst. After an error that nobody foresaw, its pictures come again, each by itself.

        Raises:
            SkysortError: when nothing can go on, as without a drive or the journal.
            OSError: likewise.
        """
        try:
            self.drives.check()
            self.journal.note_mounts(self.drives.mounts)
            self.judge_and_move(complete)
        except (SkysortError, OSError):
            raise
        except Exception as error:
            for path in self.inbox.waiting.keys() & complete:
                if len(complete) == 1:
                    self.failed(path, error)
                else:
                    self.inbox.judge_alone(path)

    def judge_and_move(self, complete: list[Path]) -> None:
        """Judge pictures, note what is to be done, do it, note what came of it."""
        inside = [path for path in complete if is_without_links(path.parent)]
        for path in set(complete).difference(inside):  # since it was seen, a folder has become a link
            self.inbox.dealt_with(path)
        judged: list[ClassifiedFile] = []
        failed: dict[Path, Exception] = {}
        with self.stop.interruptible():
            judged, failed = judge(self.classifier, inside, self.attempts)
        for path, error in failed.items():
            self.failed(path, error)
        with moving(self.journal) as left:
            # A picture of which something is not settled is not dealt with anew; nor is one that was settled just
            # now, since it was judged before: it may be elsewhere.
            begun = {path: outcome for outcome in left for path in (outcome.row.source, outcome.row.place)}
            taken: set[Path] = set()
            rows = []
            for picture in judged:
                if picture.path in begun:
                    continue
                if self.stays_by_its_bytes(picture):
                    self.inbox.dealt_with(picture.path)
                elif (picture.prediction.status == "unreadable" or picture.not_ended) and self.inbox.is_young(
                    picture.path
                ):
                    self.inbox.wait_for_its_end(picture.path)
                else:
                    rows.append(self.intended(picture, taken))
            outcomes = act(self.journal, rows)
        for outcome in outcomes:
            self.tell_outcome(outcome)
        for picture in judged:
            if (unsettled := begun.get(picture.path)) and unsettled.end is None:
                self.not_finished(picture.path, unsettled)

    def sweep(self) -> None:
        """Look through the whole inbox, after bringing to an end what was left unfinished."""
        with moving(self.journal) as left:
            for outcome in left:
                row, end = outcome.row, outcome.end or f"not known: {outcome.error}"
                tell(
                    logging.WARNING, "was interrupted", source=str(row.source), place=str(row.place), end=end
                )  # fmt: skip
        self.inbox.sweep()

    def stays(self, path: Path, file: Identity) -> bool:
        """Tell whether a file was dealt with and stays: as these settings had it, or a person did."""
        return any(
            (row.file.size, row.file.mtime_ns) == (file.size, file.mtime_ns) for row in self.rows_that_stay(path)
        )

    def rows_that_stay(self, path: Path) -> Iterator[JournalEntry]:
        """Yield what the journal knows of a file that stays at a path."""
        row = self.journal.put_at(path)
        if row and (row.by == "undo" or (row.kind == "stay" and row.session == self.session)):
            yield row
        if self.order.copy:
            row = self.journal.taken_from(path)
            if row and row.kind == "copy" and row.session == self.session:
                yield row

    def stays_by_its_bytes(self, picture: ClassifiedFile) -> bool:
        """Tell whether a picture stays, for a file system that keeps times less exactly than the journal."""
        return any(row.digest == picture.digest for row in self.rows_that_stay(picture.path))

    def intended(self, picture: ClassifiedFile, taken: set[Path]) -> JournalEntry:
        """Return what to do with a picture; its place is added to those taken."""
        action, reason = self.rule.action(picture.prediction), None
        if is_unsure(picture.prediction, self.order.unsure_below):
            action, reason = "look", why_unsure(picture.prediction, self.order.unsure_below)
        target = self.order.targets.get(action)
        if target is None or self.order.dry_run:
            row = picture.row("stay", picture.path, action, reason)
        else:
            place = free_place(target / picture.path.relative_to(self.order.inbox), taken)
            taken.add(place)
            row = picture.row("copy" if self.order.copy else "move", place, action, reason)
        return replaced(row, session=self.session, by="watch")

    def tell_outcome(self, outcome: MoveResult) -> None:
        """Count and log what came of a picture."""
        row = outcome.row
        if outcome.end is None:
            self.not_finished(row.source, outcome)
            return
        if outcome.end != "done":
            self.failed(row.source, outcome.error or FileNotFoundError("taken away by somebody"))
            return
        self.inbox.dealt_with(row.source)
        self.counts.actions[row.action] += 1
        self.counts.unreadable += row.label is None and not row.probabilities
        self.counts.last = time.time()
        facts: dict[str, str | float] = {"source": str(row.source)}
        if row.kind != "stay":
            facts["place"] = str(row.place)
        if row.label is not None:
            facts |= {"label": row.label, "confidence": round(max(row.probabilities), 6)}
        if row.reason:
            facts["reason"] = row.reason
        event = {"set-aside": "set aside", "look": "to look at"}.get(row.action, row.action)
        tell(logging.INFO, f"would: {event}" if self.order.dry_run else event, **facts)

    def not_finished(self, path: Path, outcome: MoveResult) -> None:
        """Count and log what is not settled, and put it off: the next moves begin with settling it."""
        error = outcome.error or OSError("not known")
        self.counts.failures += 1
        if self.inbox.try_again(path, error):
            tell(logging.ERROR, "not finished yet", path=str(path), error=as_text(error))

    def failed(self, path: Path, error: Exception) -> None:
        """Count what could not be done, put it off, and log it, each error once."""
        with suppress(OSError):
            if not stands(path):
                self.inbox.dealt_with(path)
                tell(logging.INFO, "taken away by somebody", path=str(path))
                return
        self.counts.failures += 1
        if self.inbox.try_again(path, error, alone=not isinstance(error, OSError)):
            tell(logging.ERROR, "failed", path=str(path), error=as_text(error))

    def say_how_it_stands_now_and_then(self) -> None:
        """Do so when it is due: with very many that wait, to count them takes its time."""
        if self.told.is_due:
            self.say_how_it_stands("watching")

    def say_how_it_stands(self, state: State) -> None:
        """Bring the counts up to date, and into their files."""
        counts, inbox = self.counts, self.inbox
        counts.waiting, counts.stuck, counts.failing = len(inbox.waiting), inbox.num_stuck, inbox.num_failing
        if len(inbox.passed_over) > counts.passed_over:
            tell(
                logging.INFO, "passed over links, and files that are no pictures",
                num=len(inbox.passed_over), first=str(min(inbox.passed_over)),
            )  # fmt: skip
        counts.passed_over, counts.closed = len(inbox.passed_over), len(inbox.closed)
        counts.trouble = ""
        self.told.write(counts, state)


def is_without_links(folder: Path) -> bool:
    """Tell whether no part of an absolute path is a link, which may lead out of the inbox."""
    return os.path.realpath(folder) == str(folder)
