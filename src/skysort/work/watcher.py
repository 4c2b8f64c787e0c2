"""One watch with one journal: what is complete is judged, noted, moved, noted."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.errors import SkysortError
from skysort.core.log import as_text, tell
from skysort.work.arrivals import Stop, arrivals
from skysort.work.attempts import Attempts
from skysort.work.classify import ClassifiedFile, Rule, is_unsure, judge, why_unsure
from skysort.work.inbox import Inbox
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, Settings, replaced
from skysort.work.mounts import Mounts
from skysort.work.moves import MoveResult, act, moving
from skysort.work.names import free_place, stands
from skysort.work.status_file import Counts, State, StatusWriter
from skysort.work.watch_options import WatchOptions


@dataclass
class Watcher:
    """One watch with one journal; all it knows is there, so that starting anew is going on."""

    classifier: Classifier
    rule: Rule
    settings: Settings
    options: WatchOptions
    stop: Stop
    drives: Mounts
    journal: Journal
    attempts: Attempts
    counts: Counts
    status_writer: StatusWriter
    session: int = field(init=False)
    inbox: Inbox = field(init=False)

    def run(self) -> None:
        """Go on until asked to stop."""
        self.session = self.journal.session(self.settings)
        options = self.options
        self.inbox = Inbox(
            options.inbox,
            options.settle,
            options.stuck,
            self.stays,
            self.attempts.is_suspect,
            by_own_time=options.once,
        )
        watched = options.inbox.stat()
        coming = (
            self.what_is_there()
            if options.once
            else arrivals(options.inbox, self.sweep, self.stop, poll=options.poll)
        )
        for arrived in coming:
            if not os.path.samestat(watched, options.inbox.stat()):
                raise SkysortError("folder-gone", f"{options.inbox} is another folder than it was")
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
        if self.options.copy:
            row = self.journal.taken_from(path)
            if row and row.kind == "copy" and row.session == self.session:
                yield row

    def stays_by_its_bytes(self, picture: ClassifiedFile) -> bool:
        """Tell whether a picture stays, for a file system that keeps times less exactly than the journal."""
        return any(row.digest == picture.digest for row in self.rows_that_stay(picture.path))

    def intended(self, picture: ClassifiedFile, taken: set[Path]) -> JournalEntry:
        """Return what to do with a picture; its place is added to those taken."""
        action, reason = self.rule.action(picture.prediction), None
        if is_unsure(picture.prediction, self.options.unsure_below):
            action, reason = "review", why_unsure(picture.prediction, self.options.unsure_below)
        target = self.options.targets.get(action)
        if target is None or self.options.dry_run:
            row = picture.row("stay", picture.path, action, reason)
        else:
            place = free_place(target / picture.path.relative_to(self.options.inbox), taken)
            taken.add(place)
            row = picture.row("copy" if self.options.copy else "move", place, action, reason)
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
        event = {"set-aside": "set aside", "review": "to review"}.get(row.action, row.action)
        tell(logging.INFO, f"would: {event}" if self.options.dry_run else event, **facts)

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
        if self.status_writer.is_due:
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
        self.status_writer.write(counts, state)


def is_without_links(folder: Path) -> bool:
    """Tell whether no part of an absolute path is a link, which may lead out of the inbox."""
    return os.path.realpath(folder) == str(folder)
