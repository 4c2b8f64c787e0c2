"""skysort compare: recipes side by side, or two runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import skysort
from skysort.cli.console import console_for, show_names, shown_name, spread
from skysort.cli.options import DataDir, Quiet, Settings
from skysort.cli.progress import progress_on_stderr
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError
from skysort.core.files import write_whole
from skysort.core.text import counted

if TYPE_CHECKING:
    from skysort.trust.comparison import Comparison, ComparisonRow


def compare(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA | RUN RUN", help="Pictures, as for train (a study has its own), or two runs."
        ),
    ] = None,
    recipes: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Recipes, as for train; the first is the one to beat."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="A comparison of the tutorials, by name.")] = None,
    studies: Annotated[bool, typer.Option("--studies", help="List the studies and exit.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each recipe.  [default: 3]")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the runs and the report, by default one below compare/; of two runs, for paired.json."
        ),
    ] = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train recipes with several seeds on the same splits, and show what is different. Goes on where it stopped.

    Of two runs, tell whether one classifier is better than the other on their test pictures.
    """
    if studies:
        _list_studies()
        return
    what = what or []
    if len(what) > 1:
        options = {"--recipes": recipes, "--study": study, "--seeds": seeds, "--set": settings}
        _compare_two(what, [name for name, value in options.items() if value is not None], output)
        return
    configure_process(training=True)
    comparison = skysort.compare(
        what[0] if what else None,
        [name.strip() for name in recipes.split(",")] if recipes is not None else (),
        study=study,
        seeds=seeds or 3,
        settings=settings or (),
        output=output,
        data_dir=data_dir,
        progress=progress_on_stderr(quiet=quiet),
    )
    _show(comparison, output or Path("compare") / comparison.title)


def _compare_two(runs: list[str], options: list[str], output: Path | None) -> None:
    if len(runs) != 2:
        raise NotUnderstoodError(
            "extra-argument", f"expected pictures or two runs to compare, found {len(runs)} names"
        )
    if options:
        raise NotUnderstoodError(
            "options-conflict", f"two runs are compared as they are; that takes no {options[0]}"
        )
    from skysort.experiments.compare import compare_two  # takes long to load, and few commands need it

    found, num_others = compare_two(*runs)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        write_whole(output / "paired.json", found.to_json())
    first, second = map(shown_name, runs)
    num = found.both + found.only_first + found.only_second + found.neither
    low, high = found.difference.interval95
    console = console_for(sys.stdout)
    if num_others:
        is_or_are = "is" if num_others == 1 else "are"
        console.print(
            f"{counted(num_others, 'test picture')} of one run {is_or_are} not among the other's and {is_or_are}"
            " left out"
        )
    console.print(f"of {num:,} test pictures, labelled right:")
    for name, only in ((first, found.only_first), (second, found.only_second)):
        console.print(f"  {name}: {found.both + only:,} ({(found.both + only) / num:.4f})")
    console.print(
        f"both {found.both:,}, only {first} {found.only_first:,}, only {second} {found.only_second:,},"
        f" neither {found.neither:,}"
    )
    console.print(f"{first} less {second}: {found.difference.mean:+.4f} (95 % interval {low:+.4f} to {high:+.4f})")
    often = f"{100 * found.p:.1f} %" if found.p >= 0.001 else "less than 0.1 %"
    console.print(
        f"exact McNemar: p = {found.p:.3g}; two equally good ones differ by as much or more in {often} of tests"
    )
    better = {"first": first, "second": second, None: ""}[found.better]
    console.print(f"{better} is better" if better else "no difference is shown: either may be the better one")


def _list_studies() -> None:
    from skysort.experiments.studies import STUDIES  # likewise

    show_names("study", ((name, study.description) for name, study in STUDIES.items()))


def _show(comparison: "Comparison", folder: Path) -> None:
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


def _difference(row: "ComparisonRow") -> tuple[str, str]:
    if row.difference is None:
        return "", ""
    low, high = row.difference.interval95
    return f"{row.difference.mean:+.4f}", f"{low:+.4f} to {high:+.4f}"
