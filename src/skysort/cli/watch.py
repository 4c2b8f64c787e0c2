"""skysort watch: an inbox, day and night."""

import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import UnsureBelow, class_typed
from skysort.core.log import log_to_stderr
from skysort.work.arrivals import Stop


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
    review: Annotated[
        Path | None, typer.Option(help="Folder for pictures that a person must review.  [default: they stay]")
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
    log_to_stderr(log_format.value)
    stop = Stop()
    _stop_by_signal(stop)
    skysort.watch(
        classifier,
        inbox,
        aside,
        decision=decision,
        keep=keep or (),
        keep_to=keep_to,
        review=review,
        copy=copy,
        dry_run=dry_run,
        once=once,
        poll=poll,
        settle=settle,
        stuck=stuck,
        metrics=metrics,
        unsure_below=unsure_below,
        stop=stop,
    )


def _stop_by_signal(stop: Stop) -> None:
    """Let Ctrl-C and SIGTERM end the watch; a second one ends the process at once, whatever is at work."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.set_by_signal()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, ask)
