"""Kill a watcher at random moments, while pictures arrive, restart it, and check that no picture is lost.

    python -m tests.work.kill_while_watching SCENARIO FOLDER OTHER_FOLDER NUM SEED

Pictures go from FOLDER to OTHER_FOLDER. They are good, unreadable, uploaded in pieces, huge, or have a name that
existed before. Now and then the script undoes moves, or redoes them, and kills that process, too.
"""

import ctypes
import errno
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from skysort.classifier.classifier import Classifier
from skysort.work import arrivals, renaming
from skysort.work.arrivals import Stop
from skysort.work.classify import LabelRule
from skysort.work.journal import Journal
from skysort.work.names import free_place
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.work.making import FirstPixel, check_that_nothing_is_lost, files_below, picture

MOST_WAITING = 150
LONGEST = 20.0
"""Seconds before a process that waits, and uses no processor time, is killed."""

system: Callable[[bytes, bytes], int] = renaming._exclusive_rename  # type: ignore[assignment]


def across(source: bytes, target: bytes) -> int:
    if (b"/inbox/" in source) != (b"/inbox/" in target):
        ctypes.set_errno(errno.EXDEV)
        return -1
    return system(source, target)


def main() -> None:
    scenario, top, other, num, seed = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:])
    chance = random.Random(seed)
    logging.disable()
    arrivals.TICK_MS = 20
    if scenario == "across":
        renaming._exclusive_rename = across
    inbox = top / "inbox"
    inbox.mkdir()
    arrived: list[bytes] = []
    num_killed = num_undos = 0
    for round_ in range(num):
        process = os.fork()
        if process == 0:
            # Every third watcher runs as usual. The others run with --once in a loop, so more kills hit a move.
            watch_until_killed(top, other, once=round_ % 3 > 0)

        def go_on() -> None:
            if sum(1 for _ in inbox.iterdir()) < MOST_WAITING:
                arrived.append(arrive(inbox, chance, len(arrived)))
            time.sleep(chance.uniform(0, 0.01))

        status = kill_after(chance.uniform(0.0, 0.15), process, go_on)
        num_killed += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
        if (other / "aside.journal" / "journal.sqlite").exists() and chance.random() < 0.3:
            num_undos += take_back_and_kill(other, chance)
        end_uploads(inbox)
    end_uploads(inbox)
    time.sleep(0.05)
    options = WatchOptions(
        inbox, other / "aside", other / "blog", other / "review", once=True, settle=0.02, stuck=0.0
    )
    counts = watch_inbox(cast(Classifier, FirstPixel()), LabelRule(("bird",)), options, Stop())
    check_that_nothing_is_lost(
        arrived, other / "aside", inbox, other / "aside", other / "blog", other / "review", unknown=[]
    )
    with Journal(other / "aside") as journal:
        left = [journal.put_at(path) for path in files_below(inbox)]
    assert all(row and row.by == "undo" for row in left), "all that is complete has been dealt with"
    print(
        f"{scenario}: {num_killed} kills of a watcher and {num_undos} of an undo, {len(arrived)} pictures,"
        f" {counts.actions.total()} of them dealt with at the end, {len(left)} taken back"
    )


def take_back_and_kill(other: Path, chance: random.Random) -> bool:
    """Undo some moves, or redo them; tell whether the process was killed before its end."""
    redo, last = chance.random() < 0.5, chance.randrange(1, 20)
    process = os.fork()
    if process == 0:
        with Journal(other / "aside") as journal:
            rows = journal.rows(takeable="undos" if redo else "moves", last=last)
            for _ in take_back(journal, rows, UndoRequest("redo" if redo else "undo")):
                pass
        os._exit(0)
    status = kill_after(chance.uniform(0, 0.05), process, lambda: time.sleep(0.001))
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def kill_after(seconds: float, process: int, meanwhile: Callable[[], None]) -> int:
    """Kill a process after so many seconds of processor time; return its exit status."""
    began = time.monotonic()

    def computed() -> float:
        if sys.platform == "linux":
            return time.clock_gettime((~process << 3) | 2)  # its clock: linux/posix-timers.h
        return time.monotonic() - began

    while computed() < seconds and time.monotonic() - began < LONGEST:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        meanwhile()
    os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def watch_until_killed(top: Path, other: Path, *, once: bool) -> None:
    options = WatchOptions(
        top / "inbox", other / "aside", other / "blog", other / "review", once=once, settle=0.005, stuck=0.05
    )
    try:
        while True:
            watch_inbox(cast(Classifier, FirstPixel()), LabelRule(("bird",)), options, Stop())
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)


def end_uploads(inbox: Path) -> None:
    for part in list(inbox.rglob("*.part")):
        part.rename(free_place(part.with_suffix("")))  # an undone picture may be there


def arrive(inbox: Path, chance: random.Random, number: int) -> bytes:
    """Let a picture arrive in one of several ways; return its bytes, which are unique."""
    end = b"picture %d" % number  # bytes after the end of a picture do no harm
    content = picture(chance.choice([10, 200])) + end
    kind = chance.random()
    if kind < 0.1:
        content = b"unreadable" + end
    elif kind < 0.12:
        content = picture(10, 600) + bytes(chance.randrange(2**22)) + end
    name = chance.choice(["a.png", "b.png", "c/a.png", f"{number}.png", "caf\udce9.png"])
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    if os.path.lexists(path):  # the camera itself overwrites its own picture
        path = inbox / f"{number}.png"
    part = path.with_name(path.name + ".part")
    if os.path.lexists(part):
        path = inbox / f"{number}.png"
        part = path.with_name(path.name + ".part")
    way = chance.random()
    half = chance.randrange(len(content))
    with part.open("xb") as file:
        file.write(content[:half])
        file.flush()
        time.sleep(chance.choice([0, 0, 0.003]))
        file.write(content[half:])
    if way < 0.8 and not os.path.lexists(path):
        part.rename(path)
    return content


if __name__ == "__main__":
    main()
