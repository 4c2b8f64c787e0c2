"""skysort journal: what happened to pictures."""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.options import Raw, class_typed
from skysort.core.errors import NotUnderstoodError, unknown
from skysort.work.journal import Journal
from skysort.work.journal_export import corrected, is_text, write_corrections, write_csv, write_table

Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only from then on: 2026-11-20, or 2026-11-20T06:30.")
]


class JournalFormat(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"


def journal(
    folder: Annotated[Path, typer.Argument(help="The folder that pictures were put into.")],
    since: Since = None,
    label: Annotated[
        str | None, typer.Option("--class", parser=class_typed, metavar="CLASS", help="Only pictures so labelled.")
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many.  [default: all]")] = None,
    corrections: Annotated[
        bool,
        typer.Option("--corrections", help="Show what people corrected: path,label,split, to train on."),
    ] = False,
    form: Annotated[JournalFormat, typer.Option("--format", help="How to write rows.")] = JournalFormat.table,
    raw: Raw = False,
) -> None:
    """Show what was done with pictures, newest first."""
    if raw and (form is not JournalFormat.csv or corrections):
        raise NotUnderstoodError(
            "options-conflict", "--raw goes with --format csv; corrections always are as they are"
        )
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
    with Journal(folder) as opened:
        if corrections:
            found, num_left_out = corrected(opened)
            no_text = [path for path in found if form is JournalFormat.csv and not is_text(path)]
            for path in no_text:  # one would keep the others from being read
                del found[path]
            write_corrections(found, sys.stdout, form.value)
            if no_text:
                print(
                    f"{len(no_text):,} left out: their names are not UTF-8, which a CSV file to train on is;"
                    " without --format csv they are shown", file=sys.stderr,
                )  # fmt: skip
            if num_left_out:
                print(f"{num_left_out:,} left out: no longer where they were put back", file=sys.stderr)
            return
        if label is not None and label not in (classes := opened.classes()):
            raise unknown("class", label, classes)
        rows = opened.rows(since=seconds_of(since), label=label, last=last)
        if form is JournalFormat.csv:
            write_csv(rows, opened, sys.stdout, raw=raw)
        else:
            write_table(rows, opened, sys.stdout)


def seconds_of(since: str | None) -> float | None:
    """Return seconds since 1970 for a date or a time, by this computer's time zone unless it names one."""
    if since is None:
        return None
    try:
        return datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise NotUnderstoodError(
            "wrong-value", f"--since takes 2026-11-20 or 2026-11-20T06:30; found '{since}'"
        ) from None
