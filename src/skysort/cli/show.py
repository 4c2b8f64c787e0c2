"""Figures as tables for a terminal."""

import shlex
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from rich import markup
from rich.console import Console
from rich.table import Table

from skysort.cli.console import console_for, shown_name
from skysort.cli.options import RunFormat
from skysort.core.text import counted
from skysort.report.wording import PROTOCOLS, decision_sentences, learned_from
from skysort.trust.advice import advice

if TYPE_CHECKING:
    from skysort.classifier.decision import Decision
    from skysort.runs.folder import Run
    from skysort.trust.metrics import Effect, Metrics, OodFigures, SplitFigures

MOST_CLASSES = 30


def print_run(run: "Run", form: RunFormat) -> None:
    """Print the figures of a run: as tables, or what metrics.json holds."""
    if form is RunFormat.json:
        print(run.metrics.to_json(), end="")
    else:
        show_run(run, sys.stdout)


def show_run(run: "Run", file: IO[str]) -> None:
    """Print the figures of a run, and its folder."""
    metrics, data = run.metrics, run.data
    show_metrics(metrics, file)
    console = console_for(file)
    if data.unreadable:
        console.print(
            f"{counted(len(data.unreadable), 'picture')} could not be read; data.json lists them with the reasons."
        )
    if data.left_out.files:
        files = counted(data.left_out.files, "file was", "files were")
        console.print(f"{files} left out: not a picture, without a label, or an empty folder.")
    difference = run.proof_difference
    console.print(f"{metrics.parameters:,} parameters, {metrics.seconds['training']:.1f} s of training")
    console.print(f"verified: the logits of model.onnx and of training differ by at most {difference:.2g}")
    console.print(f"run: {shown_name(str(run.path))}")
    console.print(f"report: {shown_name(str(run.report))}")


def show_decision(decision: "Decision", run: "Run", file: IO[str]) -> None:
    """Print a decision, its promise, its effect on the test split, and the command to use it."""
    console = console_for(file)
    for sentence in decision_sentences(decision, run.data.classes):
        console.print(markup.escape(sentence))
    _show_effect(decision.name, run.metrics.decisions[decision.name], console)
    command = ["skysort", "predict", str(run.path), "PICTURES", "--decision", decision.name]
    console.print(f"Use it: {shown_name(shlex.join(command))}")


def show_metrics(metrics: "Metrics", file: IO[str]) -> None:
    """Print the figures of each split, and of each class of the test split, as metrics.json has them."""
    console = console_for(file)
    splits = _table("split", "pictures", "accuracy", "95 % interval", "balanced", "95 % interval", "loss")
    for name, figures in metrics.splits.items():
        splits.add_row(
            name,
            f"{figures.pictures:,}",
            f"{figures.accuracy:.4f}",
            _interval(figures.interval95),
            _share(figures.balanced_accuracy),
            _interval(figures.balanced_accuracy_interval95),
            f"{figures.loss:.4f}",
        )
    console.print(splits)
    console.print()
    for sentence in advice(metrics):
        console.print(sentence)
    test = metrics.held_out
    _show_limits(test, metrics.splits.get("learned"), console)
    _show_classes(test, metrics.held_out_split, console)
    error = test.calibration_error
    interval = error.after.interval95
    console.print(
        f"calibration error ({metrics.held_out_split}): {error.after.value:.4f}"
        f" ({f'95 % interval {_interval(interval)}' if interval else 'too few pictures for an interval'})"
        + (f", {error.before.value:.4f} before calibration" if error.before else "")
    )
    _show_unknown(test, metrics.held_out_pictures, metrics.ood, console)
    for name, effect in metrics.decisions.items():
        _show_effect(name, effect, console)
    if metrics.learned:
        console.print(f"learned from: {learned_from(metrics.learned)}")
    console.print(f"protocol: {metrics.protocol} ({PROTOCOLS[metrics.protocol]})")


def _show_limits(test: "SplitFigures", learned: "SplitFigures | None", console: Console) -> None:
    """Print what limits the figures: groups, leaks, and pictures that the run learned from."""
    if test.grouped:
        console.print(
            f"the test pictures form {counted(test.grouped.groups, 'group')}; intervals do not allow for that, and"
            f" would be up to {test.grouped.widening:.2f} times as wide"
        )
    if others := test.without_duplicates:
        num_leaks = test.pictures - others.pictures
        leaks = (
            f"{num_leaks:,} of {counted(test.pictures, 'test picture')} {'leaks' if num_leaks == 1 else 'leak'}"
        )
        accuracy = f"accuracy on the other {others.pictures:,}: {_share(others.share)}"
        console.print(
            f"{leaks}: an identical or near-identical picture, or one of the same group, is in another split; "
            + (
                f"{accuracy} ({_interval(others.interval95)})"
                if others.pictures
                else "no figure holds for new pictures"
            )
        )
    if learned:
        num = counted(learned.pictures, "picture")
        console.print(
            f"{num} of these, or near-duplicates or others of their groups, were in the run's train, validation or"
            " calibration split; only the row 'learned' counts them"
        )
    if test.grouped or others or learned:
        console.print()


def _show_effect(name: str, effect: "Effect", console: Console) -> None:
    for pictures, share in (("to keep", effect.lost), ("of other classes", effect.set_aside)):
        if share:
            groups = f", counted as {share.groups:,}" if share.groups else ""
            console.print(
                f"{shown_name(name)} (test): of {counted(share.pictures, 'picture')} {pictures}{groups},"
                f" {round(share.share * share.pictures):,} are set aside: {share.share:.4f} (95 % interval"
                f" {_interval(share.interval95)})"
            )


def _show_classes(test: "SplitFigures", split: str, console: Console) -> None:
    table = _table(
        f"class ({split})",
        "pictures",
        "recall (its pictures labelled right)",
        "95 % interval",
        "precision",
        "F1",
        "AP",
        "ROC AUC",
    )
    for name, figures in list(test.classes.items())[:MOST_CLASSES]:
        shares = (figures.precision, figures.f1, figures.average_precision, figures.roc_auc)
        table.add_row(
            shown_name(name),
            f"{figures.pictures:,}",
            _share(figures.recall),
            _interval(figures.interval95),
            *map(_share, shares),
        )
    console.print(table)
    if len(test.classes) > MOST_CLASSES:
        console.print(f"… and {len(test.classes) - MOST_CLASSES:,} more classes in metrics.json")
    if test.unreadable:
        is_or_are = "is" if test.unreadable == 1 else "are"
        console.print(f"{counted(test.unreadable, 'picture')} could not be read and {is_or_are} in no figure")
    console.print()
    if len(test.classes) <= 10:
        confusion = Table("true class, labelled as:", *map(shown_name, test.classes), box=None)
        for name, row in zip(test.classes, test.matrix(), strict=True):
            confusion.add_row(shown_name(name), *(f"{count:,}" for count in row))
        console.print(confusion)
        console.print()


def _show_unknown(test: "SplitFigures", pictures: str, ood: "OodFigures | None", console: Console) -> None:
    if not test.unknown and not ood:
        return
    console.print("all figures above count the likeliest class of every picture, unknown or not")
    table = _table("called unknown or not", "pictures", "of", "share", "95 % interval")
    for row, of in (
        (f"{pictures} called unknown", test.unknown),
        ("of the others, labelled right", test.accepted),
        ("out-of-distribution pictures not called unknown", ood and ood.false_accepts),
    ):
        if of and of.share is not None:
            num = f"{of.share * of.pictures:,.0f}"
            table.add_row(row, num, f"{of.pictures:,}", _share(of.share), _interval(of.interval95))
    console.print(table)
    if ood:
        area, interval = f"{ood.roc_auc:.4f}", _interval(ood.roc_auc_interval95)
        console.print(f"out-of-distribution pictures: {shown_name(ood.source)}, ROC AUC {area} ({interval})")
    console.print()


def _table(first: str, *figures: str) -> Table:
    table = Table(first, box=None)
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
