"""Does a watcher stay as quick and as small as it began, and does its journal?

    python benchmarks/watch.py runs/convnet --pictures 100000 --rows 10000000

`skysort watch` runs as a person runs it, while so many small JPEGs are written into its inbox as fast as it takes
them, never more than some thousand ahead. Beside, a journal of so many rows is made, and asked what watchers and
people ask of it. Linux, for what it reads of the process.
"""

import argparse
import io
import json
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report, seconds_of
from PIL import Image

from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, Settings

AHEAD = 5_000
SAMPLES_APART = 2.0
BURST = 341
FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
INSERT INTO rows(
    session, planned, done, kind, by, source_name, source_folder, place_name, place_folder,
    digest, size, mtime_ns, inode, action, label, probabilities, reason, copied
)
SELECT
    ?, 1700000000.0 + n, 1700000000.5 + n, 'move', 'watch', CAST(n || '.jpg' AS BLOB),
    CAST('/cam/inbox/2026-11' AS BLOB), CAST(n || '.jpg' AS BLOB), CAST('/cam/aside/2026-11' AS BLOB),
    lower(hex(randomblob(32))), 900, n, n, 'set-aside', CASE WHEN n % 10 THEN 'airplane' ELSE 'bird' END,
    '[0.912345678, 0.087654322]', '', 0
FROM numbers
"""
"""Writes the rows of a watcher, without waiting for each burst to be on the disk."""


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where to put both; by default a temporary folder")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    top = Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        figures: dict[str, Any] = {}
        if asked.pictures:
            figures["watching"] = watched(asked.run, asked.pictures, top / "watching")
        if asked.rows:
            figures["journal"] = journal_of(asked.rows, top / "journal")
    finally:
        shutil.rmtree(top)
    report("does a watcher stay as quick and as small as it began?", figures, asked.output)


def watched(run: Path, num: int, top: Path) -> dict[str, Any]:
    """Let so many pictures arrive; return what the watcher was at the start and at the end."""
    inbox = top / "inbox"
    inbox.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "skysort",
        "watch",
        run,
        inbox,
        "--aside",
        top / "aside",
        "--keep-to",
        top / "blog",
    ]
    (label, *_) = json.loads((find(run) / "classifier.json").read_text("utf-8"))["classes"]
    with (top / "log").open("wb") as log:
        process = subprocess.Popen([*map(str, command), "--keep", label], stderr=log)
    contents = [small_jpeg(seed) for seed in range(1000)]
    samples: list[dict[str, float]] = []
    began = sampled = time.monotonic()
    written = done = 0
    while done < num:
        done = num_done(top / "aside.journal" / "journal.sqlite")
        while written < min(num, done + AHEAD):
            split = inbox / f"{written}.part"
            split.write_bytes(contents[written % len(contents)] + str(written).encode())
            split.rename(inbox / f"{written}.jpg")
            written += 1
        if time.monotonic() - sampled > SAMPLES_APART:
            sampled = time.monotonic()
            samples.append({"seconds": sampled - began, "done": done, **size_of(process.pid)})
        if process.poll() is not None:
            sys.exit((top / "log").read_text("utf-8")[-2000:])
        time.sleep(0.05)
    samples.append({"seconds": time.monotonic() - began, "done": done, **size_of(process.pid)})
    process.send_signal(signal.SIGTERM)
    left = sum(1 for _ in inbox.iterdir())
    return {
        "pictures": num,
        "bytes a picture": round(statistics.mean(map(len, contents))),
        "exit code": process.wait(),
        "left in the inbox": left,
        "pictures a second": num / samples[-1]["seconds"],
        "first tenth": tenth([sample for sample in samples if sample["done"] <= 0.1 * num]),
        "last tenth": tenth([sample for sample in samples if sample["done"] >= 0.9 * num]),
    }


def tenth(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return speed, memory and open files over some samples."""
    first, last = samples[0], samples[-1]
    seconds = last["seconds"] - first["seconds"]
    return {
        "samples": len(samples),
        "pictures a second": (last["done"] - first["done"]) / seconds if seconds else float("nan"),
        "largest MB of memory": max(sample["MB"] for sample in samples),
        "most open files": max(sample["files"] for sample in samples),
    }


def journal_of(num: int, top: Path) -> dict[str, Any]:
    """Make a journal of so many rows; return how long it takes to write a burst and to answer."""
    top.mkdir()
    chance = np.random.default_rng(0)
    with Journal(top / "aside", make=True) as journal:
        session = journal.session(Settings("watch", "0" * 64, ("airplane", "bird")))

        def rows(start: int, count: int) -> list[JournalEntry]:
            return [
                JournalEntry(
                    "move", Path(f"/cam/inbox/2026-11/{number}.jpg"), Path(f"/cam/aside/2026-11/{number}.jpg"),
                    chance.bytes(32).hex(), Identity(number, 900, number), "set-aside",
                    "airplane" if number % 10 else "bird", (0.9, 0.1), session=session,
                )
                for number in range(start, start + count)
            ]  # fmt: skip

        def burst(start: int) -> None:
            journal.finish(journal.plan(rows(start, BURST)), [])

        empty = statistics.median(seconds_of(lambda n=n: burst(num + n * BURST)) for n in range(20))  # type: ignore[misc]
        filling = seconds_of(lambda: journal._database.connection.execute(FILL, (num, session)))
        middle = Path(f"/cam/inbox/2026-11/{num // 2}.jpg")
        questions = {
            "is this file known": lambda: journal.put_at(middle),
            "the last 20": lambda: list(journal.rows(last=20)),
            "by name": lambda: list(journal.rows(picture=middle.name)),
            "the last 20 of a class": lambda: list(journal.rows(label="bird", last=20)),
            "the last 20 to take back": lambda: list(journal.rows(takeable="moves", last=20)),
            "what is unfinished": journal.unfinished,
            "corrections": lambda: list(journal.corrections()),
        }
        full = statistics.median(seconds_of(lambda n=n: burst(2 * num + n * BURST)) for n in range(20))  # type: ignore[misc]
        return {
            "rows": num,
            "MB": (top / "aside.journal" / "journal.sqlite").stat().st_size / 1e6,
            "seconds to fill it": filling,
            f"seconds for a burst of {BURST}, empty": empty,
            f"seconds for a burst of {BURST}, full": full,
            "seconds to answer": {name: seconds_of(question) for name, question in questions.items()},
        }


def find(run: Path) -> Path:
    """Return the classifier's folder."""
    return run / "classifier" if (run / "classifier").is_dir() else run


def small_jpeg(seed: int) -> bytes:
    """Return a 32x32 JPEG of smooth colours."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize((32, 32), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def num_done(journal: Path) -> int:
    """Return how many rows are done, without keeping the watcher from writing."""
    try:
        database = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
        try:
            return int(database.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0])
        finally:
            database.close()
    except sqlite3.OperationalError:  # not there yet
        return 0


def size_of(process: int) -> dict[str, float]:
    """Return memory and open files of a process."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    (resident,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return {"MB": int(resident.split()[1]) / 1000, "files": sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())}


if __name__ == "__main__":
    main()
