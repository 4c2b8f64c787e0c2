"""skysort watch --audit and skysort audit, on the command line."""

import csv
import io
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Ended
from tests.commands.test_decide import BIRDS
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
NUM = 12


@pytest.fixture
def top(tmp_path: Path, finished_run: Path, skysort_command: Command) -> Path:
    """A watcher's folders, after all of its pictures were drawn."""
    run = shutil.copytree(finished_run, tmp_path / "run")
    assert skysort_command("decide", run, *BIRDS).code == 0
    (tmp_path / "inbox").mkdir()
    for number in range(NUM):
        (tmp_path / "inbox" / f"{number}.jpg").write_bytes(picture_bytes(number, form="JPEG"))
    return tmp_path


def watch(top: Path, audit: str, command: Command, *more: object) -> Ended:
    return command(
        "watch", top / "run", top / "inbox", "--aside", top / "aside", "--keep-to", top / "blog", "--decision",
        "keep-bird", "--audit", audit, "--once", "--settle", "0.01", "--log-format", "json", *more,
    )  # fmt: skip


def report(top: Path, command: Command, *more: object) -> dict[str, Any]:
    ended = command("audit", top / "aside", "--format", "json", *more)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_from_looks_to_a_broken_promise(top: Path, skysort_command: Command) -> None:
    ended = watch(top, "aside=100%,keep=100%", skysort_command)
    assert ended.code == 0, ended.err
    announced = [json.loads(line) for line in ended.err.splitlines() if "the audit" in line]
    assert len(announced) == 2 and announced[0]["looks"] > announced[1]["looks"] > 0

    found = report(top, skysort_command)
    assert (found["arrivals"], found["drawn"], found["due"], found["stale"]) == (NUM, NUM, NUM, False)
    listed = skysort_command("audit", top / "aside", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(listed.out, newline="")))
    assert len(rows) == NUM and {row["label"] for row in rows} == {""}
    assert all(Path(row["path"]).exists() for row in rows)

    looks = top / "looks.csv"
    looks.write_bytes(listed.out.encode("utf-8", "surrogateescape"))  # before anybody fills it in
    ended = skysort_command("audit", top / "aside", "--answers", looks)
    assert ended.code == 0 and "recorded nothing" in ended.err and str(looks) in ended.err
    with looks.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((row["path"], "bird") for row in rows)])
    ended = skysort_command("audit", top / "aside", "--answers", looks)
    assert ended.code == 0 and f"recorded {NUM} answers" in ended.err
    found = report(top, skysort_command)
    assert (found["protected"], found["due"], found["to_look_at"]) == (NUM, 0, [])
    num_lost = len(list((top / "aside").iterdir()))
    assert found["lost"] == num_lost
    is_stale = bool(found["stale"])
    assert is_stale == (found["evidence"] >= found["evidence_of_an_alarm"])
    assert skysort_command("audit", top / "aside", "--check").code == is_stale

    ended = skysort_command("audit", top / "aside", "--undo", 2, "--format", "json")
    assert ended.err.count("took back: bird") == 2 and json.loads(ended.out)["due"] == 2


def test_check_exits_with_1_for_a_broken_promise(top: Path, skysort_command: Command) -> None:
    watch(top, "100%", skysort_command)
    (top / "looks.csv").write_text("path,label\n" + "".join(f"{n}.jpg,bird\n" for n in range(NUM)))
    skysort_command("audit", top / "aside", "--answers", top / "looks.csv")
    for action, code in (("keep", 0), ("set-aside", 1)):
        with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
            database.execute("UPDATE rows SET action = ?", (action,))
        database.close()
        ended = skysort_command("audit", top / "aside", "--check")
        assert ended.code == code and ("BROKEN" in ended.out) == bool(code)


def test_an_alarm_reaches_the_watcher_and_the_person(top: Path, skysort_command: Command) -> None:
    watch(top, "100%", skysort_command)
    (top / "looks.csv").write_text("path,label\n" + "".join(f"{n}.jpg,bird\n" for n in range(NUM)))
    with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
        database.execute("UPDATE rows SET action = 'set-aside'")
    database.close()
    ended = skysort_command("audit", top / "aside", "--answers", top / "looks.csv")
    assert "skysort improve RUN --from ASIDE" in ended.out
    (alarm,) = report(top, skysort_command)["alarms"]
    assert alarm["lifted"] is None

    (top / "inbox" / "new.jpg").write_bytes(picture_bytes(99, form="JPEG"))
    program = f'{sys.executable} -c \'import os; print(os.environ["SKYSORT_RAISED"], file=open("told", "x"))\''
    more = ("--on-alarm", program.replace("told", str(top / "told")))
    ended = watch(top, "100%", skysort_command, *more)
    assert ended.code == 0 and ended.err.count("alarm: the decision breaks its promise") == 1, ended.err
    assert (top / "told").read_text().strip() == alarm["raised"]
    assert not (top / "aside" / "new.jpg").exists()
    assert watch(top, "100%", skysort_command, *more).code == 0  # the program would fail the second time
    ended = skysort_command("status", top / "aside", "--format", "json")
    assert ended.code == 1 and json.loads(ended.out)["stale_since"] == alarm["raised"]

    skysort_command("audit", top / "aside", "--undo", NUM)
    assert skysort_command("audit", top / "aside", "--check").code == 0
    watch(top, "100%", skysort_command)
    assert json.loads(skysort_command("status", top / "aside", "--format", "json").out)["stale_since"] is None
    ended = watch(top, "100%", skysort_command, "--on-alarm", "no-such-program")
    assert (ended.code, ended.error) == (2, "path-not-found")


def test_what_cannot_be_audited_is_refused(top: Path, skysort_command: Command) -> None:
    ended = skysort_command(
        "watch", top / "run", top / "inbox", "--aside", top / "aside", "--keep", "bird", "--audit", "5%", "--once"
    )
    assert (ended.code, ended.error) == (2, "options-conflict")
    for rates in ("0", "0%", "101%", "aside=10%", "keep=1%,aside=2", "often"):
        ended = watch(top, rates, skysort_command)
        assert (ended.code, ended.error) == (2, "wrong-value") and "--audit" in ended.err
    assert not (top / "aside").exists()
    skysort_command("audit", top / "aside").check_refused(2, "no-journal")
    watch(top, "5%", skysort_command)
    skysort_command("audit", top / "aside", "--answers", top / "no.csv").check_refused(2, "path-not-found")
    skysort_command("audit", top / "aside", "--answers", top / "no.csv", "--undo", 1).check_refused(
        2, "options-conflict"
    )


def test_the_page_of_a_decision_in_use(top: Path, skysort_command: Command) -> None:
    watch(top, "100%", skysort_command)
    ended = skysort_command("audit", top / "aside", "--output", top / "report.html")
    assert ended.code == 0 and "looks: 0 of 12 done" in ended.out
    assert "keep-bird" in (top / "report.html").read_text("utf-8")
