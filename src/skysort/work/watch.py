"""An inbox watched day and night: see what has come, wait until it is complete, judge, note, move, note."""

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.errors import HeldError, NotUnderstoodError, SkysortError, require
from skysort.files import locked, remove_partials, sync_folder
from skysort.work.drives import Drives, mount_of
from skysort.work.inbox import LONGEST_DELAY, Inbox
from skysort.work.journal import Journal
from skysort.work.journal_rows import DamagedJournalError, Identity, Row, Settings, replaced
from skysort.work.judge import Judged, Rule, judge
from skysort.work.move import Outcome, act, moving
from skysort.work.names import free_place, stands
from skysort.work.telling import Counts, State, Told, tell

SECONDS_BETWEEN_SWEEPS = 300.0
"""For what the system did not tell of: its queue of changes is not without end."""
AT_LIMIT = ("watch limit reached", "Error creating")
"""In errors of watchfiles, when the system watches no more folders or files for anybody."""
TICK_MS = 500
POLL_MS = 2000


class Stop:
    """Whether to end. A signal may set it at any moment, which threading.Event does not bear."""

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask to end."""
        self._asked = True

    def is_set(self) -> bool:
        """Tell whether it was asked."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until asked; tell whether it was."""
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK_MS / 1000))
        return self._asked


@dataclass(frozen=True)
class Order:
    """What to watch, and where pictures go."""

    inbox: Path
    aside: Path
    keep_to: Path | None = None
    """None: pictures to keep stay."""
    look: Path | None = None
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

    def __post_init__(self) -> None:
        """Refuse times that never come.

        Raises:
            NotUnderstoodError: for one that is not a number of seconds.
        """
        for name in ("settle", "stuck"):
            if not 0 <= (seconds := getattr(self, name)) < math.inf:
                raise NotUnderstoodError(f"--{name} takes a number of seconds, 0 or more; found {seconds}")

    @property
    def targets(self) -> dict[str, Path]:
        """Folders by action."""
        to = {"set-aside": self.aside, "keep": self.keep_to, "look": self.look}
        return {action: folder for action, folder in to.items() if folder}


def watch(classifier: Classifier, rule: Rule, order: Order, stop: Stop) -> Counts:
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
    order = _with_folders(order)
    if not order.once:
        require("watching a folder", "watch", "watchfiles")
    settings = _settings(classifier, rule, order)
    counts = Counts()
    folders = [order.inbox] if order.dry_run else [order.inbox, *order.targets.values()]
    drives = Drives({folder: mount_of(folder) for folder in folders})
    with ExitStack() as held:
        journal_of = order.aside
        if order.dry_run:  # in a journal that nobody sees, everything stays where it is
            journal_of = Path(held.enter_context(tempfile.TemporaryDirectory())) / "dry-run"
        told = Told(None, order.metrics, {"inbox": str(order.inbox), "aside": str(order.aside)})
        delay = 1.0
        while True:
            began = time.monotonic()
            with ExitStack() as inbox:  # held while it waits, too; one made anew is another to hold
                try:
                    if order.inbox.is_dir():
                        inbox.enter_context(locked(lock_of(order.inbox)))
                    drives.check()
                    with Journal(journal_of, make=True) as journal:
                        remove_partials(journal.folder / "status.json")
                        told.status = journal.folder / "status.json"
                        _Watcher(classifier, rule, settings, order, stop, drives, journal, counts, told).run()
                except (SkysortError, OSError) as error:
                    if isinstance(error, HeldError) and error.path == lock_of(order.inbox):
                        raise
                    ends = order.once or isinstance(error, DamagedJournalError)
                    counts.trouble = str(error)
                    told.write(counts, "ended" if ends else "in trouble")
                    if ends:
                        raise
                    delay = 1.0 if time.monotonic() - began > LONGEST_DELAY else min(2 * delay, LONGEST_DELAY)
                    tell(logging.ERROR, "cannot go on now", error=str(error), seconds_to_next_try=delay)
                else:
                    if order.once and counts.failing:
                        raise SkysortError(
                            f"{counts.failing:,} pictures could not be dealt with; the log says why"
                        )
                    return counts
                if stop.wait(delay):
                    told.write(counts, "ended")
                    return counts


@dataclass
class _Watcher:
    """One watch with one journal; all it knows is there, so that starting anew is going on."""

    classifier: Classifier
    rule: Rule
    settings: Settings
    order: Order
    stop: Stop
    drives: Drives
    journal: Journal
    counts: Counts
    told: Told
    session: int = field(init=False)
    inbox: Inbox = field(init=False)

    def run(self) -> None:
        """Go on until asked to stop."""
        self.session = self.journal.session(self.settings)
        order = self.order
        self.inbox = Inbox(order.inbox, order.settle, order.stuck, self.stays, by_own_time=order.once)
        watched = self.order.inbox.stat()
        for arrived in self.arrivals():
            if not os.path.samestat(watched, self.order.inbox.stat()):
                raise SkysortError(f"{self.order.inbox} is another folder than it was")
            for path in arrived:
                self.inbox.see(path)
            while not self.stop.is_set() and (complete := self.inbox.complete(self.classifier.batch_size)):
                self.deal_with(complete)
                self.say_how_it_stands_now_and_then()
            self.say_how_it_stands_now_and_then()
        self.say_how_it_stands("ended")

    def deal_with(self, complete: list[Path]) -> None:
        """Judge a burst, note what is to be done, do it, note what came of it."""
        self.drives.check()
        self.journal.note_mounts(self.drives.mounts)
        judged, failed = judge(self.classifier, [path for path in complete if self.is_inside(path)])
        for path, error in failed.items():
            self.failed(path, error)
        with moving(self.journal) as left:
            unsettled = {outcome.row.source: outcome for outcome in left if outcome.end is None}
            taken: set[Path] = set()
            rows = [
                self.intended(picture, taken)
                for picture in judged
                if picture.path not in unsettled and self.is_to_be_moved(picture)
            ]
            outcomes = act(self.journal, rows)
        for outcome in [*outcomes, *(unsettled[picture.path] for picture in judged if picture.path in unsettled)]:
            self.tell_outcome(outcome)

    def arrivals(self) -> Iterator[Iterable[Path]]:
        """Yield what has come, again and again, and nothing for a while now and then; sweep before and between."""
        if self.order.once:
            self.sweep()
            yield ()
            while (seconds := self.inbox.seconds_to_next()) is not None and not self.stop.wait(seconds):
                yield ()
            return
        poll = self.order.poll
        while not self.stop.is_set():
            try:
                yield from self.changes(poll)
            except (RuntimeError, OSError) as error:
                if not poll and any(sign in str(error) for sign in AT_LIMIT):
                    poll = True
                    tell(logging.WARNING, "looks again and again, as with --poll", error=str(error))
                elif isinstance(error, OSError):
                    raise
                else:  # watchfiles gives up at a name that is not UTF-8; the next sweep finds it
                    tell(logging.DEBUG, "looks through the inbox anew", error=str(error))
                    self.stop.wait(TICK_MS / 1000)

    def changes(self, poll: bool) -> Iterator[Iterable[Path]]:
        """Yield what the system tells of; sweep once it has begun to, so that nothing is missed, and at times."""
        from watchfiles import watch as changes_below

        swept = -math.inf
        for changes in changes_below(
            self.order.inbox, watch_filter=None, step=100, debounce=TICK_MS, rust_timeout=TICK_MS,
            yield_on_timeout=True, stop_event=self.stop, force_polling=poll, poll_delay_ms=POLL_MS,
            ignore_permission_denied=True,
        ):  # fmt: skip
            if time.monotonic() - swept > SECONDS_BETWEEN_SWEEPS:
                self.sweep()
                swept = time.monotonic()
            yield {Path(name) for _, name in changes}

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

    def rows_that_stay(self, path: Path) -> Iterator[Row]:
        """Yield what the journal knows of a file that stays at a path."""
        row = self.journal.put_at(path)
        if row and (row.by == "undo" or (row.kind == "stay" and row.session == self.session)):
            yield row
        if self.order.copy:
            row = self.journal.taken_from(path)
            if row and row.kind == "copy" and row.session == self.session:
                yield row

    def is_inside(self, path: Path) -> bool:
        """Make sure that no folder on the way has become a link out of the inbox."""
        if os.path.realpath(path.parent) == str(path.parent):
            return True
        self.inbox.dealt_with(path)
        return False

    def is_to_be_moved(self, picture: Judged) -> bool:
        """Tell whether anything is to be done with a picture now."""
        if any(row.digest == picture.digest for row in self.rows_that_stay(picture.path)):
            self.inbox.dealt_with(picture.path)  # a file system that keeps times less exactly
            return False
        return not (picture.prediction.status == "unreadable" and self.inbox.is_young(picture.path))

    def intended(self, picture: Judged, taken: set[Path]) -> Row:
        """Return what to do with a picture; its place is added to those taken."""
        action = self.rule.action(picture.prediction)
        target = self.order.targets.get(action)
        if target is None or self.order.dry_run:
            row = picture.row("stay", picture.path, action)
        else:
            place = free_place(target / picture.path.relative_to(self.order.inbox), taken)
            taken.add(place)
            row = picture.row("copy" if self.order.copy else "move", place, action)
        return replaced(row, session=self.session, by="watch")

    def tell_outcome(self, outcome: Outcome) -> None:
        """Count and log what came of a picture."""
        row = outcome.row
        if outcome.end is None:  # wherever it stands, the next moves begin with settling it
            self.counts.failures += 1
            self.inbox.try_again(row.source)
            tell(logging.ERROR, "not finished yet", path=str(row.source), error=str(outcome.error))
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

    def failed(self, path: Path, error: OSError) -> None:
        """Count and log what could not be done, and put it off."""
        with suppress(OSError):
            if not stands(path):
                self.inbox.dealt_with(path)
                tell(logging.INFO, "taken away by somebody", path=str(path))
                return
        self.counts.failures += 1
        self.inbox.try_again(path)
        tell(logging.ERROR, "failed", path=str(path), error=str(error))

    def say_how_it_stands_now_and_then(self) -> None:
        """Do so when it is due: with very many that wait, to count them takes its time."""
        if self.told.is_due:
            self.say_how_it_stands("watching")

    def say_how_it_stands(self, state: State) -> None:
        """Bring the counts up to date, and into their files."""
        counts, inbox = self.counts, self.inbox
        counts.waiting, counts.stuck, counts.failing = len(inbox.waiting), inbox.num_stuck, inbox.num_failing
        counts.trouble = ""
        self.told.write(counts, state)


def _with_folders(order: Order) -> Order:
    """Return an order with absolute folders that are there and apart."""
    if not order.inbox.is_dir():
        raise NotUnderstoodError(f"{order.inbox}: no such folder")
    inbox = order.inbox.resolve()
    resolved = {name: folder.resolve() for name, folder in _named(order).items()}
    said = {"the inbox": inbox} | {f"--{name}": folder for name, folder in resolved.items()}
    for (one, folder), (other, above) in permutations(said.items(), 2):
        if folder.is_relative_to(above):
            raise NotUnderstoodError(
                f"{one} {folder} and {other} {above} must not be in one another: what goes to one would be sorted"
                " again, or mixed with what goes to the other"
            )
    for folder in resolved.values():
        if not order.dry_run:
            try:
                folder.mkdir(exist_ok=True)  # not its parents: a drive that is not there must not be made up
                sync_folder(folder.parent)
            except OSError as error:
                raise SkysortError(f"could not make {folder}: {error.strerror or error}") from None
    return Order(
        **vars(order) | {"inbox": inbox} | {name.replace("-", "_"): folder for name, folder in resolved.items()}
    )


def _settings(classifier: Classifier, rule: Rule, order: Order) -> Settings:
    """Return what the journal tells sessions apart by; the folders of the order are absolute."""
    decision, threshold = (rule.name, rule.threshold) if isinstance(rule, Decision) else (None, None)
    unknown = None if classifier.table.unknown is None else classifier.table.unknown.threshold
    return Settings(
        "watch", classifier.digest, classifier.classes, decision, threshold, unknown, rule.keep,
        {name: str(folder) for name, folder in _named(order).items()} | {"copy": str(order.copy)},
    )  # fmt: skip


def _named(order: Order) -> dict[str, Path]:
    to = {"aside": order.aside, "keep-to": order.keep_to, "look": order.look}
    return {name: folder for name, folder in to.items() if folder}


def lock_of(inbox: Path) -> Path:
    """Return what to lock against a second watcher: the folder itself, where the system can."""
    if os.name == "posix":
        return inbox
    lock = inbox / ".skysort"
    lock.touch()
    return lock
