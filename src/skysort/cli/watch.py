"""skysort watch: an inbox, day and night."""

import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.options import UnsureBelow, class_typed


class LogFormat(StrEnum):
    """How log lines are written."""

    text = "text"
    json = "json"


def watch(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    inbox: Annotated[Path, typer.Argument(help="The folder that pictures come into, at any depth.")],
    aside: Annotated[
        Path, typer.Option(help="Where pictures that are not to be kept go. The journal is beside it.")
    ],
    decision: Annotated[
        str | None, typer.Option(metavar="NAME", help="What decides (skysort decide); this or --keep.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            parser=class_typed,
            metavar="CLASS",
            help="The labels to keep, with no promise; this or --decision. Repeatable.",
        ),
    ] = None,
    keep_to: Annotated[Path | None, typer.Option(help="Where pictures to keep go.  [default: they stay]")] = None,
    look: Annotated[
        Path | None, typer.Option(help="Where pictures go that somebody must look at.  [default: they stay]")
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy, and leave the inbox as it is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Deal with what is there, and end.")] = False,
    poll: Annotated[bool, typer.Option("--poll", help="Look again and again, as network drives need it.")] = False,
    settle: Annotated[float, typer.Option(min=0, help="Seconds for which a file must not change.")] = 2.0,
    stuck: Annotated[
        float, typer.Option(min=0, help="Seconds before an upload that stopped growing is logged as stuck.")
    ] = 600.0,
    log_format: Annotated[LogFormat, typer.Option(help="Format of the log on standard error.")] = LogFormat.text,
    metrics: Annotated[Path | None, typer.Option(help="A text file of counts to write, for Prometheus.")] = None,
    unsure_below: UnsureBelow = None,
) -> None:
    """Sort what comes into a folder, until stopped. Nothing is deleted, and all can be taken back.

    One of --decision and --keep is needed: it says which pictures to keep.
    """
    import logging

    from skysort.classifier.classifier import Classifier
    from skysort.core.errors import NotUnderstoodError
    from skysort.work.arrivals import Stop
    from skysort.work.classify import LabelRule, Rule
    from skysort.work.status_file import log_to_stderr, tell
    from skysort.work.watch import watch as watched
    from skysort.work.watch_options import WatchOptions

    if (decision is None) == (not keep):
        raise NotUnderstoodError(
            "options-conflict", "expected either --decision NAME, or --keep CLASS to go by labels with no promise"
        )
    log_to_stderr(log_format.value)
    loaded = Classifier(classifier)
    rule: Rule
    if decision:
        rule = chosen = loaded.decision(decision)
        tell(
            logging.INFO, "watching by decision", decision=decision, inbox=str(inbox),
            lose_at_most=chosen.lose_at_most, confidence=chosen.confidence,
        )  # fmt: skip
    else:
        rule = LabelRule.among(keep or (), loaded.classes)
        tell(
            logging.WARNING, "watching by label: no promise holds of how many pictures to keep are set aside",
            keep=", ".join(rule.keep), inbox=str(inbox),
        )  # fmt: skip
    order = WatchOptions(
        inbox, aside, keep_to, look, copy, dry_run, once, poll, settle, stuck, metrics, unsure_below
    )
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        for number, handler in before.items():  # a second signal ends it at once, whatever is at work
            signal.signal(number, handler)
        stop.set_by_signal()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, ask)
    counts = watched(loaded, rule, order, stop)
    tell(
        logging.INFO, "ended", **counts.actions,
        waiting=counts.waiting, stuck=counts.stuck, passed_over=counts.passed_over,
    )  # fmt: skip
