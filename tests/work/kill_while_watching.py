"""Kill a watcher at moments taken by chance, while pictures arrive, and restart it; see that nothing is lost.

    python -m tests.work.kill_while_watching SCENARIO FOLDER NUM SEED

What arrives is good, unreadable, uploaded in pieces, under a name that was there before, empty and large.
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
from skysort.work import move
from skysort.work import watch as module
from skysort.work.judge import ByLabel
from skysort.work.watch import Order, Stop, watch
from tests.work.making import SETTINGS, FirstPixel, check_that_nothing_is_lost, files_below
from tests.work.test_watch import picture

system: Callable[[bytes, bytes], int] = move._exclusive_rename  # type: ignore[assignment]


def across(source: bytes, target: bytes) -> int:
    if (b"/inbox/" in source) != (b"/inbox/" in target):
        ctypes.set_errno(errno.EXDEV)
        return -1
    return system(source, target)


def main() -> None:
    scenario, top, num, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(seed)
    logging.disable()
    module.TICK_MS = 20
    if scenario == "across":
        move._exclusive_rename = across
    inbox = top / "inbox"
    inbox.mkdir()
    arrived: list[bytes] = []
    num_killed = 0
    for round_ in range(num):
        process = os.fork()
        if process == 0:
            # Every third as it runs day and night, the others again and again, which kills more of the moves.
            watch_until_killed(top, once=round_ % 3 > 0)
        killed_at = time.monotonic() + chance.uniform(0.0, 0.15)
        while time.monotonic() < killed_at:
            arrived.append(arrive(inbox, chance, len(arrived)))
            time.sleep(chance.uniform(0, 0.01))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        num_killed += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
    for part in inbox.rglob("*.part"):
        part.rename(part.with_suffix(""))
    time.sleep(0.05)
    order = Order(inbox, top / "aside", top / "blog", top / "look", once=True, settle=0.02, stuck=0.0)
    counts = watch(cast(Classifier, FirstPixel()), ByLabel(("bird",)), SETTINGS, order, Stop())
    check_that_nothing_is_lost(
        arrived, top / "aside", inbox, top / "aside", top / "blog", top / "look", unknown=[]
    )
    assert not files_below(inbox), "all that is complete has been dealt with"
    print(f"{scenario}: {num_killed} kills, {len(arrived)} pictures, {counts.actions.total()} of them at the end")


def watch_until_killed(top: Path, *, once: bool) -> None:
    order = Order(
        top / "inbox", top / "aside", top / "blog", top / "look", once=once, settle=0.005, stuck=0.05
    )  # fmt: skip
    try:
        while True:
            watch(cast(Classifier, FirstPixel()), ByLabel(("bird",)), SETTINGS, order, Stop())
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)


def arrive(inbox: Path, chance: random.Random, number: int) -> bytes:
    """Let a picture come in one of the ways in which they do; return its bytes, which no other has."""
    end = b"picture %d" % number  # behind a picture's end it harms nothing
    content = picture(chance.choice([10, 200])) + end
    kind = chance.random()
    if kind < 0.1:
        content = b"unreadable" + end
    elif kind < 0.15:
        content = picture(10, 600) + bytes(chance.randrange(2**20)) + end
    name = chance.choice(["a.png", "b.png", "c/a.png", f"{number}.png", "caf\udce9.png"])
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    if os.path.lexists(path):  # a camera that replaces its own picture has thrown it away itself
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
