"""Training labels of a run that are likely wrong, and what a person says about them.

The answers are corrections as `skysort journal --corrections --format csv` writes them: `skysort train` takes the
file beside the pictures. The newest answer to a picture counts.
"""

import asyncio
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import whole_file
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.data.sources.base import FolderSource
from skysort.data.sources.csv_table import read_rows
from skysort.runs.folder import Run
from skysort.web.open_runs import OpenRun, OpenRuns
from skysort.work.journal_export import is_text, write_corrections

CORRECTIONS = "corrections.csv"
MOST_SHOWN = 100
"""The most suspicious labels. Those after them are mostly right."""


@dataclass(frozen=True)
class SuspectPicture:
    """A picture whose label is likely wrong."""

    picture: str | None
    """Its name in pages; None if it cannot be shown."""
    path: str
    """For people."""
    label: str
    """That the data gives."""
    probability: float
    """Of that label, by a classifier that has not seen the picture."""
    likelier: str
    likelier_probability: float
    answer: str | None
    """What a person said it is; None before that."""


@dataclass(frozen=True)
class Suspects:
    """What the page shows."""

    pictures: tuple[SuspectPicture, ...]
    """The most suspicious first; at most `MOST_SHOWN`."""
    num: int
    classes: tuple[str, ...]
    why_not: str
    """Why no answer can be recorded; empty if it can."""
    is_opening: bool
    """Whether the pictures are still being opened."""
    command: str
    """Learns from the answers."""


class Labels:
    """The likely wrong labels of the runs in a folder.

    Args:
        runs: the runs.
    """

    def __init__(self, runs: OpenRuns) -> None:
        self._runs = runs
        self._lock = threading.Lock()

    async def suspects(self, name: str) -> Suspects:
        """Return the likely wrong labels of a run.

        Raises:
            NotUnderstoodError: when there is no such run.
            SkysortError: when the run has no list of them, or a file is damaged.
        """
        run = await asyncio.to_thread(self._runs.run, name)
        opened, why_not = None, ""
        try:
            opened = await self._runs.opened(name)
        except SkysortError as error:
            why_not = str(error)
        return await asyncio.to_thread(_suspects, run, opened, why_not)

    async def answer(self, name: str, picture: str, label: str) -> None:
        """Record what a picture shows.

        Args:
            name: of the run.
            picture: its name in pages.
            label: a class, or empty to take the answer back.

        Raises:
            NotUnderstoodError: when there is no such run, picture or class.
            SkysortError: when the pictures are in no folder, or a file is damaged or cannot be written.
        """
        opened = await self._runs.opened(name)
        await asyncio.to_thread(self._record, opened, picture, label)

    def _record(self, opened: OpenRun | None, picture: str, label: str) -> None:
        paths = {opened.name(one.path): one.path for one in _listed(opened.run)[:MOST_SHOWN]} if opened else {}
        if opened is None or picture not in paths:
            raise NotUnderstoodError("path-not-found", "no such picture; load the page again")
        if label and label not in (classes := opened.run.data.classes):
            raise NotUnderstoodError("unknown-class", f"no class '{label}'; there are: {', '.join(classes)}")
        path, file = _folder(opened) / paths[picture], opened.run.path / CORRECTIONS
        if not is_text(path):
            raise SkysortError("bad-text", "the name of this file is not UTF-8, as a CSV file must be; rename it")
        with self._lock:
            answers = _answers(opened.run) | {path: label}
            answers = {path: label for path, label in answers.items() if label}
            if not answers:
                file.unlink(missing_ok=True)
                return
            with whole_file(file, newline="") as written:
                write_corrections(answers, written, "csv")


def _suspects(run: Run, opened: OpenRun | None, why_not: str) -> Suspects:
    listed, answers, folder = _listed(run), _answers(run), None
    if opened and not why_not:
        try:
            folder = _folder(opened)
        except SkysortError as error:
            why_not = str(error)
    shown = tuple(
        SuspectPicture(
            opened.name(one.path) if opened else None, one.path, one.label, one.probability, one.likelier,
            one.likelier_probability, answers.get(folder / one.path) if folder else None,
        )
        for one in listed[:MOST_SHOWN]
    )  # fmt: skip
    recipe, learned = run.path / "recipe.toml", run.path.parent / f"{run.path.name}-corrected"
    words = ("train", str(folder or "PICTURES"), str(run.path / CORRECTIONS), "--recipe", str(recipe))
    command = shlex.join(("skysort", *words, "--run", str(learned)))
    return Suspects(shown, len(listed), run.data.classes, why_not, opened is None and not why_not, command)


def _listed(run: Run) -> tuple[SuspectLabel, ...]:
    if (listed := run.suspect_labels) is None:
        raise NotUnderstoodError(
            "wrong-value",
            f"{run.path} has no list of likely wrong labels: only runs of the recipe photos do. For others, run"
            " skysort check PICTURES --labels",
        )
    return listed


def _folder(opened: OpenRun) -> Path:
    source = opened.prepared.dataset.source
    if not isinstance(source, FolderSource):
        raise SkysortError(
            "unsupported-data",
            "answers are recorded for pictures in one folder only; correct these labels where they are",
        )
    return source.path


def _answers(run: Run) -> dict[Path, str]:
    file = run.path / CORRECTIONS
    return {Path(row.path): row.label for row in read_rows(file)} if file.exists() else {}
