"""Kill a process that moves pictures before a line of its code, for many lines, and check it after a restart.

    python -m tests.work.kill_at_each_line FOLDER OTHER_FOLDER NUM SEED SCENARIO...

Pictures go from FOLDER to OTHER_FOLDER and back. NUM is the number of random lines; 0 means every line. Each
process is killed, restarted, killed again at a random line, and restarted. The script fails if a picture is lost.
Each scenario is in a process of its own.
"""

import ctypes
import errno
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from skysort.core import files
from skysort.work import journal, journal_columns, journal_database, moves, names, renaming, settle, undo
from skysort.work.journal import Journal
from skysort.work.moves import act, finish_unfinished
from skysort.work.names import free_place
from skysort.work.undo import UndoRequest, take_back
from tests.work.making import check_that_nothing_is_lost, row_for, with_session

TRACED = {
    module.__file__
    for module in (moves, settle, renaming, names, journal, journal_database, journal_columns, files, undo)
}
PICTURES = {
    "a.jpg": b"first",
    "b.jpg": b"second" * 100_000,
    "sub/c.jpg": b"",
    "sub/same.jpg": b"first",
    "-x\n.jpg": b"x",
}
THERE = {"a.jpg": b"was there before"}


def across(source: bytes, target: bytes) -> int:
    """Rename as the system does, except between the two folders."""
    if (b"/inbox/" in source) != (b"/inbox/" in target):
        ctypes.set_errno(errno.EXDEV)
        return -1
    return system(source, target)


def unsupported(_source: bytes, _target: bytes) -> int:
    ctypes.set_errno(errno.EINVAL)
    return -1


def refused(path: Path, *_arguments: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))


system: Callable[[bytes, bytes], int] = renaming._exclusive_rename  # type: ignore[assignment]


def main() -> None:
    folder, other, num, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    for scenario in sys.argv[5:]:
        process = os.fork()
        if process == 0:
            play(scenario, folder, other, num, seed)
            sys.exit()
        if os.waitpid(process, 0)[1]:
            sys.exit(1)


def play(scenario: str, folder: Path, other: Path, num: int, seed: int) -> None:
    if "across" in scenario:
        renaming._exclusive_rename = across
    if "unsupported" in scenario or "without links" in scenario:
        renaming._exclusive_rename = unsupported
    if "without links" in scenario:
        Path.symlink_to = refused  # type: ignore[method-assign]
    kind = "copy" if "copy" in scenario else "move"
    chance = random.Random(seed)
    begin = prepare_undo if "undo" in scenario else prepare
    work = take_all_back if "undo" in scenario else put_aside
    tops = (folder / "inbox", other / "aside")
    expected = [*PICTURES.values(), *THERE.values()]
    copied = expected + list(PICTURES.values()) if kind == "copy" else expected

    begin(*tops, kind)
    (folder / "lines").unlink(missing_ok=True)
    num_lines = forked(lambda: work(*tops, kind), count_into=folder / "lines")
    lines = range(1, num_lines + 1) if num == 0 else sorted(chance.sample(range(1, num_lines + 1), num))
    for line in lines:
        begin(*tops, kind)
        again = chance.randrange(1, num_lines)
        forked(lambda: work(*tops, kind), kill_at=line)
        forked(lambda: work(*tops, kind), kill_at=again)
        forked(lambda: work(*tops, kind))
        try:
            there = copied if kind == "copy" and "undo" not in scenario else expected
            check_that_nothing_is_lost(there, tops[1], *tops, unknown=list(THERE.values()))
        except AssertionError as error:
            sys.exit(f"{scenario}: killed before line {line} of {num_lines}, then {again}: {error}")
    print(f"{scenario}: {len(lines)} of {num_lines} lines, {2 * len(lines)} kills")


def prepare(inbox: Path, aside: Path, _kind: str) -> None:
    for folder in (inbox, aside, aside.with_name("aside.journal")):
        shutil.rmtree(folder, ignore_errors=True)
    for folder, contents in ((inbox, PICTURES), (aside, THERE)):
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def prepare_undo(inbox: Path, aside: Path, kind: str) -> None:
    prepare(inbox, aside, kind)
    put_aside(inbox, aside, kind)


def put_aside(inbox: Path, aside: Path, kind: Any) -> None:
    """Move pictures as a watcher does."""
    with Journal(aside, make=True) as opened, opened.moving():
        finish_unfinished(opened)
        rows, taken = [], set[Path]()
        for path in sorted(path for path in inbox.rglob("*.jpg")):
            if kind == "copy" and opened.taken_from(path):
                continue
            place = free_place(aside / path.relative_to(inbox), taken)
            taken.add(place)
            rows.append(row_for(path, place, kind))
        act(opened, with_session(opened, rows))


def take_all_back(_inbox: Path, aside: Path, _kind: str) -> None:
    with Journal(aside) as opened:
        with opened.moving():
            finish_unfinished(opened)
        problems = [taken.problem for taken in take_back(opened, opened.rows(takeable="moves"), UndoRequest())]
        assert not any(problems), problems


def forked(work: Callable[[], None], kill_at: int = 0, count_into: Path | None = None) -> int:
    """Run a function in a process, and kill the process before a line; return the number of lines."""
    process = os.fork()
    if process == 0:
        num = 0

        def trace(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal num
            if frame.f_code.co_filename not in TRACED:
                return None
            if event == "line":
                num += 1
                if num == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        work()
        sys.settrace(None)
        if count_into:
            count_into.write_text(str(num))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    ended_well = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    assert ended_well or (kill_at and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL), status
    return int(count_into.read_text()) if count_into else 0


if __name__ == "__main__":
    main()
