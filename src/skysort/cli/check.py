"""skysort check: problems that would distort the figures, found before training."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import skysort
from skysort.cli.console import console_for, shown_name
from skysort.cli.help import PICTURES
from skysort.cli.options import PICTURES_HELP, DataDir, GroupBy, LabelBy, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.core.errors import SkysortError
from skysort.core.text import counted

if TYPE_CHECKING:
    from skysort.data.quality.check import CheckResult


EXAMPLES = """\
skysort check photos/
skysort check photos/ --labels --output checked
"""


class CheckFormat(StrEnum):
    """Format of the findings."""

    table = "table"
    json = "json"


def check(
    data: Annotated[list[str], typer.Argument(help=PICTURES_HELP)],
    form: Annotated[
        CheckFormat, typer.Option("--format", help="Format of the findings: table for people, json for programs.")
    ] = CheckFormat.table,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write check.json and check.html to, a page of thumbnails.")
    ] = None,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Rank labels that are likely wrong, the most suspicious first. Needs the extra photos and the"
            " weights of a backbone (skysort backbones).",
        ),
    ] = False,
    group_by: GroupBy = None,
    label_by: LabelBy = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Override a field of the section pictures, e.g. pictures.size=64 (skysort fields pictures lists"
            " them); with --labels also of transfer. Repeatable.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Find problems in pictures that would distort the figures or stop training. Exits with 1 if there are any."""
    checked = skysort.check(
        data,
        group_by=group_by,
        label_by=label_by,
        settings=settings or (),
        labels=labels,
        output=output,
        data_dir=data_dir,
        progress=progress_on_stderr(quiet=quiet),
    )
    if form is CheckFormat.json:
        print(checked.to_json(), end="")
    else:
        _show(checked)
    problems = ["training would stop"] if checked.stops else []
    problems += [f"the figures would be wrong: {', '.join(checked.lies)}"] if checked.lies else []
    if problems:
        raise SkysortError("problems-found", f"{' '.join(data)}: {'; '.join(problems)}")


def _show(checked: "CheckResult") -> None:
    console = console_for(sys.stdout)
    num = len(checked.classes)
    console.print(f"{counted(checked.pictures, 'picture')} of {counted(num, 'class', 'classes')}")
    if not checked.findings:
        console.print("no problems found")
        return
    table = Table("finding", "severity", box=None)
    table.add_column("count", justify="right")
    for finding in checked.findings:
        table.add_row(finding.name, finding.severity, f"{finding.count:,}")
    console.print(table)
    for finding in checked.findings:
        console.print(f"\n{finding.name}: {shown_name(finding.advice)}")
        for example in finding.examples:
            console.print(f"  {shown_name(' | '.join(example))}")
