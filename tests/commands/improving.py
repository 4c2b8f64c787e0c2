"""Folders of a watcher whose pictures are answered, for tests of skysort improve."""

import csv
import shutil
from pathlib import Path

from PIL import Image

import skysort
from skysort.data.builtin import skies
from skysort.work.journal import Journal

NUM, NUM_CORRECTED = 100, 6


FOLDERS = ("aside", "aside.journal", "blog", "inbox", "run")


def copied(top: Path, to: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(top / name, to / name)
    return to


def watch(top: Path, numbers: range, audit: str | None, run: str = "run") -> None:
    """Let pictures arrive. Their names say what they show."""
    (top / "inbox").mkdir(exist_ok=True)
    for number in numbers:
        name = f"{skies.CLASSES[number % 2]}-{number}.png"
        Image.fromarray(skies.draw(2_000_000 + number, 32)).save(top / "inbox" / name)
    folders = {"aside": top / "aside", "keep_to": top / "blog"}
    skysort.watch(top / run, top / "inbox", **folders, decision="keep-bird", audit=audit, once=True, settle=0.0)


def answer(top: Path, *labels: str) -> None:
    """Answer the drawn pictures of some classes that have no answer yet."""
    with Journal(top / "aside") as journal:
        known = journal.answers.latest()
        rows = [row for row in journal.arrivals() if row.is_drawn and row.id not in known]
        names = [(row.id, row.source.stem.split("-")[0]) for row in rows]
        journal.answers.add([(number, name) for number, name in names if name in labels], "me")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def put(top: Path, pictures: dict[str, Image.Image]) -> None:
    """Let pictures arrive while nothing is audited."""
    (top / "inbox").mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(top / "inbox" / name)
    watch(top, range(0), None)


def with_pixel(picture: Image.Image, value: int) -> Image.Image:
    changed = picture.copy()
    changed.putpixel((0, 0), (value, value, value))
    return changed
