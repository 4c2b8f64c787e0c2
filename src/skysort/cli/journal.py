"""skysort journal: moves, copies and corrections."""

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from skysort.cli.options import Raw, SortedFolder, class_typed
from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.text import counted
from skysort.work.journal import Journal
from skysort.work.journal_export import corrected, is_text, write_corrections, write_csv, write_table

EXAMPLES = """\
skysort journal aside --since 2026-11-20 --class airplane
skysort journal aside --corrections --format csv > corrections.csv
"""
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Earliest time to include, e.g. 2026-11-20 or 2026-11-20T06:30, in this computer's time zone.",
    ),
]


class JournalFormat(StrEnum):
    """Format of the rows."""

    table = "table"
    csv = "csv"


def journal(
    folder: SortedFolder,
    since: Since = None,
    label: Annotated[
        str | None,
        typer.Option("--class", parser=class_typed, metavar="CLASS", help="Label of the pictures, e.g. bird."),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Number of rows to show, e.g. 20.", show_default="all"),
    ] = None,
    corrections: Annotated[
        bool,
        typer.Option(
            "--corrections", help="Show only corrections by people, as path,label,split: a table to train on."
        ),
    ] = False,
    form: Annotated[
        JournalFormat, typer.Option("--format", help="Format of the rows: table for people, csv for programs.")
    ] = JournalFormat.table,
    raw: Raw = False,
) -> None:
    """Show the moves and copies of pictures, newest first: one row per action."""
    if raw and (form is not JournalFormat.csv or corrections):
        raise NotUnderstoodError(
            "options-conflict",
            "--raw needs --format csv; leave it out with --corrections, which are always unchanged",
        )
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
    with Journal(folder) as opened:
        if corrections:
            _print_corrections(opened, form)
            return
        if label is not None and label not in (classes := opened.classes()):
            raise unknown("class", label, classes)
        rows = opened.rows(since=seconds_of(since), label=label, last=last)
        if form is JournalFormat.csv:
            write_csv(rows, opened, sys.stdout, raw=raw)
        else:
            write_table(rows, opened, sys.stdout)


def _print_corrections(journal: Journal, form: JournalFormat) -> None:
    labels, num_gone, num_drawn = corrected(journal)
    not_utf8 = [path for path in labels if form is JournalFormat.csv and not is_text(path)]
    for path in not_utf8:  # one of them would make the whole file unreadable
        del labels[path]
    write_corrections(labels, sys.stdout, form.value)
    if not_utf8:
        print(
            f"{counted(len(not_utf8), 'correction')} left out: a CSV file to train on is UTF-8, and these names"
            " are not; --format table shows them",
            file=sys.stderr,
        )
    if num_drawn:
        print(
            f"{counted(num_drawn, 'correction')} left out: an audit drew these pictures to measure, not to train;"
            " skysort audit shows which of them still need an answer",
            file=sys.stderr,
        )
    if num_gone:
        print(
            f"{counted(num_gone, 'correction')} left out: the pictures are no longer where they were put back",
            file=sys.stderr,
        )


def seconds_of(since: str | None) -> float | None:
    """Return seconds since 1970 for a date or a time, in this computer's time zone unless it names another."""
    if since is None:
        return None
    try:
        return datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise NotUnderstoodError(
            "wrong-value", f"--since takes a time such as 2026-11-20 or 2026-11-20T06:30, got '{since}'"
        ) from None
