"""skysort compare: several recipes, or two runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import skysort
from skysort.cli.console import console_for, show_names, shown_name, spread
from skysort.cli.help import TRAINING
from skysort.cli.options import DataDir, Quiet, Settings
from skysort.cli.progress import progress_on_stderr
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError
from skysort.core.files import write_whole
from skysort.core.text import counted

if TYPE_CHECKING:
    from skysort.trust.comparison import Comparison, ComparisonRow, PairedComparison


EXAMPLES = """\
skysort compare birds-vs-airplanes --recipes mlp,convnet --seeds 5
skysort compare runs/photos-swift runs/photos-convnet
"""


PicturesOrRuns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATA | RUN RUN",
        help="Pictures to train on (a built-in data set, a folder, an archive or a .csv file), or the folders"
        " of two runs. A study has its own pictures.",
    ),
]
Recipes = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,C",
        help="Recipes to compare, as names (skysort recipes) or .toml files, e.g. mlp,convnet. The others are"
        " compared with the first.",
        rich_help_panel=TRAINING,
    ),
]
Study = Annotated[
    str | None,
    typer.Option(
        help="Comparison from the tutorials, by name, e.g. depth (--studies lists them).",
        rich_help_panel=TRAINING,
    ),
]
ListStudies = Annotated[bool, typer.Option("--studies", help="List the studies and exit.")]
NumSeeds = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="NUMBER", help="Number of runs per recipe.", show_default="3", rich_help_panel=TRAINING
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write the runs and the report to, or paired.json when two runs are compared.",
        show_default="one below compare/",
    ),
]


def compare(
    what: PicturesOrRuns = None,
    recipes: Recipes = None,
    study: Study = None,
    studies: ListStudies = False,
    seeds: NumSeeds = None,
    output: Output = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train recipes with several seeds on the same splits, and compare them. Continues where it stopped.

    With two runs, test whether one classifier is better than the other on their test pictures.
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
            "extra-argument", f"expected one set of pictures or two runs to compare, got {len(runs)} names"
        )
    if options:
        raise NotUnderstoodError(
            "options-conflict", f"{options[0]} goes with recipes; leave it out to compare two finished runs"
        )
    from skysort.experiments.compare import compare_two  # loads NumPy and Pillow, which the help does not need

    paired, num_left_out = compare_two(*runs)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        write_whole(output / "paired.json", paired.to_json())
    _show_paired(paired, shown_name(runs[0]), shown_name(runs[1]), num_left_out)


def _show_paired(paired: "PairedComparison", first: str, second: str, num_left_out: int) -> None:
    num = paired.both + paired.only_first + paired.only_second + paired.neither
    low, high = paired.difference.interval95
    console = console_for(sys.stdout)
    if num_left_out:
        console.print(
            f"{counted(num_left_out, 'test picture')} left out: only one of the runs has them in its test split"
        )
    console.print(f"of {num:,} test pictures, labelled right:")
    for name, only in ((first, paired.only_first), (second, paired.only_second)):
        console.print(f"  {name}: {paired.both + only:,} ({(paired.both + only) / num:.4f})")
    console.print(
        f"both {paired.both:,}, only {first} {paired.only_first:,}, only {second} {paired.only_second:,},"
        f" neither {paired.neither:,}"
    )
    console.print(
        f"{first} minus {second}: {paired.difference.mean:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
    )
    often = f"{100 * paired.p:.1f} %" if paired.p >= 0.001 else "less than 0.1 %"
    console.print(
        f"exact McNemar test: p = {paired.p:.3g}; two equally good classifiers differ this much or more in {often}"
        f" of tests"
    )
    better = {"first": first, "second": second, None: ""}[paired.better]
    console.print(
        f"{better} is better" if better else "the difference is not significant: either may be the better one"
    )


def _list_studies() -> None:
    from skysort.experiments.studies import STUDIES  # loads NumPy, too

    show_names("study", ((name, study.description) for name, study in STUDIES.items()))


def _show(comparison: "Comparison", folder: Path) -> None:
    console = console_for(sys.stdout)
    table = Table("recipe", box=None)
    for heading in ("parameters", "test", "minus the first", "95 % interval", "train", "gap", "seconds"):
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
