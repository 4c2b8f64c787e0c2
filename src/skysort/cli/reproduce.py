"""skysort reproduce: the tutorials' recipes beside their published figures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import skysort
from skysort.cli.console import console_for, shown_name, spread
from skysort.cli.options import DataDir, Quiet, Seeds, Settings
from skysort.cli.progress import progress_on_stderr
from skysort.core.environment import configure_process

if TYPE_CHECKING:
    from skysort.trust.comparison import ReproducedFigure, Reproduction


EXAMPLES = """\
skysort reproduce mlp convnet
skysort reproduce resnet-deep:1 --output reproduced
"""


def reproduce(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of recipes with published figures; NAME:1 trains that one with one seed.",
            show_default="all of them",
        ),
    ] = None,
    seeds: Seeds = 3,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write the runs and the report to.", show_default="one below reproduce/"),
    ] = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train the tutorials' recipes as published, and compare the figures. Continues where it stopped."""
    configure_process(training=True)
    progress = progress_on_stderr(quiet=quiet)
    folder = output or Path("reproduce") / (
        "-".join(Path(name).stem.replace(":", "-") for name in recipes) if recipes else "all"
    )
    reproduction = skysort.reproduce(
        recipes or (), folder, seeds=seeds, settings=tuple(settings or ()), data_dir=data_dir, progress=progress
    )
    _show(reproduction, folder)


def _show(reproduction: "Reproduction", folder: Path) -> None:
    console = console_for(sys.stdout)
    table = Table("recipe", "split", "mode", box=None)
    for heading in ("published", "measured", "runs", "one more run, 95 %"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for row in reproduction.figures:
        table.add_row(
            shown_name(row.recipe),
            row.split,
            row.mode,
            "" if row.published is None else f"{row.published:.4f}",
            spread(row.measured),
            str(len(row.measured.values)),
            "" if row.interval95 is None else f"{row.interval95[0]:.4f} to {row.interval95[1]:.4f}",
            _verdict(row),
        )
    console.print(table)
    for curve in reproduction.losses:
        console.print(f"{shown_name(curve.recipe)}, mean training loss after epoch: published (measured)")
        pairs = zip(curve.epochs, curve.published, curve.measured, strict=True)
        console.print("  " + ", ".join(f"{epoch}: {text:.4f} ({ours:.4f})" for epoch, text, ours in pairs))
    if max(reproduction.seeds.values()) == 1:
        console.print("one run per recipe has no spread, so there is no verdict; use --seeds 2 or more")
    if reproduction.settings:
        settings = shown_name(", ".join(reproduction.settings))
        console.print(f"the verdicts are for recipes changed by {settings}, not for those of the tutorials")
    console.print(f"report: {shown_name(str(folder / 'report.html'))}")


def _verdict(row: "ReproducedFigure") -> str:
    if row.verdict is None:
        return "not published"
    return row.verdict if row.short_by is None else f"short by {row.short_by:.4f}"
