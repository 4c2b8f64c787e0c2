"""skysort compare: recipes side by side."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skysort.cli.options import DataDir, Quiet, Seeds, Settings
from skysort.errors import NotUnderstoodError

if TYPE_CHECKING:
    from skysort.compare import Asked
    from skysort.trust.comparison import Comparison, Row


def compare(
    data: Annotated[str | None, typer.Argument(help="Pictures, as for train.  [default: the study's own]")] = None,
    recipes: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Recipes, as for train; the first is the one to beat."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="A comparison of the tutorials, by name.")] = None,
    studies: Annotated[bool, typer.Option("--studies", help="List the studies and exit.")] = False,
    seeds: Seeds = 3,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the runs and the report.  [default: one below compare/]")
    ] = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train recipes with several seeds on the same parts, and show what is different. Goes on where it stopped."""
    if studies:
        _list_studies()
        return
    from skysort.compare import compare as compare_runs
    from skysort.progress import Progress

    asked = _asked(data, recipes, study, tuple(settings or ()))
    folder = output or Path("compare") / asked.title
    comparison = compare_runs(
        asked, folder, seeds=seeds, data_dir=data_dir, progress=Progress.for_terminal(quiet=quiet)
    )
    _show(comparison, folder)


def _asked(data: str | None, recipes: str | None, study: str | None, settings: tuple[str, ...]) -> "Asked":
    from skysort.compare import Asked
    from skysort.recipe import Recipe
    from skysort.seeds import Variant
    from skysort.studies import find_study

    if study is not None:
        if recipes is not None:
            raise NotUnderstoodError("a --study has its own recipes; it takes no --recipes")
        return find_study(study, data, settings)
    if data is None or recipes is None:
        raise NotUnderstoodError("what to compare? Name pictures and --recipes, or a --study (see --studies)")
    loaded = [Recipe.load(name.strip(), settings) for name in recipes.split(",")]
    variants = tuple(Variant(recipe.name, recipe) for recipe in loaded)
    # A colon, as in skies:2000, cannot be in the name of a folder everywhere.
    title = "-".join((Path(data).stem.replace(":", "-"), *(variant.name for variant in variants)))
    return Asked(title, f"recipes on {data}", data, variants, settings=settings)


def _list_studies() -> None:
    from skysort.cli.names import show_names
    from skysort.studies import STUDIES

    show_names("study", ((name, study.description) for name, study in STUDIES.items()))


def _show(comparison: "Comparison", folder: Path) -> None:
    from rich.table import Table

    from skysort.cli.show import console_for, shown_name, spread

    console = console_for(sys.stdout)
    table = Table("recipe", box=None)
    for heading in ("parameters", "test", "to the first", "95 % interval", "train", "gap", "seconds"):
        table.add_column(heading, justify="right")
    for row in comparison.rows:
        table.add_row(
            shown_name(row.name),
            f"{row.parameters:,}",
            spread(row.test),
            *_difference(row),
            f"{row.train.mean:.4f}",
            f"{row.gap:+.4f}",
            f"{row.seconds.mean:.0f}",
        )
    console.print(table)
    for row in comparison.rows:
        if row.training_mode is not None:
            console.print(
                f"{shown_name(row.name)} in training mode: test {spread(row.training_mode.test)},"
                f" train {spread(row.training_mode.train)}"
            )
        if row.shifted:
            by = ", ".join(f"{pixels}: {figure.mean:.4f}" for pixels, figure in enumerate(row.shifted))
            console.print(f"{shown_name(row.name)}, test pictures shifted by pixels: {by}")
    num = len(comparison.seeds)
    console.print(
        f"{comparison.pictures:,} test pictures of {shown_name(comparison.source)},"
        f" protocol {comparison.protocol},"
        f" {num} {'seed' if num == 1 else 'seeds'} each"
    )
    if comparison.settings:
        console.print(f"all with {shown_name(', '.join(comparison.settings))}")
    console.print(f"report: {shown_name(str(folder / 'report.html'))}")


def _difference(row: "Row") -> tuple[str, str]:
    if row.difference is None:
        return "", ""
    low, high = row.difference.interval95
    return f"{row.difference.mean:+.4f}", f"{low:+.4f} to {high:+.4f}"
