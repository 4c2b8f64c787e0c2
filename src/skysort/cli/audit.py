"""skysort audit: whether the promise of a watcher's decision still holds, by looks at random pictures."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skysort.cli.options import class_typed
from skysort.core.errors import NotUnderstoodError, require
from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.runs.audit import AuditReport
    from skysort.work.journal import Journal

EXAMPLES = """\
skysort audit aside --format csv > looks.csv
skysort audit aside --answers looks.csv
"""
MOST_LISTED = 10


class AuditFormat(StrEnum):
    """Format of the report."""

    text = "text"
    json = "json"
    csv = "csv"


Aside = Annotated[Path, typer.Argument(help="Folder that the watcher has as its --aside.")]
AnswersFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with your answers: a CSV with the columns path,label, e.g. looks.csv. A label is a class,"
        " other if the picture shows none of them, or ? if you cannot tell. Rows with no label are skipped. A"
        " column number, as --format csv writes it, says which picture is meant if a path was used twice.",
    ),
]
NewClasses = Annotated[
    list[str] | None,
    typer.Option(
        parser=class_typed,
        metavar="CLASS",
        help="Class that the answers may name though the classifier does not have it, e.g. heron. Repeatable.",
    ),
]
Ask = Annotated[
    bool,
    typer.Option(
        "--ask",
        help="Open each picture that waits in the system's viewer, and answer by a key. Labels are not shown,"
        " so that they do not lead you.",
    ),
]
Undo = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take back the last N answers, e.g. 1.")]
Check = Annotated[
    bool, typer.Option("--check", help="Exit with 1 if the promise is broken, for monitors and cron.")
]
Page = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Page to write about the decision in use, e.g. report.html: its loss so far, looks, alarms,"
        " drift, and the moves that were undone.",
    ),
]
ReportFormat = Annotated[
    AuditFormat,
    typer.Option(
        "--format", help="Format of the report: text for people, json for programs, csv to fill in labels."
    ),
]


def audit(
    folder: Aside,
    answers: AnswersFile = None,
    new_class: NewClasses = None,
    ask: Ask = False,
    undo: Undo = None,
    check: Check = False,
    output: Page = None,
    form: ReportFormat = AuditFormat.text,
) -> None:
    """Show which pictures to look at, and what your answers say about the promise of the watcher's decision.

    Start the watcher with --audit to have pictures drawn.
    """
    if new_class and not answers:
        raise NotUnderstoodError("options-conflict", "--new-class goes with --answers")
    if sum(map(bool, (answers, undo, ask))) > 1:
        raise NotUnderstoodError(
            "options-conflict", "--answers, --ask and --undo do not go together; give one of them"
        )
    if output:
        require("a page with charts", "photos", "jinja2", "matplotlib")
    from skysort.runs.audit import judge  # these load NumPy, which the help does not need
    from skysort.work.journal import Journal

    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
    if ask:
        _check_terminal()
    with Journal(folder) as journal:
        if answers:
            _record(journal, answers, new_class or [])
        elif ask:
            _ask(journal)
        elif undo:
            _take_back(journal, undo)
        report = judge(journal)
        if output:
            _write_page(journal, folder, report, output)
    _print(report, form)
    if check and report.result.is_alarm:
        raise typer.Exit(1)


def _print(report: "AuditReport", form: AuditFormat) -> None:
    from skysort.classifier.predictions import write_rows
    from skysort.runs.audit_text import as_json, as_text
    from skysort.work.looks import COLUMNS

    if form is AuditFormat.csv:
        rows = ((str(number), str(path), "") for number, path in sorted(report.found.places.items()))
        write_rows([COLUMNS, *rows], sys.stdout)
    else:
        print(as_json(report) if form is AuditFormat.json else as_text(report))


def _check_terminal() -> None:
    """Make sure that a person can see the question and press a key.

    Raises:
        NotUnderstoodError: when standard input or standard error is no terminal.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotUnderstoodError(
            "options-conflict",
            "--ask needs a terminal to read keys from; without one, use --format csv and --answers FILE",
        )


def _ask(journal: "Journal") -> None:
    from skysort.cli.asking import ask

    ask(journal, _user())


def _write_page(journal: "Journal", folder: Path, report: "AuditReport", output: Path) -> None:
    from skysort.runs.audit_page import write_page_of
    from skysort.runs.drift import drift_folder

    write_page_of(journal, report, drift_folder(folder), output)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _record(journal: "Journal", file: Path, new_classes: list[str]) -> None:
    from skysort.work.looks import answer

    new = answer(journal, file, _user(), new_classes)
    if not (new.drawn or new.corrections or new.unchanged):
        print(f"recorded nothing: no row of {printable(str(file))} has a label", file=sys.stderr)
        return
    facts = [counted(new.drawn, "answer")]
    facts += (
        [f"{counted(new.corrections, 'correction')} of pictures that were not drawn"] if new.corrections else []
    )
    facts += [f"{new.replaced:,} of them in place of earlier ones"] if new.replaced else []
    facts += [f"{new.unchanged:,} known already"] if new.unchanged else []
    print(f"recorded {', '.join(facts)}", file=sys.stderr)
    for path in new.gone[:MOST_LISTED]:
        print(f"no longer there: {printable(str(path))}", file=sys.stderr)
    if len(new.gone) > MOST_LISTED:
        print(f"and {len(new.gone) - MOST_LISTED:,} more", file=sys.stderr)


def _take_back(journal: "Journal", last: int) -> None:
    for answer in journal.answers.take_back(last):
        place = printable(str(journal.row(answer.row).place))
        print(f"took back: {printable(answer.label)} for {place}", file=sys.stderr)
