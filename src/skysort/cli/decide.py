"""skysort decide: which pictures may be set aside."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.options import DataDir, Quiet


def decide(
    run: Annotated[Path, typer.Argument(help="A run that has a calibration part.")],
    keep: Annotated[list[str], typer.Option(metavar="CLASS", help="What to lose little of; may be repeated.")],
    lose_at_most: Annotated[str, typer.Option(metavar="SHARE", help="Of its pictures, as 2% or 0.02.")],
    confidence: Annotated[str, typer.Option(metavar="SHARE", help="To keep that promise.")] = "95%",
    name: Annotated[str, typer.Option(help="Of the decision.  [default: keep-CLASS]", show_default=False)] = "",
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Find the threshold that sets aside the most and still keeps a promise about what is lost."""
    from skysort.classifier.classifier import Classifier
    from skysort.cli.show import show_decision
    from skysort.decisions import decide as made
    from skysort.progress import Progress
    from skysort.run import run_of

    shares = _share("--lose-at-most", lose_at_most), _share("--confidence", confidence)
    progress = Progress.for_terminal(quiet=quiet)
    decision = made(run, keep, *shares, name=name, data_dir=data_dir, progress=progress)
    show_decision(decision, run_of(Classifier(run)), sys.stdout)


def _share(option: str, text: str) -> float:
    """Return the share that a text like `2%` or `0.02` stands for."""
    from skysort.errors import NotUnderstoodError

    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(%?)\s*", text)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share < 1:
        raise NotUnderstoodError(f"{option} takes a share like 2% or 0.02, above 0 and below 1; found '{text}'")
    return share
