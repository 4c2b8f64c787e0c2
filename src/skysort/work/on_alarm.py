"""What a watcher does when its decision is marked stale: log it once, and run a command of the person's."""

import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from skysort.core.errors import NotUnderstoodError
from skysort.core.log import as_text, iso_time, tell
from skysort.work.alarms import Alarm
from skysort.work.journal import Journal
from skysort.work.journal_entries import Settings

SECONDS_AT_THE_END = 10.0
"""How long a watcher that ends waits for the command, to log its failure. The command goes on afterwards."""


def command_of(text: str) -> tuple[str, ...]:
    """Return the program and the arguments of --on-alarm. No shell is involved.

    >>> command_of("env -u HOME 'a b'")
    ('env', '-u', 'HOME', 'a b')

    Raises:
        NotUnderstoodError: when a quotation mark is missing, or there is no such program.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise NotUnderstoodError("wrong-value", f"--on-alarm cannot be split into words: {error}") from None
    if not words:
        raise NotUnderstoodError("wrong-value", "--on-alarm takes a program and its arguments; found nothing")
    if shutil.which(words[0]) is None:
        raise NotUnderstoodError("path-not-found", f"--on-alarm: there is no program '{words[0]}'")
    return tuple(words)


class StaleMark:
    """The alarm about the decision of a watcher, as far as the watcher has seen it.

    Args:
        settings: of the watcher's session.
        inbox: of the watcher.
        command: program and arguments to run once per alarm; empty for none.
    """

    def __init__(self, settings: Settings, inbox: Path, command: Sequence[str]) -> None:
        self.alarm: Alarm | None = None
        self._settings, self._inbox, self._command = settings, inbox, command
        self._process: subprocess.Popen[bytes] | None = None

    def look(self, journal: Journal) -> bool:
        """Read the mark; log a change and run the command. Tell whether there was a change."""
        self._log_failure()
        alarm = journal.alarms.now(self._settings) if self._settings.decision else None
        before, self.alarm = self.alarm, alarm
        if (alarm and alarm.id) == (before and before.id):
            return False
        decision = self._settings.decision
        if alarm is None:
            tell(logging.INFO, "the alarm was lifted: an answer was taken back", decision=decision)
            return True
        tell(
            logging.ERROR, "alarm: the decision breaks its promise; run skysort audit", decision=decision,
            raised=iso_time(alarm.raised),
        )  # fmt: skip
        if self._command and alarm.told is None and self._start(journal, alarm):
            journal.alarms.note_told(alarm)  # only now: after a kill in between the command runs again
        return True

    def end(self) -> None:
        """Wait a little for the command, and log its failure."""
        if self._process:
            try:
                self._process.wait(SECONDS_AT_THE_END)
            except subprocess.TimeoutExpired:
                tell(logging.WARNING, "the command of --on-alarm still runs", process=self._process.pid)
            self._log_failure()

    def _start(self, journal: Journal, alarm: Alarm) -> bool:
        """Start the command; tell whether it could be started."""
        settings = self._settings
        facts = {
            "SKYSORT_DECISION": settings.decision or "",
            "SKYSORT_KEEP": ",".join(settings.keep),
            "SKYSORT_LOSE_AT_MOST": str(settings.lose_at_most),
            "SKYSORT_RAISED": iso_time(alarm.raised),
            "SKYSORT_PICTURE": str(journal.row(alarm.row).place),
            "SKYSORT_INBOX": str(self._inbox),
            "SKYSORT_ASIDE": settings.folders.get("aside", ""),
        }
        try:
            self._process = subprocess.Popen(
                self._command, env=os.environ | facts, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=sys.platform != "win32",  # Ctrl-C is for the watcher
            )  # fmt: skip
        except (OSError, ValueError) as error:
            tell(logging.ERROR, "the command of --on-alarm did not start", error=as_text(error))
            return False
        tell(logging.INFO, "started the command of --on-alarm", process=self._process.pid)
        return True

    def _log_failure(self) -> None:
        if self._process and (code := self._process.poll()) is not None:
            self._process = None
            if code:
                tell(logging.ERROR, "the command of --on-alarm failed", exit_code=code)
