"""Is a promise kept and nothing lost in a year of pictures, alarms, improvements and kills?

    python benchmarks/year.py --pictures 100000

Small drawn pictures of birds and airplanes arrive in an inbox. `skysort watch` sorts them with an audit and is
killed with SIGKILL again and again, as are `skysort audit`, `skysort undo` and `skysort improve`. Twice the birds
change, so that the decision loses more of them than it promises. Each time, the answers raise an alarm,
`skysort improve` makes a new classifier, and the watcher goes on with it. The truth answers every look.

At the end, every picture must be there once, with its bytes. At the end of each decision, the figures of `skysort
audit` must equal those that this script computes from the truth, with code of its own. Linux, since commands fork.
"""

import argparse
import hashlib
import hmac
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report
from PIL import Image

CLASSES = ("airplane", "bird")
SIZE = 16
ANGLES = {"airplane": (0.0, 12.0), "bird": (90.0, 12.0), "bird 1": (40.0, 15.0), "bird 2": (-15.0, 10.0)}
"""Mean and spread, in degrees, of the direction of a subject; of birds also after each change."""
LOSE_AT_MOST, CONFIDENCE = "10%", "90%"
ENOUGH_BIRDS = 100
"""Looked-at birds since an alarm, from which `improve` can make the promise anew: half of them calibrate."""
LEARNED = 400
"""Pictures per class of the first run."""
MOST_KILLS = 4
"""Of one improvement."""
REPEATED = 0.01
"""Share of pictures that arrive a second time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--changes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--audit", default="10%", help="rates of looks")
    parser.add_argument("--rounds", type=int, default=200, help="a watcher is started in each")
    parser.add_argument("--rounds-per-audit", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the pictures; by default a temporary folder")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    top = Path(tempfile.mkdtemp(dir=asked.folder)).resolve()
    began = time.monotonic()
    try:
        figures = Year(top, asked).run()
    finally:
        shutil.rmtree(top)
    figures["seconds"] = round(time.monotonic() - began)
    report(
        "is a promise kept and nothing lost in a year of alarms, improvements and kills?", figures, asked.output
    )


def drawn(kind: str, rng: np.random.Generator) -> bytes:
    """Return a PNG of a bar on coarse colours. Its direction says what it is."""
    mean, spread = ANGLES[kind]
    angle = np.deg2rad(rng.normal(mean, spread))
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2 + rng.uniform(-2, 2, (2, 1, 1))
    across, along = rows * np.cos(angle) + columns * np.sin(angle), columns * np.cos(angle) - rows * np.sin(angle)
    bar = np.exp(-((across / 1.2) ** 2) - (along / 6) ** 4) * rng.uniform(80, 130)
    colours = np.kron(rng.uniform(0, 110, (4, 4, 3)), np.ones((SIZE // 4, SIZE // 4, 1)))
    pixels = colours + bar[:, :, None]  # (H, W, 3)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass
class Year:
    """One year: the folders, what arrived, and what was done."""

    top: Path
    asked: argparse.Namespace
    truth: dict[str, str] = field(default_factory=dict)
    """The class of each picture, by its SHA-256."""
    arrived: Counter[str] = field(default_factory=Counter)
    """How often each picture arrived."""
    counts: Counter[str] = field(default_factory=Counter)
    checked: list[dict[str, Any]] = field(default_factory=list)
    """Figures of each decision, at its end."""
    again: list[bytes] = field(default_factory=list)
    """Pictures that will arrive a second time."""
    runs: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.asked.seed)
        self.rng = np.random.default_rng(self.asked.seed)
        self.inbox, self.aside = self.top / "inbox", self.top / "aside"
        os.environ["SKYSORT_CACHE"] = str(self.top / "cache")

    @property
    def run_folder(self) -> Path:
        return self.top / f"run{self.runs}"

    def run(self) -> dict[str, Any]:
        """Live through the year; return its figures."""
        self.inbox.mkdir()
        self.learn()
        import skysort.classifier.classifier
        import skysort.cli.watch  # a fork of a command then has all libraries
        import skysort.runs.audit
        import skysort.work.watch  # noqa: F401

        num, rounds = self.asked.pictures, self.asked.rounds
        for round_ in range(rounds):
            part = range(num * round_ // rounds, num * (round_ + 1) // rounds)
            for number in part:
                self.arrive(number, 1 + self.asked.changes if self.asked.changes else 1)
            self.watch()
            if (round_ + 1) % self.asked.rounds_per_audit == 0 or round_ + 1 == rounds:
                self.correct()
                self.answer()
        self.must("watch", self.run_folder, *self.watching(), "--once")
        self.answer()
        self.check_audit()
        self.check_pictures()
        done = self.counts["alarms"], self.counts["improvements"]
        assert done == (self.asked.changes,) * 2, f"alarms and improvements: {done}"
        return {"pictures": sum(self.arrived.values()), **self.counts, "decisions": self.checked}

    def learn(self) -> None:
        """Make the first run and its decision."""
        for name in CLASSES:
            (self.top / "pictures" / name).mkdir(parents=True)
            for number in range(LEARNED):
                (self.top / "pictures" / name / f"{number}.png").write_bytes(drawn(name, self.rng))
        small = [f"pictures.size={SIZE}", "pictures.shares=50/10/30/10", "training.epochs=10"]
        options = [text for value in small for text in ("--set", value)]
        self.must("train", self.top / "pictures", "--recipe", "mlp-small", "--run", self.run_folder, *options)
        self.must(
            "decide", self.run_folder, "--keep", "bird", "--lose-at-most", LOSE_AT_MOST, "--confidence", CONFIDENCE
        )

    def arrive(self, number: int, num_seasons: int) -> None:
        """Let one picture arrive."""
        season = number * num_seasons // self.asked.pictures
        if self.again and self.chance.random() < REPEATED:
            content = self.again.pop()
        else:
            name = self.chance.choice(CLASSES)
            content = drawn(f"bird {season}" if name == "bird" and season else name, self.rng)
            self.truth[hashlib.sha256(content).hexdigest()] = name
            if self.chance.random() < 2 * REPEATED:
                self.again.append(content)
        self.arrived[hashlib.sha256(content).hexdigest()] += 1
        part = self.inbox / f"{number}.part"
        part.write_bytes(content)
        part.rename(self.inbox / f"{number}.png")

    def watching(self) -> tuple[object, ...]:
        """Return the arguments of `skysort watch`."""
        folders = ("--aside", self.aside, "--keep-to", self.top / "blog", "--review", self.top / "review")
        return self.inbox, *folders, "--decision", "keep-bird", "--audit", self.asked.audit, "--settle", 0

    def watch(self) -> None:
        """Let a watcher sort, and kill it. Then the next one sorts most of what is left."""
        once = self.chance.random() < 0.5
        arguments = ("watch", self.run_folder, *self.watching(), *(["--once"] if once else []))
        seconds = self.chance.uniform(0.5, 4.0)
        self.killed(arguments, seconds, must_die=not once)
        if sum(1 for _ in self.inbox.iterdir()) > self.asked.pictures // self.asked.rounds:
            self.must("watch", self.run_folder, *self.watching(), "--once")

    def correct(self) -> None:
        """Take back one wrong picture, and kill the process; answer for a few that were not drawn."""
        with Rows(self.aside) as rows:
            wrong = [row for row in rows.moved() if self.truth[row["digest"]] != row["label"]]
        drawn_now = [row for row in wrong if row["coin"] < row["rate"]]
        for row in self.chance.sample(drawn_now, min(1, len(drawn_now))):
            place = Path(os.fsdecode(row["folder"]), os.fsdecode(row["name"]))
            arguments = ("undo", self.aside, "--picture", place, "--label", self.truth[row["digest"]], "--keep")
            self.killed(arguments, self.chance.uniform(0.0, 0.1))
        others = [row for row in wrong if row["coin"] >= row["rate"]]
        lines = [
            (row["id"], self.truth[row["digest"]]) for row in self.chance.sample(others, min(10, len(others)))
        ]
        self.counts["corrections"] += len(lines)
        self.give(lines)

    def answer(self) -> None:
        """Answer every look that waits, by the truth. After an alarm, improve once there are enough answers."""
        with Rows(self.aside) as rows:
            due = rows.due()
            alarm = rows.alarm()
        self.counts["looks"] += len(due)
        self.give([(number, self.truth[digest]) for number, digest in due])
        figures = json.loads(self.must("audit", self.aside, "--format", "json"))
        if alarm is None and figures["stale"]:
            self.counts["alarms"] += 1
        with Rows(self.aside) as rows:
            alarm = rows.alarm()
            since = [digest for number, digest in rows.answered() if alarm is not None and number > alarm]
        if figures["stale"] and sum(self.truth[digest] == "bird" for digest in since) >= ENOUGH_BIRDS:
            self.check_audit()
            self.improve()

    def give(self, answers: list[tuple[int, str]]) -> None:
        """Give answers by the numbers of rows in a file. The command is killed and begins again."""
        if not answers:
            return
        file = self.top / "looks.csv"
        file.write_text("number,path,label\n" + "".join(f"{number},,{label}\n" for number, label in answers))
        self.killed(("audit", self.aside, "--answers", file), self.chance.uniform(0.0, 0.5))
        self.must("audit", self.aside, "--answers", file)

    def improve(self) -> None:
        """Make a new run, and kill the process until it has ended. Then the watcher takes the new one."""
        before, new = self.run_folder, self.top / f"run{self.runs + 1}"
        for seconds in (self.chance.uniform(1.0, 15.0) for _ in range(MOST_KILLS)):
            if not self.killed(self.improving(before, new), seconds):
                break
        else:
            self.must(*self.improving(before, new))
        improvement = json.loads((new / "improvement.json").read_text("utf-8"))
        (decision,) = improvement["outcome"]["decisions"]
        assert decision["needed"] is None, f"not made: {decision}"
        self.counts["improvements"] += 1
        self.counts[f"advice {improvement['outcome']['advice']}"] += 1
        self.runs += 1

    def improving(self, before: Path, new: Path) -> tuple[object, ...]:
        """Return a command that begins a new run, or continues it."""
        return ("resume", new) if new.exists() else ("improve", before, "--from", self.aside, "--run", new)

    def check_audit(self) -> None:
        """Compare the figures of `skysort audit` with those from the truth."""
        figures = json.loads(self.must("audit", self.aside, "--format", "json"))
        with Rows(self.aside) as rows:
            own = rows.figures(self.truth, float(LOSE_AT_MOST.rstrip("%")) / 100)
        audit = {name: figures[name] for name in ("arrivals", "drawn", "done", "protected", "lost", "stale")}
        expected = {name: own[name] for name in audit}
        assert audit == expected, f"audit: {audit}; by the truth: {expected}"
        assert figures["wrong_coins"] == own["wrong_coins"] == 0
        assert np.isclose(np.log(figures["evidence"]), own["log_wealth"], rtol=1e-9), (figures["evidence"], own)
        assert np.isclose(figures["loss"]["estimate"], own["loss"], rtol=1e-9)
        alarms = [alarm for alarm in figures["alarms"] if alarm["lifted"] is None]
        assert len(alarms) == int(own["stale"]) == own["alarms_at_row"], (figures["alarms"], own)
        self.checked.append({**audit, "loss": round(own["loss"], 4), "evidence": figures["evidence"]})

    def check_pictures(self) -> None:
        """Make sure that every picture is there as often as it arrived."""
        folders = (self.inbox, self.aside, self.top / "blog", self.top / "review")
        paths = [Path(at, name) for top in folders for at, _, names in os.walk(top) for name in names]
        there = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
        assert there == self.arrived, (
            f"lost {(self.arrived - there).total()}, too many {(there - self.arrived).total()}"
        )
        with Rows(self.aside) as rows:
            assert rows.num_unfinished() == 0

    def must(self, *arguments: object) -> str:
        """Run a command to its end; return what it printed."""
        process, log = self.fork(arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        out, err = (log.with_suffix(end).read_text("utf-8", "replace") for end in (".out", ".err"))
        assert code == 0, f"{arguments} ended with {code}: {err[-2000:]}"
        return out

    def killed(self, arguments: tuple[object, ...], seconds: float, *, must_die: bool = False) -> bool:
        """Run a command, and kill it after some seconds; tell whether that came before its end."""
        process, log = self.fork(arguments)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                assert code == 0 and not must_die, log.with_suffix(".err").read_text("utf-8", "replace")[-2000:]
                return False
            time.sleep(0.01)
        os.kill(process, signal.SIGKILL)
        is_killed = os.WIFSIGNALED(os.waitpid(process, 0)[1])
        self.counts[f"kills of {arguments[0]}"] += is_killed
        return is_killed

    def fork(self, arguments: tuple[object, ...]) -> tuple[int, Path]:
        """Start a command; return its process, and the path of its logs without their endings."""
        log = self.top / "log"
        process = os.fork()
        if process:
            return process, log
        code = 1
        try:
            for number, end in ((1, ".out"), (2, ".err")):
                os.dup2(os.open(log.with_suffix(end), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.argv = ["skysort", *map(str, arguments)]
            from skysort.cli import main as skysort_main

            skysort_main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Rows:
    """The journal of a watcher, read with SQL alone."""

    def __init__(self, aside: Path) -> None:
        folder = aside.with_name(aside.name + ".journal")
        self.database = sqlite3.connect(folder / "journal.sqlite")
        self.database.row_factory = sqlite3.Row
        seed = folder / "audit-seed"
        self.seed = bytes.fromhex(seed.read_text("ascii")) if seed.exists() else b""

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def arrivals(self) -> list[sqlite3.Row]:
        """Return the arrivals under the decision of the newest one."""
        query = """
            SELECT rows.*, CASE action WHEN 'set-aside' THEN audit_aside ELSE audit_keep END AS rate,
                action = 'set-aside' OR reason LIKE 'kept: the decision is stale%' AS is_aside
            FROM rows JOIN sessions ON sessions.id = session
            WHERE audit_keep IS NOT NULL AND done IS NOT NULL AND kind != 'gone'
                AND json_extract(settings, '$.classifier') = (
                    SELECT json_extract(settings, '$.classifier') FROM rows JOIN sessions ON sessions.id = session
                    WHERE audit_keep IS NOT NULL ORDER BY rows.id DESC LIMIT 1
                )
            ORDER BY rows.id
        """
        return self.database.execute(query).fetchall()

    def answered(self) -> list[tuple[int, str]]:
        """Return number and digest of the drawn arrivals that have an answer, or a correction by undo."""
        known = {row for (row,) in self.database.execute("SELECT row FROM answers WHERE undone IS NULL")}
        query = "SELECT undoes FROM rows WHERE correction IS NOT NULL AND done IS NOT NULL"
        known |= {row for (row,) in self.database.execute(query)}
        return [(row["id"], row["digest"]) for row in self.is_drawn() if row["id"] in known]

    def is_drawn(self) -> list[sqlite3.Row]:
        """Return the arrivals that were drawn."""
        return [row for row in self.arrivals() if row["coin"] < row["rate"]]

    def due(self) -> list[tuple[int, str]]:
        """Return number and digest of the drawn arrivals without an answer."""
        answered = {number for number, _ in self.answered()}
        return [(row["id"], row["digest"]) for row in self.is_drawn() if row["id"] not in answered]

    def moved(self) -> list[sqlite3.Row]:
        """Return the arrivals whose moves were not taken back, the place as `folder` and `name`."""
        undone = {row for (row,) in self.database.execute("SELECT undoes FROM rows WHERE undoes IS NOT NULL")}
        query = "SELECT id, place_folder AS folder, place_name AS name FROM rows WHERE kind = 'move'"
        places = {row["id"]: row for row in self.database.execute(query)}
        known = {row for (row,) in self.database.execute("SELECT row FROM answers WHERE undone IS NULL")}
        return [
            {**dict(row), **dict(places[row["id"]])}  # type: ignore[misc]
            for row in self.arrivals()
            if row["id"] in places and row["id"] not in undone | known
        ]

    def alarm(self) -> int | None:
        """Return the row of the alarm about the newest decision that holds; None without one."""
        first = self.arrivals()[:1]
        query = "SELECT max(row) FROM alarms WHERE lifted IS NULL AND row >= ?"
        (row,) = self.database.execute(query, (first[0]["id"] if first else 0,)).fetchone()
        return None if row is None else int(row)

    def num_unfinished(self) -> int:
        """Return the number of moves that were not finished."""
        return int(self.database.execute("SELECT count(*) FROM rows WHERE done IS NULL").fetchone()[0])

    def figures(self, truth: dict[str, str], alpha: float) -> dict[str, Any]:
        """Return what an audit must say, from the truth about every drawn picture."""
        arrivals, bets = self.arrivals(), np.geomspace(0.0005, 0.9, 14)
        products = np.ones((len(arrivals) // 100 + 1, len(bets)))
        weights = np.array([1 / (k * (k + 1)) for k in range(1, len(products) + 1)])
        wealth, alarm_row, sums = 1.0, None, {True: 0.0, False: 0.0}
        counts: Counter[str] = Counter()
        for at, row in enumerate(arrivals):
            number = row["coin_row"] or row["id"]  # of the first attempt to move it
            coin = hmac.digest(self.seed, f"{number} {row['digest']}".encode(), "sha256")
            counts["wrong"] += (int.from_bytes(coin[:8], "big") >> 11) / 2**53 != row["coin"]
            if row["coin"] >= row["rate"]:
                continue
            counts["drawn"] += 1
            if truth[row["digest"]] != "bird":
                continue
            is_lost = bool(row["is_aside"])
            counts["lost" if is_lost else "saved"] += 1
            sums[is_lost] += 1 / row["rate"]
            num = at // 100 + 1
            change = (is_lost - alpha) / row["rate"]
            products[:num] *= 1 + bets * row["audit_keep"] / alpha * change
            wealth = float(weights[:num] @ products[:num].mean(axis=1)) + 1 / (num + 1)
            if wealth >= 20 and alarm_row is None:
                alarm_row = row["id"]
        query = "SELECT count(*) FROM alarms WHERE lifted IS NULL AND row = ?"
        (num_alarms,) = self.database.execute(query, (alarm_row,)).fetchone()
        return {
            "arrivals": len(arrivals), "drawn": counts["drawn"], "done": counts["drawn"],
            "protected": counts["lost"] + counts["saved"], "lost": counts["lost"], "stale": alarm_row is not None,
            "wrong_coins": counts["wrong"], "log_wealth": np.log(wealth),
            "loss": sums[True] / (sums[True] + sums[False]), "alarms_at_row": num_alarms,
        }  # fmt: skip


if __name__ == "__main__":
    main()
