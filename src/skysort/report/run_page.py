"""report.html: one self-contained page to show to a colleague."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.decision import Decision
from skysort.classifier.evidence import EvidenceOf, overlay, relative_map
from skysort.classifier.predictions import softmax
from skysort.core.files import read_json
from skysort.core.text import counted, printable
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.data.splits import DataTable, LeftOutFiles, Unreadable
from skysort.recipe.schema import Recipe
from skysort.report.charts import Reliability, Tradeoff, read_curves
from skysort.report.learning_curve_chart import LearningCurveChart
from skysort.report.page import percent, write_page
from skysort.report.suspect_cards import suspect_cards
from skysort.report.thumbnails import Thumbnail, thumbnail
from skysort.report.wording import PROTOCOLS, decision_sentences, learned_from
from skysort.trust.advice import advice
from skysort.trust.evaluation import Evaluation
from skysort.trust.guarantee import curve
from skysort.trust.learning_curve import LearningCurve, is_it_enough
from skysort.trust.metrics import ClassFigures, Effect, Metrics

NUM_MISTAKES = 24
NUM_SAMPLES = 40
NUM_FILES_NAMED = 50
NUM_PAIRS = 20
NUM_WEAKEST = 10
MOST_CLASSES_IN_MATRIX = 20


@dataclass(frozen=True)
class PictureCard:
    """A picture on the page, with its true class and its label."""

    thumbnail: Thumbnail
    path: str
    truth: str
    label: str
    """Likeliest class, by the classifier."""
    confidence: float
    is_unknown: bool
    """Whether the classifier calls it unknown and gives it no label."""
    evidence: Thumbnail | None = None
    """The picture with the map of the evidence for its label; None where the page shows no map."""

    @property
    def is_right(self) -> bool:
        """Whether the label is the true class."""
        return self.label == self.truth


@dataclass(frozen=True)
class ConfusedPair:
    """Number of pictures of one class that were labelled as another."""

    truth: str
    label: str
    num: int
    num_of_truth: int


@dataclass(frozen=True)
class DecisionSection:
    """The section of a decision: its sentences, its effect on the test split, its chart and its commands."""

    name: str
    sentences: list[str]
    effect: Effect
    tradeoff: Tradeoff | None
    """None if the calibration split has no pictures of other classes, or the page is about other pictures."""
    use: str
    """Command that predicts with the decision."""
    again: str
    """Command that makes the decision again."""


def write_report(
    path: Path,
    metrics: Metrics,
    test: Evaluation,
    run: Path | None,
    decisions: Sequence[DecisionSection] = (),
    suspects: Sequence[SuspectLabel] | None = None,
    learning_curve: LearningCurve | None = None,
    evidence: EvidenceOf | None = None,
    improvement: Sequence[str] = (),
) -> None:
    """Write the page: figures, curves, mistakes, commands to repeat the run. The same input gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        metrics: the figures.
        test: evaluation of the test split, with the figures `metrics.held_out`.
        run: folder of the run, with recipe.toml, data.json and history.csv. None for other pictures than the
            run's: then the page has no curves, no recipe and no commands.
        decisions: sections of the classifier's decisions, oldest first.
        suspects: training labels that are likely wrong, the most suspicious first; None for a page that does not
            speak of them.
        learning_curve: accuracy by pictures per class; None for a page that does not speak of it.
        evidence: for the answers in `test`; None if the classifier gives none.
        improvement: how the run improves another one, one line each; empty if it does not.

    Raises:
        SkysortError: when the file cannot be written.
    """
    figures = metrics.held_out
    confusion, calibration, others = figures.matrix(), figures.calibration_error, figures.without_duplicates
    mistakes, samples = _mistakes_and_samples(test, evidence)
    unreadable, left_out = _missing(test, run)
    write_page(
        path,
        "report.html.jinja",
        metrics=metrics,
        test=figures,
        classes=test.classes,
        headline=headline(metrics, is_own=run is not None),
        measured=metrics.held_out_pictures,
        advice=advice(metrics),
        seen_twice=figures.pictures - others.pictures if others else 0,
        protocol=PROTOCOLS[metrics.protocol],
        learned=learned_from(metrics.learned) if metrics.learned else None,
        recipe=Recipe.load(str(run / "recipe.toml")) if run else None,
        toml=(run / "recipe.toml").read_text(encoding="utf-8") if run else None,
        commands=_commands(run, metrics, decisions) if run else None,
        curves=read_curves(run / "history.csv") if run else [],
        matrix=confusion.tolist() if len(test.classes) <= MOST_CLASSES_IN_MATRIX else None,
        pairs=most_confused(confusion, test.classes),
        reliability=Reliability(calibration.before, calibration.after),
        weakest=_weakest(figures.classes),
        decisions=decisions,
        improvement=improvement,
        mistakes=mistakes,
        samples=samples,
        suspects=suspects,
        learning_curve=LearningCurveChart(learning_curve) if learning_curve else None,
        enough=is_it_enough(learning_curve) if learning_curve else None,
        suspect_cards=suspect_cards(suspects or (), test.dataset),
        unreadable=unreadable,
        left_out=left_out,
        most_named=NUM_FILES_NAMED,
    )


def decision_sections(
    calibration: Evaluation | None,
    groups: NDArray[np.int64],
    decisions: Iterable[Decision],
    effects: Mapping[str, Effect],
    classes: Sequence[str],
    classifier: Path,
) -> list[DecisionSection]:
    """Return the sections of a page about decisions, one per decision.

    Args:
        calibration: evaluation of the pictures that they were made from; None for a page without charts.
        groups: number of a group per row of the listing, as for `Evaluation.scores`.
        decisions: decisions of the classifier.
        effects: effect of each decision, by its name.
        classes: classes of the classifier.
        classifier: folder of the run or of the classifier.
    """
    sections = []
    for number, decision in enumerate(decisions):
        tradeoff = None
        if calibration and decision.set_aside:
            scores = calibration.scores(decision.keep, groups)
            tradeoff = Tradeoff(number, decision, curve(scores, decision.confidence))
        use = ("predict", str(classifier), "PICTURES", "--decision", decision.name)
        keep = [word for name in decision.keep for word in ("--keep", name)]
        lost, sure = (f"{100 * share:.10g}%" for share in (decision.lose_at_most, decision.confidence))
        promise = ("--lose-at-most", lost, "--confidence", sure)
        again = ("decide", str(classifier), *keep, *promise, "--name", decision.name)
        sections.append(
            DecisionSection(
                decision.name,
                decision_sentences(decision, classes),
                effects[decision.name],
                tradeoff,
                _typed(use),
                _typed(again),
            )
        )
    return sections


def headline(metrics: Metrics, *, is_own: bool) -> str:
    """Return the accuracy on held-out pictures in a sentence; `is_own`: they are pictures of the run."""
    figures, split = metrics.held_out, metrics.held_out_split
    num_right = figures.matrix().trace()
    pictures = counted(figures.pictures, "test picture" if is_own and split == "test" else "picture")
    unseen = " it had not seen" if is_own and not figures.without_duplicates else ""
    if split == "folds":
        unseen = ", each judged by a classifier that had not seen it"
    low, high = map(percent, figures.interval95)
    by = " by the likeliest class" if figures.unknown else ""
    return (
        f"Of {pictures}{unseen}, {num_right:,} {'was' if num_right == 1 else 'were'} sorted right{by}:"
        f" {percent(figures.accuracy)} (95 % interval {low} to {high})."
    )


def _mistakes_and_samples(
    test: Evaluation, evidence: EvidenceOf | None
) -> tuple[list[PictureCard], list[PictureCard]]:
    """Return the most confident mistakes, and pictures spread evenly over the split."""
    labels = test.logits.argmax(axis=1)
    confidences = softmax(test.logits).max(axis=1)
    is_unknown = test.is_unknown
    wrong = np.flatnonzero(labels != test.truth)
    most_confident = wrong[np.argsort(-confidences[wrong], kind="stable")][:NUM_MISTAKES]
    evenly = np.linspace(0, len(labels) - 1, min(NUM_SAMPLES, len(labels))).astype(np.int64)

    def cards(numbers: NDArray[np.int64]) -> list[PictureCard]:
        rows = test.rows[numbers]
        return [
            PictureCard(
                thumbnail(pixels),
                test.dataset.listing.paths[row],
                test.classes[test.truth[number]],
                test.classes[labels[number]],
                float(confidences[number]),
                bool(is_unknown[number]),
            )
            for number, row, pixels in zip(numbers, rows, test.dataset.pixels(rows), strict=True)
        ]

    mistakes = cards(most_confident)
    if evidence and mistakes:
        pictures = test.dataset.pixels(test.rows[most_confident])
        places = map(relative_map, evidence(test.rows[most_confident]), labels[most_confident])
        maps = map(overlay, pictures, places)
        mistakes = [replace(card, evidence=thumbnail(one)) for card, one in zip(mistakes, maps, strict=True)]
    return mistakes, cards(evenly)


def most_confused(confusion: NDArray[np.int64], classes: tuple[str, ...]) -> list[ConfusedPair]:
    """Return the pairs of classes with mistakes, the most frequent first."""
    mistakes = np.where(np.eye(len(classes), dtype=bool), 0, confusion)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:NUM_PAIRS]
    pairs = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    return [
        ConfusedPair(classes[truth], classes[label], int(mistakes[truth, label]), int(confusion[truth].sum()))
        for truth, label in pairs
        if mistakes[truth, label]
    ]


def _weakest(classes: Mapping[str, ClassFigures]) -> dict[str, ClassFigures]:
    """Return the classes with the lowest recall."""
    recalls = {name: figures.recall for name, figures in classes.items() if figures.recall is not None}
    return {name: classes[name] for name in sorted(recalls, key=recalls.__getitem__)[:NUM_WEAKEST]}


def _missing(test: Evaluation, run: Path | None) -> tuple[Sequence[Unreadable], LeftOutFiles]:
    """Return the unreadable pictures and the files left out: from data.json of the run, else of the split."""
    if run:
        table = read_json(run / "data.json", DataTable, code="damaged-run")
        return table.unreadable, table.left_out
    listing = test.dataset.listing
    unreadable = [Unreadable(path=listing.paths[row], reason=why) for row, why in test.unreadable.items()]
    first = tuple(listing.left_out[:NUM_FILES_NAMED])
    return unreadable, LeftOutFiles(files=len(listing.left_out), first=first)


def _commands(run: Path, metrics: Metrics, decisions: Sequence[DecisionSection]) -> dict[str, str]:
    """Return the commands to repeat the run, by a description."""
    ood = ("--ood", metrics.ood.source) if metrics.ood else ()
    train = ("train", "--recipe", str(run / "recipe.toml"), *ood, metrics.data["source"])
    return {
        "Train again": _typed(train),
        **{f"Make the decision '{printable(section.name)}' again": section.again for section in decisions},
        "Measure again, on the same pictures": _typed(("evaluate", str(run))),
        "Label other pictures": _typed(("predict", str(run), "PICTURES")),
    }


def _typed(words: Iterable[str]) -> str:
    return shlex.join(("skysort", *words))
