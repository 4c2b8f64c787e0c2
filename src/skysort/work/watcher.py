"""The watcher: find complete files, classify them, plan their moves, make them, report."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.errors import SkysortError
from skysort.core.log import as_text, tell
from skysort.work.arrivals import Stop, arrivals
from skysort.work.attempts import Attempts
from skysort.work.batch import plan_and_move
from skysort.work.classify import ClassifiedFile, Rule, classify, is_unsure, why_unsure
from skysort.work.inbox import Inbox
from skysort.work.journal import Journal
from skysort.work.journal_entries import SPARED, Identity, JournalEntry, Kind, Settings, replaced
from skysort.work.mounts import Mounts
from skysort.work.moves import MoveResult, moving
from skysort.work.names import exists, free_place
from skysort.work.on_alarm import StaleMark
from skysort.work.settle import temporary_files_of_others
from skysort.work.status_file import Counts, State, StatusWriter
from skysort.work.watch_options import WatchOptions

MOST_LISTED = 10


@dataclass
class Watcher:
    """Watches one inbox. All that it must remember is in the journal, so a new start continues the work."""

    classifier: Classifier
    rule: Rule
    settings: Settings
    options: WatchOptions
    stop: Stop
    mounts: Mounts
    counts: Counts
    status_writer: StatusWriter
    journal: Journal = field(init=False)
    attempts: Attempts = field(init=False)
    session: int = field(init=False)
    inbox: Inbox = field(init=False)
    stale: StaleMark = field(init=False)
    has_scanned_for_others: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Begin without an alarm."""
        self.stale = StaleMark(self.settings, self.options.inbox, self.options.on_alarm)

    def run(self, journal: Journal) -> None:
        """Watch with an open journal until `stop` is set, or sort the pictures that are there once."""
        options = self.options
        self.journal, self.attempts = journal, Attempts(journal.folder / "attempts.json")
        if not options.once and not self.has_scanned_for_others:  # it may take long, so only at the first start
            self.log_temporary_files_of_others()
            self.has_scanned_for_others = True
        self.session = journal.session(self.settings)
        self.inbox = Inbox(
            options.inbox,
            options.settle,
            options.stuck,
            self.stays,
            self.attempts.is_suspect,
            by_own_time=options.once,
        )
        self.check_promise()
        watched = options.inbox.stat()
        bursts = (
            self.scan_once() if options.once else arrivals(options.inbox, self.sweep, self.stop, poll=options.poll)
        )
        for burst in bursts:
            if not os.path.samestat(watched, options.inbox.stat()):
                raise SkysortError("folder-gone", f"another folder has taken the place of {options.inbox}")
            for path in burst:
                self.inbox.see(path)
            while not self.stop.is_set() and (complete := self.inbox.take(self.classifier.batch_size)):
                self.sort(complete)
                self.write_status_if_due()
            self.write_status_if_due()
        if options.once:
            self.log_incomplete()
        self.check_promise()
        self.stale.end()
        self.write_status("ended")

    def log_incomplete(self) -> None:
        """Log the incomplete files that stay in the inbox, unless the log names them already."""
        waiting = self.inbox.waiting.items()
        incomplete = sorted(path for path, file in waiting if not (file.error or file.is_stuck))
        for path in incomplete[:MOST_LISTED]:
            tell(logging.WARNING, "not complete yet, so it stays in the inbox", path=str(path))
        if (num := len(incomplete) - MOST_LISTED) > 0:
            tell(logging.WARNING, "more files are not complete yet", num=num)

    def check_promise(self) -> None:
        """Read whether the decision is marked stale, and write the status at once if that has changed."""
        if self.stale.look(self.journal):
            self.counts.stale_since = self.stale.alarm.raised if self.stale.alarm else None
            self.write_status("watching")

    def log_temporary_files_of_others(self) -> None:
        """Log temporary files of other journals in the folders. They stay where they are."""
        for path in islice(temporary_files_of_others(self.mounts.by_folder, self.journal.token), MOST_LISTED):
            tell(logging.WARNING, "temporary file of another journal, left alone", path=str(path))

    def scan_once(self) -> Iterator[set[Path]]:
        """Scan the inbox once, and then wait for the files that are not complete yet."""
        self.sweep()
        yield set()
        while (seconds := self.inbox.seconds_to_next()) is not None and not self.stop.wait(seconds):
            yield set()

    def sort(self, complete: list[Path]) -> None:
        """Sort a batch of complete files. After an unforeseen error each of them comes again, alone.

        Raises:
            SkysortError: when no file can be sorted, as without a drive or the journal.
            OSError: likewise.
        """
        try:
            self.mounts.check()
            self.classify_and_move(complete)
        except (SkysortError, OSError):
            raise
        except Exception as error:
            for path in self.inbox.waiting.keys() & complete:
                if len(complete) == 1:
                    self.failed(path, error)
                else:
                    self.inbox.classify_alone(path)

    def classify_and_move(self, complete: list[Path]) -> None:
        """Classify files, plan their moves, make them, and report each."""
        inside = [path for path in complete if is_without_links(path.parent)]
        for path in set(complete).difference(inside):  # since the inbox saw it, a folder has become a link
            self.inbox.forget(path)
        files: list[ClassifiedFile] = []
        failed: dict[Path, Exception] = {}
        with self.stop.interruptible():
            files, failed = classify(self.classifier, inside, self.attempts)
        for path, error in failed.items():
            self.failed(path, error)
        self.check_promise()
        results, begun = plan_and_move(self.journal, self.mounts.by_folder, files, self.plan)
        for result in results:
            self.report(result)
        for path, result in begun.items():
            if result.end is None:
                self.not_finished(path, result)

    def sweep(self) -> None:
        """Finish what earlier processes left unfinished, and scan the whole inbox."""
        with moving(self.journal) as leftovers:
            self.journal.toss_missing_coins()
            for result in leftovers.results:
                row, end = result.row, result.end or f"not known: {result.error}"
                tell(
                    logging.WARNING, "was interrupted", source=str(row.source), place=str(row.place), end=end
                )  # fmt: skip
        self.inbox.sweep()

    def stays(self, path: Path, file: Identity) -> bool:
        """Tell whether a file was sorted before and stays, by these settings or because of an undo."""
        return any(
            (row.file.size, row.file.mtime_ns) == (file.size, file.mtime_ns) for row in self.rows_that_stay(path)
        )

    def rows_that_stay(self, path: Path) -> Iterator[JournalEntry]:
        """Yield the journal's rows of files that stay at a path."""
        row = self.journal.put_at(path)
        if row and (row.by == "undo" or (row.kind == "stay" and row.session == self.session)):
            yield row
        if self.options.copy:
            row = self.journal.taken_from(path)
            if row and row.kind == "copy" and row.session == self.session:
                yield row

    def stays_by_its_bytes(self, file: ClassifiedFile) -> bool:
        """Tell the same by the file's digest: a file system may keep times less exactly than the journal."""
        return any(row.digest == file.digest for row in self.rows_that_stay(file.path))

    def plan(self, file: ClassifiedFile, taken: set[Path]) -> JournalEntry | None:
        """Plan the move of a file; None for a file that stays, or may be incomplete and has to wait.

        Args:
            file: classified.
            taken: places of other files.
        """
        if self.stays_by_its_bytes(file):
            self.inbox.forget(file.path)
            return None
        is_whole = file.prediction.status != "unreadable" and not file.not_ended
        if not is_whole and self.inbox.is_young(file.path):
            self.inbox.wait_for_its_end(file.path)
            return None
        entry = self.planned(file, taken)
        if self.options.audit and file.prediction.status != "unreadable":
            return replaced(entry, audit_aside=self.options.audit.aside, audit_keep=self.options.audit.keep)
        return entry

    def planned(self, file: ClassifiedFile, taken: set[Path]) -> JournalEntry:
        """Return the entry for the move of a complete file."""
        action, reason = self.rule.action(file.prediction), None
        if is_unsure(file.prediction, self.options.unsure_below):
            action, reason = "review", why_unsure(file.prediction, self.options.unsure_below)
        elif action == "set-aside" and self.stale.alarm and self.options.when_stale == "keep":
            action, reason = "keep", SPARED
        target = self.options.targets.get(action)
        if target is None or self.options.dry_run:
            return file.entry("stay", file.path, self.session, "watch", action, reason)
        place = free_place(target / file.path.relative_to(self.options.inbox), taken)
        kind: Kind = "copy" if self.options.copy else "move"
        return file.entry(kind, place, self.session, "watch", action, reason)

    def report(self, result: MoveResult) -> None:
        """Count and log the result of a move."""
        row = result.row
        if result.end is None:
            self.not_finished(row.source, result)
            return
        if result.end != "done":
            self.failed(row.source, result.error or FileNotFoundError("taken away by somebody"))
            return
        self.inbox.forget(row.source)
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
        event = {"set-aside": "set aside", "review": "to review"}.get(row.action, row.action)
        tell(logging.INFO, f"would: {event}" if self.options.dry_run else event, **facts)

    def not_finished(self, path: Path, result: MoveResult) -> None:
        """Count and log a move that cannot be finished now, and defer the file. The next batch tries again."""
        error = result.error or OSError("not known")
        self.counts.failures += 1
        if self.inbox.try_again(path, error):
            tell(logging.ERROR, "not finished yet", path=str(path), error=as_text(error))

    def failed(self, path: Path, error: Exception) -> None:
        """Count a failure, defer the file, and log each error of a file once."""
        with suppress(OSError):
            if not exists(path):
                self.inbox.forget(path)
                tell(logging.INFO, "taken away by somebody", path=str(path))
                return
        self.counts.failures += 1
        if self.inbox.try_again(path, error, alone=not isinstance(error, OSError)):
            tell(logging.ERROR, "failed", path=str(path), error=as_text(error))

    def write_status_if_due(self) -> None:
        """Write the status every ten seconds: with many waiting files, counting takes time."""
        if self.status_writer.is_due:
            self.check_promise()
            self.write_status("watching")

    def write_status(self, state: State) -> None:
        """Update the counts and write them to their files."""
        counts, inbox = self.counts, self.inbox
        counts.waiting, counts.stuck, counts.failing = len(inbox.waiting), inbox.num_stuck, inbox.num_failing
        if len(inbox.passed_over) > counts.passed_over:
            tell(
                logging.INFO, "passed over links, and files that are no pictures",
                num=len(inbox.passed_over), first=str(min(inbox.passed_over)),
            )  # fmt: skip
        counts.passed_over, counts.closed = len(inbox.passed_over), len(inbox.closed)
        counts.trouble = ""
        self.status_writer.write(counts, state)


def is_without_links(folder: Path) -> bool:
    """Tell whether no part of an absolute path is a link, which may lead out of the inbox."""
    return os.path.realpath(folder) == str(folder)
