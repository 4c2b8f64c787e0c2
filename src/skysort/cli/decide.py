"""skysort decide: which pictures may be set aside."""

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, MovedTo, Quiet, class_typed
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import show_decision
from skysort.core.errors import NotUnderstoodError
from skysort.core.text import printable


def decide(
    run: Annotated[Path, typer.Argument(help="A run that has a calibration split.")],
    keep: Annotated[
        list[str],
        typer.Option(parser=class_typed, metavar="CLASS", help="What to lose little of; may be repeated."),
    ],
    lose_at_most: Annotated[str, typer.Option(metavar="SHARE", help="Of its pictures, as 2% or 0.02.")],
    confidence: Annotated[str, typer.Option(metavar="SHARE", help="To keep that promise.")] = "95%",
    name: Annotated[str, typer.Option(help="Of the decision.  [default: keep-CLASS]", show_default=False)] = "",
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Find the threshold that sets aside the most and still keeps a promise about what is lost."""
    shares = _share("--lose-at-most", lose_at_most), _share("--confidence", confidence)
    progress = progress_on_stderr(quiet=quiet)
    made = skysort.decide(run, keep, *shares, name=name, moved_to=moved_to, data_dir=data_dir, progress=progress)
    if earlier := made.replaced:
        print(
            f"In place of the '{printable(earlier.name)}' of {printable(earlier.date)}, which was to lose at most"
            f" {100 * earlier.lose_at_most:.10g} % with {100 * earlier.confidence:.10g} % confidence;"
            " another --name keeps both."
        )
    show_decision(made.decision, made.run, sys.stdout)


def _share(option: str, text: str) -> float:
    """Return the share that a text like `2%` or `0.02` stands for."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    share = number / 100 if text.strip().endswith("%") else number
    if not 0 < share < 1:  # no number is neither
        raise NotUnderstoodError(
            "wrong-value", f"{option} takes a share like 2% or 0.02, above 0 and below 1; found '{text}'"
        )
    return share
