"""skysort check: what would make the figures lie, before training."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skysort.cli.options import DataDir, Quiet

if TYPE_CHECKING:
    from skysort.pictures.check import Checked


class Form(StrEnum):
    """How findings are written."""

    table = "table"
    json = "json"


def check(
    data: Annotated[str, typer.Argument(help="Pictures, as for train.")],
    form: Annotated[Form, typer.Option("--format", help="How to write what was found.")] = Form.table,
    output: Annotated[
        Path | None, typer.Option(help="Folder for check.json and check.html, a page of thumbnails.")
    ] = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Look for what would make figures lie, as leaks and contradictions. Exit code 1 if there is any."""
    from skysort.errors import SkysortError, require
    from skysort.files import write_whole
    from skysort.pictures.check import check as look
    from skysort.pictures.collection import Data, open_collection
    from skysort.pictures.originals import open_originals
    from skysort.progress import Progress
    from skysort.run_folder import json_text

    if output:
        require("a page of thumbnails", "train", "jinja2")
    progress = Progress.for_terminal(quiet=quiet)
    found = Data.find(data)
    collection = open_collection(found, found.shape(None, None, "stretch"), data_dir, progress)
    checked = look(found.name, collection, open_originals(collection.source, progress))
    text = json_text(checked.model_dump(mode="json"))
    if output:
        from skysort.trust.check_page import write_check_page

        output.mkdir(parents=True, exist_ok=True)
        write_check_page(output / "check.html", checked, collection)
        write_whole(output / "check.json", text)
    if form is Form.json:
        print(text, end="")
    else:
        _show(checked)
    if checked.lies:
        raise SkysortError(f"{data}: figures would lie: {', '.join(checked.lies)}")


def _show(checked: "Checked") -> None:
    from rich.table import Table

    from skysort.cli.show import console_for, shown_name

    console = console_for(sys.stdout)
    num = len(checked.classes)
    console.print(f"{checked.pictures:,} pictures of {num:,} class{'' if num == 1 else 'es'}")
    if not checked.findings:
        console.print("nothing found")
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
