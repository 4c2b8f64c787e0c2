"""Figures as tables on a terminal."""

import shlex
from typing import IO, Any

from rich import markup
from rich.console import Console
from rich.table import Table

from skysort.classifier.decision import Decision
from skysort.classifier.format import read_table
from skysort.run_folder import Run
from skysort.terminal import counted, printable
from skysort.trust.comparison import Spread
from skysort.trust.guarantee import sentences
from skysort.trust.report import PROTOCOLS

MOST_CLASSES = 30
UNBROKEN = 10_000
"""Characters a line: a terminal breaks lines that are too long for it, where Rich would drop columns."""


def show_run(run: Run, file: IO[str]) -> None:
    """Print what a run came to and where it is."""
    metrics, data = run.metrics, run.data
    show_metrics(metrics, file)
    console = console_for(file)
    if data.unreadable:
        console.print(
            f"{counted(len(data.unreadable), 'picture')} could not be read; data.json says which and why."
        )
    if data.left_out.files:
        files = counted(data.left_out.files, "file was", "files were")
        console.print(f"{files} left out: no picture, in no class folder, or an empty folder.")
    if data.in_two_parts:
        pictures = counted(data.in_two_parts, "picture stands", "pictures stand")
        console.print(f"{pictures} in two parts of the data itself.")
    difference = read_table(run.classifier).proof_difference
    console.print(f"{metrics['parameters']:,} parameters, {metrics['seconds']['training']:.1f} s of training")
    console.print(f"proved: ONNX Runtime gives PyTorch's logits, to {difference:.2g} a logit")
    console.print(f"run: {shown_name(str(run.path))}")
    console.print(f"report: {shown_name(str(run.report))}")


def show_decision(decision: Decision, run: Run, file: IO[str]) -> None:
    """Print what a decision does and promises, what it did on the test part, and how to use it."""
    console = console_for(file)
    for sentence in sentences(decision, run.data.classes):
        console.print(markup.escape(sentence))
    effect = run.metrics["decisions"][decision.name]
    for what, part in (("to keep", effect["lost"]), ("of other classes", effect["set_aside"])):
        if part:
            console.print(
                f"On the test part, of {part['pictures']:,} pictures {what}, {part['share']:.4f} are set aside"
                f" ({_interval(part['interval95'])})."
            )
    command = ["skysort", "predict", str(run.path), "PICTURES", "--decision", decision.name]
    console.print(f"Use it: {shown_name(shlex.join(command))}")


def show_metrics(metrics: dict[str, Any], file: IO[str]) -> None:
    """Print the figures of each part, and of each class of the test part."""
    console = console_for(file)
    parts = Table("part", box=None)
    for heading in ("pictures", "accuracy", "95 % interval", "balanced", "95 % interval", "loss"):
        parts.add_column(heading, justify="right")
    for name, figures in metrics["splits"].items():
        parts.add_row(
            name,
            f"{figures['pictures']:,}",
            f"{figures['accuracy']:.4f}",
            _interval(figures["interval95"]),
            f"{figures['balanced_accuracy']:.4f}",
            _interval(figures["balanced_accuracy_interval95"]),
            f"{figures['loss']:.4f}",
        )
    console.print(parts)
    console.print()
    test = metrics["splits"]["test"]
    if others := test.get("without_duplicates"):
        console.print(
            f"{test['pictures'] - others['pictures']:,} test pictures stand in another part, too, or nearly so;"
            f" accuracy on the other {others['pictures']:,}: {_share(others['accuracy'])}"
            f" ({_interval(others['interval95'])})"
        )
        console.print()
    _show_classes(test, console)
    error = test["calibration_error"]
    before = f", {error['before']['value']:.4f} before calibration" if error["before"] else ""
    console.print(
        f"calibration error (test): {error['after']['value']:.4f}"
        f" (95 % interval {_interval(error['after']['interval95'])}){before}"
    )
    _show_unknown(metrics, console)
    console.print(f"protocol: {metrics['protocol']} ({PROTOCOLS[metrics['protocol']]})")


def _show_classes(test: dict[str, Any], console: Console) -> None:
    table = Table("class (test)", box=None)
    for heading in ("pictures", "accuracy", "95 % interval", "precision", "recall", "F1", "AP", "ROC AUC"):
        table.add_column(heading, justify="right")
    for name, figures in list(test["classes"].items())[:MOST_CLASSES]:
        table.add_row(
            shown_name(name),
            f"{figures['pictures']:,}",
            _share(figures["accuracy"]),
            _interval(figures["interval95"]),
            _share(figures["precision"]),
            *(_share(figures[name]) for name in ("recall", "f1", "average_precision", "roc_auc")),
        )
    console.print(table)
    if len(test["classes"]) > MOST_CLASSES:
        console.print(f"… and {len(test['classes']) - MOST_CLASSES:,} more classes in metrics.json")
    if test["unreadable"]:
        console.print(f"{test['unreadable']:,} pictures could not be read and are in no figure")
    console.print()
    if len(test["classes"]) <= 10:
        confusion = Table("true class, labelled as:", *map(shown_name, test["classes"]), box=None)
        for name, row in zip(test["classes"], test["confusion"], strict=True):
            confusion.add_row(shown_name(name), *(f"{count:,}" for count in row))
        console.print(confusion)
        console.print()


def _show_unknown(metrics: dict[str, Any], console: Console) -> None:
    test, outside = metrics["splits"]["test"], metrics.get("outside")
    if "unknown" in test:
        table = Table("called unknown or not", box=None)
        for heading in ("pictures", "of", "share", "95 % interval"):
            table.add_column(heading, justify="right")
        accepted = test["accepted"]
        rows = [("test pictures called unknown", test["unknown"], test["pictures"])]
        if outside:
            rows.append(("outside pictures not called unknown", outside["false_accepts"], outside["pictures"]))
        for what, counted, num in rows:
            table.add_row(
                what,
                f"{counted['pictures']:,}",
                f"{num:,}",
                _share(counted["share"]),
                _interval(counted["interval95"]),
            )
        console.print(table)
        if accepted["pictures"]:
            console.print(
                f"accuracy on the {accepted['pictures']:,} test pictures not called unknown:"
                f" {_share(accepted['accuracy'])} ({_interval(accepted['interval95'])})"
            )
    if outside:
        interval = f" ({_interval(outside['auroc_interval95'])})" if outside["auroc_interval95"] else ""
        console.print(f"outside: {shown_name(outside['source'])}, AUROC {outside['auroc']:.4f}{interval}")
    if "unknown" in test:
        console.print()


def spread(figure: Spread) -> str:
    """Return mean and standard deviation of several runs."""
    return f"{figure.mean:.4f}" if figure.std is None else f"{figure.mean:.4f} ± {figure.std:.4f}"


def console_for(file: IO[str]) -> Console:
    """Return a console that drops no column, however narrow the terminal."""
    # Where TERM is dumb, Rich takes no width without a height.
    return Console(file=file, width=UNBROKEN, height=25, highlight=False, emoji=False)


def shown_name(name: str) -> str:
    """Return a name as a table may hold it: nothing in it colours, moves or is taken for Rich's markup."""
    return markup.escape(printable(name))


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
