"""skysort decide: a threshold that limits the share of a class that is lost."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, MovedTo, Quiet, class_typed
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import show_decision
from skysort.core.text import printable, share_typed

EXAMPLES = """\
skysort decide runs/birds-swift --keep bird --lose-at-most 2%
skysort decide runs/birds-swift --keep bird --lose-at-most 5% --confidence 99% --name strict
"""


def decide(
    run: Annotated[Path, typer.Argument(help="Folder of a run, which needs a calibration split.")],
    keep: Annotated[
        list[str],
        typer.Option(parser=class_typed, metavar="CLASS", help="Class to protect, e.g. bird. Repeatable."),
    ],
    lose_at_most: Annotated[
        str,
        typer.Option(
            metavar="SHARE", help="Largest share of its pictures that may be set aside, e.g. 2% or 0.02."
        ),
    ],
    confidence: Annotated[
        str, typer.Option(metavar="SHARE", help="Probability that the limit holds, e.g. 99% or 0.99.")
    ] = "95%",
    name: Annotated[str, typer.Option(help="Name of the decision.", show_default="keep-CLASS")] = "",
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Find the threshold that sets aside the most pictures and loses few of the class to keep."""
    shares = share_typed("--lose-at-most", lose_at_most), share_typed("--confidence", confidence)
    progress = progress_on_stderr(quiet=quiet)
    result = skysort.decide(run, keep, *shares, name=name, moved_to=moved_to, data_dir=data_dir, progress=progress)
    if earlier := result.replaced:
        print(
            f"This replaces the decision '{printable(earlier.name)}' of {printable(earlier.date)}: lose at most"
            f" {100 * earlier.lose_at_most:.10g} % with {100 * earlier.confidence:.10g} % confidence."
            " To keep both, choose another --name."
        )
    show_decision(result.decision, result.run, sys.stdout)
