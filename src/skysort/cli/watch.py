"""skysort watch: pictures sorted as they arrive in a folder, day and night."""

import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skysort
from skysort.cli.help import RULES
from skysort.cli.options import ClassifierFolder, UnsureBelow, class_typed
from skysort.core.log import log_to_stderr
from skysort.work.arrivals import Stop

if TYPE_CHECKING:
    from skysort.classifier.classifier import Classifier

FOLDERS, ARRIVALS, LOG = "Folders", "Arriving pictures", "Log and metrics"
EXAMPLES = """\
skysort watch runs/birds-swift inbox --aside aside --decision keep-bird
skysort watch runs/birds-swift inbox --aside aside --keep bird --once --dry-run
"""


class LogFormat(StrEnum):
    """Format of log lines."""

    text = "text"
    json = "json"


class WhenStale(StrEnum):
    """Action once the decision breaks its promise."""

    keep = "keep"
    go_on = "go-on"


Inbox = Annotated[Path, typer.Argument(help="Folder that pictures arrive in, at any depth.")]
Aside = Annotated[
    Path,
    typer.Option(
        help="Folder for pictures that are not kept. The journal of all moves is written beside it.",
        rich_help_panel=FOLDERS,
    ),
]
KeepTo = Annotated[
    Path | None,
    typer.Option(
        help="Folder for pictures that are kept.", show_default="they stay in the inbox", rich_help_panel=FOLDERS
    ),
]
Review = Annotated[
    Path | None,
    typer.Option(
        help="Folder for pictures that a person must review.",
        show_default="they stay in the inbox",
        rich_help_panel=FOLDERS,
    ),
]
DecisionName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Decision that says which pictures to keep, e.g. keep-bird (skysort decide makes one).",
        rich_help_panel=RULES,
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        parser=class_typed,
        metavar="CLASS",
        help="Label of pictures to keep, e.g. bird, without a promise. Use this or --decision. Repeatable.",
        rich_help_panel=RULES,
    ),
]
Audit = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Share of the pictures to ask you about, drawn at random, e.g. 5% or aside=10%,keep=2%. Your answers"
        " to skysort audit show whether the promise of --decision still holds.",
        rich_help_panel=RULES,
    ),
]
OnAlarm = Annotated[
    str | None,
    typer.Option(
        metavar="CMD",
        help="Program, with its arguments, to run once per alarm, e.g. 'notify-send broken'. It runs without a"
        " shell and finds facts in SKYSORT_DECISION, SKYSORT_ASIDE and other variables.",
        rich_help_panel=RULES,
    ),
]
Stale = Annotated[
    WhenStale,
    typer.Option(
        help="Action after an alarm: keep the pictures that --decision would set aside, or go on setting them"
        " aside, e.g. go-on.",
        rich_help_panel=RULES,
    ),
]
Copy = Annotated[
    bool,
    typer.Option("--copy", help="Copy pictures and leave the inbox unchanged.", rich_help_panel=FOLDERS),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Log what would happen to each picture, and move none.", rich_help_panel=FOLDERS
    ),
]
Once = Annotated[
    bool,
    typer.Option("--once", help="Sort the pictures that are there now, and exit.", rich_help_panel=ARRIVALS),
]
Poll = Annotated[
    bool,
    typer.Option(
        "--poll",
        help="Scan the inbox every two seconds. Network drives need it, because they report no changes.",
        rich_help_panel=ARRIVALS,
    ),
]
Settle = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Seconds for which a file must stay unchanged before it is read.",
        rich_help_panel=ARRIVALS,
    ),
]
Stuck = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Seconds after which an unfinished upload is logged as stuck.",
        rich_help_panel=ARRIVALS,
    ),
]
Log = Annotated[LogFormat, typer.Option(help="Format of the log on standard error.", rich_help_panel=LOG)]
MetricsFile = Annotated[
    Path | None,
    typer.Option(
        help="File to write counts to in Prometheus' text format, e.g. skysort.prom.", rich_help_panel=LOG
    ),
]


def watch(
    classifier: ClassifierFolder,
    inbox: Inbox,
    aside: Aside,
    decision: DecisionName = None,
    keep: Keep = None,
    unsure_below: UnsureBelow = None,
    audit: Audit = None,
    on_alarm: OnAlarm = None,
    when_stale: Stale = WhenStale.keep,
    keep_to: KeepTo = None,
    review: Review = None,
    copy: Copy = False,
    dry_run: DryRun = False,
    once: Once = False,
    poll: Poll = False,
    settle: Settle = 2.0,
    stuck: Stuck = 600.0,
    log_format: Log = LogFormat.text,
    metrics: MetricsFile = None,
) -> None:
    """Sort pictures as they arrive in a folder, until stopped. Nothing is deleted, and every move can be undone.

    Say which pictures to keep with --decision or --keep.
    """
    log_to_stderr(log_format.value)
    stop = Stop()
    _stop_by_signal(stop)
    skysort.watch(
        _with_forecasts(classifier, inbox, decision, audit) if audit and decision else classifier,
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
        audit=audit,
        on_alarm=on_alarm,
        when_stale=when_stale.value,
        stop=stop,
    )


def _with_forecasts(folder: Path, inbox: Path, decision: str, audit: str) -> "Classifier":
    """Return the classifier, after the log says how soon its audit would notice a broken promise."""
    from skysort.runs.audit import log_forecasts  # loads NumPy, which the help does not need
    from skysort.work.watch_options import check_inbox

    check_inbox(inbox)
    classifier = skysort.load(folder)
    log_forecasts(classifier, decision, audit)
    return classifier


def _stop_by_signal(stop: Stop) -> None:
    """Let Ctrl-C and SIGTERM end the watch. A second one ends the process at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.set_by_signal()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, ask)
