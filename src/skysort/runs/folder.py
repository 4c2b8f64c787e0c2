"""The run folder: its files, and how to read and write them."""

import csv
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Self

from skysort.classifier.format import MODEL, read_table
from skysort.classifier.format import TABLE as CLASSIFIER_TABLE
from skysort.classifier.predictions import write_rows
from skysort.core.damage import damaged
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import check_no_links, read_json, remove_partials, whole_file, write_whole
from skysort.core.locks import locked
from skysort.data.additions import FOLDER, TABLE, Additions
from skysort.data.membership import member_rows, read_members
from skysort.data.quality.suspect_labels import SuspectLabel, SuspectLabels
from skysort.data.splits import DataTable, PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.improvement import Improvement
from skysort.trust.learning_curve import LearningCurve
from skysort.trust.metrics import Metrics

IMPROVEMENT = "improvement.json"
SUSPECT_LABELS = "suspect-labels.json"
LEARNING_CURVE = "learning-curve.json"
SECONDS_TO_LOCK = 0.2
"""Time to wait for a lock: one who only looks whether a run is locked holds it for some microseconds."""


@dataclass(frozen=True)
class Run:
    """A run folder and its files."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def open(cls, path: str | PathLike[str], *, finished: bool = False) -> Self:
        """Return the run in a folder.

        Args:
            path: path of the folder.
            finished: whether to refuse a run without figures.

        Raises:
            NotUnderstoodError: when the folder does not exist, or holds no run.
            SkysortError: when the run is not finished and must be.
        """
        run = cls(Path(path))
        if not run.path.exists():
            raise NotUnderstoodError("path-not-found", f"{path}: no such folder; expected the folder of a run")
        if not (run.path / "recipe.toml").is_file():
            if (run.path / "data.json").is_file():
                raise damaged("damaged-run", run.path / "recipe.toml", FileNotFoundError())
            raise NotUnderstoodError("not-a-run", f"{path} is not the folder of a run: it has no recipe.toml")
        if finished and not run.is_finished:
            raise SkysortError("run-not-finished", f"{path} is not finished; {run.how_to_go_on}")
        return run

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe.

        Raises:
            SkysortError: when recipe.toml is missing or damaged.
        """
        path = self.path / "recipe.toml"
        try:
            recipe = Recipe.load(str(path))
        except (NotUnderstoodError, RecursionError) as error:
            raise damaged("damaged-run", path, error) from None
        if None in (recipe.pictures.size, recipe.pictures.channels, recipe.pictures.protocol):
            raise damaged(
                "damaged-run", path, "expected pictures.size, pictures.channels and pictures.protocol in it"
            )
        return recipe

    @property
    def data(self) -> DataTable:
        """data.json: source, fingerprint, classes, counts and unreadable pictures.

        Raises:
            SkysortError: when data.json is missing or damaged.
        """
        return read_json(self.path / "data.json", DataTable, code="damaged-run")

    def write_data(self, data: DataTable) -> None:
        """Write data.json."""
        write_whole(self.path / "data.json", data.to_json())

    @property
    def improvement(self) -> Improvement | None:
        """improvement.json; None for a run that improves no other.

        Raises:
            SkysortError: when improvement.json is damaged.
        """
        path = self.path / IMPROVEMENT
        return read_json(path, Improvement, code="damaged-run") if path.exists() else None

    @property
    def is_audited(self) -> bool:
        """Whether decisions are made from audited pictures, and not from the calibration split.

        Raises:
            SkysortError: when improvement.json is damaged.
        """
        improvement = self.improvement
        return improvement is not None and improvement.rate is not None

    def write_improvement(self, improvement: Improvement) -> None:
        """Write improvement.json."""
        write_whole(self.path / IMPROVEMENT, improvement.to_json())

    @property
    def additions(self) -> Additions | None:
        """The pictures that an improved run adds to those of its source; None for other runs.

        Raises:
            SkysortError: when pictures.csv or answers.csv is missing or damaged.
        """
        if not (self.path / IMPROVEMENT).exists():
            return None
        for path in (self.pictures, self.path / FOLDER / TABLE):
            if not path.exists():
                raise SkysortError("damaged-run", f"{path} is missing; improve the run before again")
        return additions_to(self, self.path)

    def write_pictures(self, prepared: PreparedData) -> None:
        """Write pictures.csv."""
        with whole_file(self.pictures, newline="") as file:
            write_rows(member_rows(prepared), file)

    def learned(self) -> frozenset[str]:
        """Return the digests of the pictures that training saw: all but those of the test split.

        Raises:
            SkysortError: when pictures.csv is missing or damaged.
        """
        return frozenset(member.digest for member in read_members(self.pictures) if member.split != "test")

    @property
    def pictures(self) -> Path:
        """pictures.csv: the split and the digest of each picture."""
        return self.path / "pictures.csv"

    @property
    def suspect_labels(self) -> tuple[SuspectLabel, ...] | None:
        """Training labels that are likely wrong, the most suspicious first; None without a backbone.

        Raises:
            SkysortError: when suspect-labels.json is missing or damaged.
        """
        if not self.recipe.has_backbone:
            return None
        return read_json(self.path / SUSPECT_LABELS, SuspectLabels, code="damaged-run").labels

    def write_suspect_labels(self, suspects: tuple[SuspectLabel, ...]) -> None:
        """Write suspect-labels.json."""
        write_whole(self.path / SUSPECT_LABELS, SuspectLabels(labels=suspects).to_json())

    @property
    def learning_curve(self) -> LearningCurve | None:
        """Accuracy by pictures per class; None without a backbone.

        Raises:
            SkysortError: when learning-curve.json is missing or damaged.
        """
        if not self.recipe.has_backbone:
            return None
        return read_json(self.path / LEARNING_CURVE, LearningCurve, code="damaged-run")

    @property
    def lacks_learning_curve(self) -> bool:
        """Whether the run has a backbone, and no learning curve yet: the curve is drawn after the figures."""
        return self.recipe.has_backbone and not (self.path / LEARNING_CURVE).exists()

    def write_learning_curve(self, curve: LearningCurve) -> None:
        """Write learning-curve.json."""
        write_whole(self.path / LEARNING_CURVE, curve.to_json())

    @property
    def metrics(self) -> Metrics:
        """metrics.json: the figures of the classifier.

        Raises:
            SkysortError: when metrics.json is missing or damaged.
        """
        again = f"measure the run again with: skysort evaluate {shlex.quote(str(self.path))}"
        return read_json(self.path / "metrics.json", Metrics, code="damaged-run", next_step=again)

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The rows of a finished run's history.csv for whole epochs, without empty cells; none with a backbone.

        Raises:
            SkysortError: when history.csv is missing or damaged.
        """
        if self.recipe.has_backbone:
            return []
        path = self.path / "history.csv"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [row for row in csv.DictReader(file) if row.pop("kind") == "epoch"]
            epochs = [{name: float(value) for name, value in row.items() if value} for row in rows]
        except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
            raise damaged("damaged-run", path, error) from None
        num_epochs = read_table(self.classifier).epochs  # a budget may have changed the recipe's number
        if len(epochs) != num_epochs:
            raise damaged("damaged-run", path, f"it has {len(epochs)} of {num_epochs} epochs")
        return epochs

    @property
    def classifier(self) -> Path:
        """The classifier folder. It can be copied anywhere."""
        return self.path / "classifier"

    @property
    def proof_difference(self) -> float | None:
        """Largest difference between logits of ONNX Runtime and PyTorch, for the pictures of the proof."""
        return read_table(self.classifier).proof_difference

    @property
    def report(self) -> Path:
        """report.html, the page for a browser."""
        return self.path / "report.html"

    @property
    def how_to_go_on(self) -> str:
        """Text that tells a person how to continue an interrupted run."""
        return f"continue with: skysort resume {shlex.quote(str(self.path))}"

    @property
    def is_finished(self) -> bool:
        """Whether the run has figures, which are written last."""
        return (self.path / "metrics.json").exists() and self.has_classifier

    @property
    def has_classifier(self) -> bool:
        """Whether the run has a classifier. An empty folder does not count, and is replaced."""
        return self.classifier.is_dir() and any(self.classifier.iterdir())

    def check_classifier(self) -> None:
        """Make sure that the figures of a finished run belong to its classifier.

        Raises:
            SkysortError: when they do not.
        """
        table, metrics = read_table(self.classifier), self.metrics
        decisions = {decision.name: decision for decision in table.decisions}
        if decisions.keys() != metrics.decisions.keys() or not all(
            effect.is_of(decisions[name]) for name, effect in metrics.decisions.items()
        ):
            raise SkysortError(
                "not-measured",
                f"skysort decide was interrupted before it measured a decision of {self.path}; measure it with:"
                f" skysort evaluate {shlex.quote(str(self.path))}",
            )
        if table.files[MODEL] != metrics.classifier:
            raise SkysortError(
                "damaged-run",
                f"the figures of {self.path} belong to another classifier: one of the two has been replaced;"
                " restore the files, or train again",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the run: two would mix their rows and replace each other's files.

        Raises:
            SkysortError: when another process holds the run, or a file in it is a link.
        """
        check_no_links(self.path)
        with locked(self.path / "recipe.toml", SECONDS_TO_LOCK):  # the file is there from the start to the end
            yield

    def remove_partials(self) -> None:
        """Remove the half-written files of a killed process."""
        for name in (
            "metrics.json",
            "predictions.csv",
            "calibration.csv",
            "report.html",
            SUSPECT_LABELS,
            LEARNING_CURVE,
            IMPROVEMENT,
            "classifier",
            "data.json",
        ):
            remove_partials(self.path / name)
        remove_partials(self.classifier / CLASSIFIER_TABLE)


def additions_to(run: Run, folder: Path) -> Additions:
    """Return the answered pictures in the folder of an improved run, added to the pictures of a run.

    Args:
        run: whose pictures keep their splits.
        folder: of the improved run.

    Raises:
        SkysortError: when pictures.csv of the run is missing or damaged.
    """
    return Additions(folder / FOLDER, {member.path: member.split for member in read_members(run.pictures)})
