import csv
import errno
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from skysort.work.journal import Journal
from skysort.work.moves import act
from skysort.work.undo import UndoRequest, take_back
from tests.commands.conftest import Ended
from tests.conftest import command, picture_bytes, start
from tests.work.making import row_for, with_session

Command = Callable[..., Ended]
ROOT = Path(__file__).parents[2]
QUICK = ("--once", "--settle", "0.01")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for number in range(12):
        (tmp_path / "inbox" / "sub").mkdir(parents=True, exist_ok=True)
        (tmp_path / "inbox" / "sub" / f"{number}.jpg").write_bytes(picture_bytes(number, form="JPEG"))
    (tmp_path / "inbox" / "broken.jpg").touch()
    return tmp_path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def watched(top: Path, run: Path, *more: object) -> list[object]:
    return ["watch", run, top / "inbox", "--aside", top / "aside", "--keep", "bird", *more]


def rows_of(ended: Ended) -> list[dict[str, str]]:
    assert ended.code == 0, ended.err
    return list(csv.DictReader(io.StringIO(ended.out, newline="")))


def test_watch_journal_undo_and_undo_of_undo(
    top: Path, finished_run: Path, skysort_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = names(top / "inbox")
    ended = skysort_command(*watched(top, finished_run, *QUICK, "--keep-to", top / "blog", "--log-format", "json"))
    assert ended.code == 0
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert "with no guarantee" in events[0]["event"]
    moved = {event["source"]: event["place"] for event in events if "place" in event}
    assert len(moved) == 12 and all(Path(place).exists() for place in moved.values())

    rows = rows_of(skysort_command("journal", top / "aside", "--format", "csv"))
    assert {row["source"]: row["place"] for row in rows} == moved
    labels = json.loads(rows[0]["probabilities"])
    assert rows[0]["label"] == max(labels, key=labels.__getitem__)
    assert [int(row["number"]) for row in rows] == sorted(range(1, 13), reverse=True)
    aside = [row for row in rows if row["action"] == "set-aside"]
    only = rows_of(skysort_command("journal", top / "aside", "--format", "csv", "--class", "airplane"))
    assert only == aside
    table = skysort_command("journal", top / "aside", "--last", 3).out
    assert len(table.splitlines()) == 3 and " -> " in table
    assert skysort_command("journal", top / "aside", "--since", "2999-01-01").out == ""
    ended = skysort_command("journal", top / "aside", "--class", "caf\udce9")
    assert (ended.code, ended.error) == (2, "unknown-class") and "airplane, bird" in ended.err

    first = Path(aside[0]["source"]).name
    ended = skysort_command("undo", top / "aside", "--picture", first)
    assert ended.code == 0 and "remembered as bird" in ended.out
    monkeypatch.chdir(top)
    second = os.path.relpath(aside[1]["place"])
    assert skysort_command("undo", "aside", "--picture", second).code == 0
    corrections = rows_of(skysort_command("journal", top / "aside", "--corrections", "--format", "csv"))
    assert corrections == [{"path": aside[n]["source"], "label": "bird", "split": "train"} for n in (1, 0)]
    assert skysort_command(*watched(top, finished_run, *QUICK)).code == 0
    assert {f"sub/{first}", f"sub/{Path(second).name}"} < names(top / "inbox")
    assert skysort_command("undo", "aside", "--redo", "--last", 1).code == 0
    assert rows_of(skysort_command("journal", "aside", "--corrections", "--format", "csv")) == corrections[1:]
    assert skysort_command("undo", "aside", "--picture", second).code == 0
    assert rows_of(skysort_command("journal", "aside", "--corrections", "--format", "csv")) == corrections
    (remembered,) = (row for row in corrections if Path(row["path"]).name == first)
    content = Path(remembered["path"]).read_bytes()
    Path(remembered["path"]).write_bytes(b"what came there since")
    ended = skysort_command("journal", "aside", "--corrections", "--format", "csv")
    assert remembered not in rows_of(ended) and ended.err.startswith("1 ")
    Path(remembered["path"]).write_bytes(content)

    ended = skysort_command("undo", "aside", "--all")
    assert ended.code == 0 and "remembered" not in ended.out
    assert names(top / "inbox") == arrived
    ended = skysort_command("journal", "aside", "--corrections", "--format", "csv")
    assert rows_of(ended) == corrections  # who takes back a night says nothing of any picture
    ended = skysort_command("undo", "aside", "--all")
    assert (ended.code, ended.error) == (1, "nothing-to-undo") and "skysort journal" in ended.err


def test_undo_takes_back_every_picture_that_is_named(
    top: Path, finished_run: Path, skysort_command: Command
) -> None:
    skysort_command(*watched(top, finished_run, *QUICK, "--keep-to", top / "blog"))
    before = names(top)
    ended = skysort_command("undo", top / "aside", "--picture", "0.jpg", "--picture", "none.jpg")
    assert (ended.code, ended.error, names(top)) == (1, "nothing-to-undo", before)
    assert "'none.jpg'" in ended.err
    pictures = ("--picture", "0.jpg", "--picture", "3.jpg", "--picture", top / "inbox" / "sub" / "0.jpg")
    ended = skysort_command("undo", top / "aside", *pictures)
    assert ended.code == 0 and len(ended.out.splitlines()) == 2 and ended.out.count("remembered as") == 2
    assert names(top / "inbox") == {"broken.jpg", "sub/0.jpg", "sub/3.jpg"}
    assert skysort_command("undo", top / "aside", "--redo", "--picture", "0.jpg", "--picture", "3.jpg").code == 0
    assert names(top) == before


def test_undo_says_what_stands_there_now(top: Path, finished_run: Path, skysort_command: Command) -> None:
    skysort_command(*watched(top, finished_run, *QUICK))
    (name, *_) = sorted(names(top / "aside"))
    (top / "inbox" / name).write_bytes(b"a new one")
    ended = skysort_command("undo", top / "aside", "--picture", Path(name).name)
    assert (ended.code, ended.error) == (1, "some-not-moved") and "1 of 1" in ended.err
    assert str(top / "inbox" / name) in ended.out and str(top / "aside" / name) in ended.out
    assert (top / "inbox" / name).read_bytes() == b"a new one" and (top / "aside" / name).exists()


def test_undo_of_a_name_that_several_have_lists_them(
    top: Path, finished_run: Path, skysort_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "inbox" / "0.jpg").write_bytes(picture_bytes(0, form="JPEG"))
    skysort_command(*watched(top, finished_run, *QUICK, "--keep-to", top / "blog"))
    before = names(top)
    ended = skysort_command("undo", top / "aside", "--picture", "0.jpg")
    assert (ended.code, ended.out, ended.error, names(top)) == (2, "", "ambiguous-picture", before)
    for fact in ("2 ", "'0.jpg'", top / "inbox" / "0.jpg", top / "inbox" / "sub/0.jpg", "--last"):
        assert str(fact) in ended.err
    monkeypatch.chdir(top)
    assert skysort_command("undo", "aside", "--picture", "inbox/sub/0.jpg").code == 0
    assert names(top / "inbox") == {"broken.jpg", "sub/0.jpg"}
    assert skysort_command("undo", "aside", "--picture", "0.jpg").code == 0
    assert names(top / "inbox") == {"broken.jpg", "sub/0.jpg", "0.jpg"}


@pytest.mark.parametrize("is_there", [True, False])
def test_undo_finishes_what_was_interrupted_or_says_that_it_cannot(
    is_there: bool, top: Path, skysort_command: Command
) -> None:
    path, place = top / "inbox" / "sub" / "0.jpg", top / "aside" / "0.jpg"
    with Journal(top / "aside", make=True) as journal, journal.moving():
        journal.plan(with_session(journal, [row_for(path, place)]))
    (top / "aside").mkdir()
    path.rename(place)
    if not is_there:
        (top / "aside").rename(top / "gone")
        (top / "inbox" / "sub").rename(top / "sub")
    ended = skysort_command("undo", top / "aside", "--all")
    if is_there:
        assert (ended.code, path.exists(), ended.err) == (0, True, "")
    else:
        assert ended.code == 1 and f"{path} -> {place}" in ended.err and "1 move " in ended.err


def test_a_person_may_say_what_a_picture_is(top: Path, finished_run: Path, skysort_command: Command) -> None:
    skysort_command(*watched(top, finished_run, *QUICK))
    ended = skysort_command("undo", top / "aside", "--last", 1, "--label", "brid")
    assert (ended.code, ended.error) == (2, "unknown-class") and "'brid'" in ended.err and "'bird'" in ended.err
    assert skysort_command("undo", top / "aside", "--last", 1, "--label", "airplane").code == 0
    (row,) = rows_of(skysort_command("journal", top / "aside", "--corrections", "--format", "csv"))
    assert row["label"] == "airplane"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_text_keeps_no_correction_from_being_read(top: Path, skysort_command: Command) -> None:
    (top / "inbox" / "caf\udce9.jpg").touch()
    with Journal(top / "aside", make=True) as journal, journal.moving():
        files = [row_for(path, top / "aside" / path.name) for path in (top / "inbox").glob("*.jpg")]
        act(journal, with_session(journal, files))
    with Journal(top / "aside") as journal:
        assert len(list(take_back(journal, journal.rows(takeable="moves"), UndoRequest(is_correction=True)))) == 2
    ended = skysort_command("journal", top / "aside", "--corrections", "--format", "csv")
    assert rows_of(ended) == [{"path": str(top / "inbox" / "broken.jpg"), "label": "bird", "split": "train"}]
    assert ended.err.startswith("1 ") and "UTF-8" in ended.err


def test_a_decision_decides(top: Path, finished_run: Path, skysort_command: Command) -> None:
    run = shutil.copytree(finished_run, top / "run")
    skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "20%", "--confidence", "90%")
    expected = {
        row["path"]: row["action"]
        for row in json.loads(
            skysort_command("predict", run, top / "inbox", "--decision", "keep-bird", "--format", "json").out
        )
    }
    arguments = ["watch", run, top / "inbox", "--aside", top / "aside", "--decision", "keep-bird"]
    ended = skysort_command(*arguments, *QUICK, "--stuck", 0)
    assert ended.code == 0 and "watching by decision" in ended.err and "no guarantee" not in ended.err
    rows = rows_of(skysort_command("journal", top / "aside", "--format", "csv"))
    assert {row["source"]: row["action"] for row in rows} == expected
    assert {row["decision"] for row in rows} == {"keep-bird"}
    ended = skysort_command(*arguments[:-1], "keep-brid", *QUICK)
    assert (ended.code, ended.error) == (2, "unknown-decision") and "'keep-bird'" in ended.err


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (
            ("watch", "{run}", "{top}/inbox", "--aside", "{top}/aside"),
            ["--decision", "--keep", "[options-conflict]"],
        ),
        (
            ("watch", "{run}", "{top}/none", "--aside", "{top}/aside", "--keep", "bird"),
            ["{top}/none", "[path-not-found]"],
        ),
        (
            ("watch", "{run}", "{top}/none", "--aside", "{top}/aside", "--decision", "none", "--audit", "5%"),
            ["{top}/none", "[path-not-found]"],
        ),
        (
            ("watch", "{run}", "{top}/inbox", "--aside", "{top}/aside", "--keep", "brid"),
            ["'bird'", "[unknown-class]"],
        ),
        (("journal", "{top}/inbox"), ["{top}/inbox.journal", "[no-journal]"]),
        (("undo", "{top}/inbox", "--all"), ["{top}/inbox.journal", "[no-journal]"]),
        (("undo", "{top}/inbox"), ["--last", "--picture", "--all", "[options-conflict]"]),
        (("undo", "{top}/inbox", "--all", "--last", "3"), ["--all", "[options-conflict]"]),
        (("journal", "{top}/inbox", "--since", "yesterday"), ["{top}/inbox.journal", "[no-journal]"]),
        (("sort", "{run}", "{top}/none", "--to", "{top}/sorted"), ["{top}/none", "[path-not-found]"]),
        (
            ("sort", "{run}", "{top}/inbox", "--to", "{top}/inbox/sorted"),
            ["{top}/inbox", "{top}/inbox/sorted", "[folders-overlap]"],
        ),
    ],
)
def test_what_is_not_understood(
    arguments: tuple[str, ...], facts: list[str], top: Path, finished_run: Path, skysort_command: Command
) -> None:
    before = names(top)
    ended = skysort_command(*(argument.format(run=finished_run, top=top) for argument in arguments))
    assert ended.code == 2
    assert [fact for fact in facts if fact.format(top=top) not in ended.err] == []
    assert names(top) == before


def test_since_is_a_time(top: Path, finished_run: Path, skysort_command: Command) -> None:
    skysort_command(*watched(top, finished_run, *QUICK))
    ended = skysort_command("journal", top / "aside", "--since", "yesterday")
    assert (ended.code, ended.error) == (2, "wrong-value")
    assert "--since" in ended.err and "'yesterday'" in ended.err
    assert skysort_command("undo", top / "aside", "--since", "2000-01-01").code == 0


def test_times_are_shown_as_they_are_asked_for(top: Path, finished_run: Path, skysort_command: Command) -> None:
    skysort_command(*watched(top, finished_run, *QUICK))
    arguments = ("journal", top / "aside", "--last", 1)
    shown = datetime.fromisoformat(command(*arguments, TZ="Asia/Tokyo").stdout[:19])
    for since, there in ((shown, True), (shown + timedelta(seconds=1), False)):
        rows = command(*arguments, "--since", since.isoformat(), TZ="Asia/Tokyo").stdout
        assert bool(rows) == there


def test_sort_copies_or_moves_into_a_folder_a_class(
    top: Path, finished_run: Path, skysort_command: Command
) -> None:
    arrived = names(top / "inbox")
    ended = skysort_command("sort", finished_run, top / "inbox", "--to", top / "sorted")
    assert (ended.code, ended.error) == (1, "some-not-moved") and "1 picture " in ended.err
    assert str(top / "inbox" / "broken.jpg") in ended.out
    copies = names(top / "sorted")
    assert names(top / "inbox") == arrived
    assert {name.split("/", 1)[1] for name in copies} == arrived - {"broken.jpg"}
    ended = skysort_command("sort", finished_run, top / "inbox", "--to", top / "sorted")
    assert f"12  already copied or undone, according to the journal of {top / 'sorted'}" in ended.out
    assert names(top / "sorted") == copies
    assert skysort_command("undo", top / "sorted", "--all").code == 0
    assert names(top / "sorted") == set() and names(top / "inbox") == arrived
    ended = skysort_command("sort", finished_run, top / "inbox", "--to", top / "sorted")
    assert "       12  already copied or undone" in ended.out and names(top / "sorted") == set()
    assert f"skysort undo {top / 'sorted'} --redo --all" in ended.out
    assert skysort_command("undo", top / "sorted", "--redo", "--all").code == 0
    assert names(top / "sorted") == copies
    assert skysort_command("undo", top / "sorted", "--all").code == 0
    skysort_command("sort", finished_run, top / "inbox", "--to", top / "elsewhere", "--move")
    assert names(top / "elsewhere") == copies and names(top / "inbox") == {"broken.jpg"}
    assert skysort_command("undo", top / "elsewhere", "--all").code == 0
    assert names(top / "inbox") == arrived


def test_sort_says_what_could_not_be_done_to_which_file(
    top: Path, finished_run: Path, skysort_command: Command
) -> None:
    to = top / "sorted"
    to.mkdir()
    for name in ("airplane", "bird"):
        (to / name).write_text("no folder")
    (top / "inbox" / "link.jpg").symlink_to(top / "nowhere.jpg")
    ended = skysort_command("sort", finished_run, top / "inbox", "--to", to)
    assert ended.code == 1 and "Errno" not in ended.out
    lines = [line for line in ended.out.splitlines() if line.startswith("stays: ")]
    assert len(lines) == len(names(top / "inbox")) + 1  # the link, which names leaves out
    for line in lines:
        path = Path(line.removeprefix("stays: ").partition("  (")[0])
        if path.name == "nowhere.jpg":
            assert line.endswith(f"cannot be read or classified: {path}: {os.strerror(errno.ENOENT)})")
        elif path.name != "broken.jpg":
            assert f"cannot be copied to {to}" in line and os.strerror(errno.EEXIST) in line


def test_sort_says_what_to_type_next_and_what_it_is_least_sure_of(
    top: Path, finished_run: Path, skysort_command: Command
) -> None:
    to = top / "sorted here"
    ended = skysort_command("sort", finished_run, top / "inbox", "--to", to, "--unsure-below", 1)
    assert f"skysort journal '{to}'" in ended.out
    assert f"skysort undo '{to}' --all" in ended.out
    lines = ended.out.split("lowest confidence:\n")[1].splitlines()[:5]
    confidences = [float(line.split()[0]) for line in lines]
    assert len(confidences) == 5 and confidences == sorted(confidences)
    assert all(str(to / "unsure" / "sub") in line for line in lines)
    for number in ("1.5", "-0.1", "much"):
        ended = skysort_command("sort", finished_run, top / "inbox", "--to", to, "--unsure-below", number)
        assert (ended.code, ended.error) == (2, "wrong-value") and "--unsure-below" in ended.err


def test_what_the_watcher_is_unsure_of_is_to_look_at(
    top: Path, finished_run: Path, skysort_command: Command
) -> None:
    arguments = watched(top, finished_run, *QUICK, "--review", top / "review", "--unsure-below", 1)
    assert skysort_command(*arguments).code == 0
    rows = rows_of(skysort_command("journal", top / "aside", "--format", "csv"))
    assert {row["action"] for row in rows} == {"review"} and len(names(top / "review")) == 12
    ended = skysort_command("undo", top / "aside", "--picture", rows[0]["place"])
    assert ended.code == 0 and "no correction recorded" in ended.out and "--label CLASS" in ended.out
    assert all(row["reason"].startswith("unsure: ") and " 0." in row["reason"] for row in rows)


def test_status_says_how_a_watcher_stands(top: Path, finished_run: Path, skysort_command: Command) -> None:
    ended = skysort_command("status", top / "aside")
    assert (ended.code, ended.error) == (2, "no-journal")
    assert str(top / "aside.journal") in ended.err and "--aside" in ended.err
    process = start(*watched(top, finished_run, "--settle", "0.1"))
    try:
        given_up = time.monotonic() + 120
        while skysort_command("status", top / "aside").code != 0:
            assert process.poll() is None and time.monotonic() < given_up
            time.sleep(0.2)
        found = json.loads(skysort_command("status", top / "aside", "--format", "json").out)
        assert (found["state"], found["alive"], found["problems"]) == ("watching", True, [])
        assert found["process"] == process.pid and found["inbox"] == str(top / "inbox")
    finally:
        process.kill()
        process.communicate()
    ended = skysort_command("status", top / "aside")
    assert ended.code == 1 and ended.out.startswith("watching") and ended.out.count("problem: ") == 1
    skysort_command(*watched(top, finished_run, *QUICK))
    ended = skysort_command("status", top / "aside")
    assert ended.code == 1 and ended.out.startswith("ended") and ended.out.count("problem: ") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_watches_until_it_is_asked_to_end(number: signal.Signals, top: Path, finished_run: Path) -> None:
    process = start(*watched(top, finished_run, "--settle", "0.1", "--keep-to", top / "blog"))
    try:
        given_up = time.monotonic() + 120
        while names(top / "inbox") != {"broken.jpg"}:
            assert process.poll() is None and time.monotonic() < given_up
            time.sleep(0.05)
        second = command(*watched(top, finished_run, *QUICK))
        assert second.returncode == 1 and "[in-use]" in second.stderr
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "ended" in err.splitlines()[-1]
    assert json.loads((top / "aside.journal" / "status.json").read_text("utf-8"))["state"] == "ended"


def test_its_help_says_what_is_needed(skysort_command: Command) -> None:
    ended = skysort_command("watch", "--help")
    assert "--decision or --keep" in " ".join(ended.out.split())


def test_metrics_and_status_are_written(top: Path, finished_run: Path, skysort_command: Command) -> None:
    skysort_command(*watched(top, finished_run, *QUICK, "--metrics", top / "skysort.prom"))
    told = dict(
        line.rsplit(" ", 1) for line in (top / "skysort.prom").read_text().splitlines() if not line.startswith("#")
    )
    status = json.loads((top / "aside.journal" / "status.json").read_text("utf-8"))
    assert float(told['skysort_pictures_total{action="keep"}']) == status["actions"]["keep"]
    assert sum(status["actions"].values()) == 12 and status["waiting"] == 1
    page = (ROOT / "docs" / "reference" / "watcher.md").read_text("utf-8")
    assert set(status) == {
        name
        for line in page.split("## status.json")[1].split("\n## ")[0].splitlines()
        for name in re.findall(r"`([a-z_]+)`", line.split("|")[1] if line.startswith("| `") else "")
    }
