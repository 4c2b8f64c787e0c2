"""skysort backbones: the backbones by name, and how to add one."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.console import console_for
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError

EXAMPLES = """\
skysort backbones
skysort backbones add mine.safetensors --like efficientnet-lite1
"""
ADD = "add"


def backbones(
    action: Annotated[
        str | None, typer.Argument(help="Action: add, to add a backbone. Leave it out to list them.")
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="Weights to add, as .safetensors.")] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="BACKBONE", help="Backbone whose layers the weights to add have."),
    ] = None,
) -> None:
    """List the backbones: networks with learned weights, whose features the recipe photos uses."""
    configure_process()
    if action is None:
        _show()
    elif action != ADD:
        raise NotUnderstoodError("wrong-value", f"expected nothing or {ADD}, found '{action}'")
    elif file is None or like is None:
        raise NotUnderstoodError(
            "missing-argument", "name a file and a backbone: skysort backbones add FILE --like BACKBONE"
        )
    else:
        _add(file, like)


def _show() -> None:
    from rich.table import Table

    from skysort.transfer.backbones import find_weights, known
    from skysort.transfer.features import milliseconds_per_picture

    table = Table("backbone", "pictures", "multiply-adds", "here", "licence", "weights", box=None)
    for backbone in known().values():
        weights = find_weights(backbone)
        cost = f"{milliseconds_per_picture(backbone):.0f} ms per picture" if weights else ""
        table.add_row(
            backbone.name,
            f"{backbone.size}x{backbone.size}",
            f"{backbone.multiply_adds / 1e6:,.0f} million",
            cost,
            backbone.licence.in_words,
            weights.origin if weights else f"not here; {backbone.how_to_bring}",
        )
    console_for(sys.stdout).print(table)


def _add(file: Path, like: str) -> None:
    from skysort.transfer.network import add_backbone

    backbone = add_backbone(file, like)
    print(f"added '{backbone.name}'; SHA-256 {backbone.sha256}")
    print(f"train with it: skysort train PICTURES --recipe photos --set transfer.backbone={backbone.name}")
