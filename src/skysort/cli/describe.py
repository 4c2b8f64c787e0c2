"""skysort describe: what a network is made of, and what it costs."""

import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from skysort.core.errors import NotUnderstoodError, require
from skysort.recipe.network_file import is_own

if TYPE_CHECKING:
    from rich.table import Table

    from skysort.networks.inspect.layers import Description, Layer

DEFAULT_SIZE, DEFAULT_CHANNELS, DEFAULT_CLASSES = 32, 3, 2
"""Of pictures that nothing is known of; a recipe of a text is described on the text's own."""


def describe(
    network: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|FILE.py:Class",
            help="A recipe (skysort recipes), a .toml file, or a class of your own: that runs your file.",
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_536,
            help="Side of the pictures, in pixels.  [default: the recipe's or text's, or 32]",
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=1024, help="3 for RGB, 1 for grey.  [default: likewise, or 3]")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=2, max=1_000_000, help="To tell apart; your own class decides.  [default: likewise, or 2]"
        ),
    ] = None,
) -> None:
    """Show a network's layers, and what they cost, without building it: any size can be asked about."""
    require("describing a network", "train", "torch")
    from skysort.cli.show import console_for
    from skysort.core.text import printable

    shown = _own if is_own(network) else _recipe
    description = shown(network, size, channels, classes)
    console = console_for(sys.stdout)
    console.print(_table(description))
    console.print()
    for line in _totals(description):
        console.print(line)
    for warning in description.warnings:
        console.print(f"warning: {printable(warning)}", markup=False, soft_wrap=True)


def _own(target: str, size: int | None, channels: int | None, classes: int | None) -> "Description":
    from contextlib import redirect_stdout

    import torch

    from skysort.networks.inspect.layers import describe
    from skysort.networks.inspect.user_network import own_network

    if classes is not None:
        raise NotUnderstoodError("options-conflict", f"--classes is for recipes; {target} decides for itself")
    side = size or DEFAULT_SIZE
    with torch.device("meta"), redirect_stdout(sys.stderr):  # what it prints is no part of the table
        return describe(own_network(target), (channels or DEFAULT_CHANNELS, side, side))


def _recipe(name: str, size: int | None, channels: int | None, classes: int | None) -> "Description":
    import torch

    from skysort.data.builtin.registry import find_named
    from skysort.data.decode import Shape
    from skysort.networks.inspect.layers import describe
    from skysort.networks.layers import build_layers, check_classes
    from skysort.recipe.schema import Recipe

    recipe = Recipe.load(name)
    known = find_named(recipe.published.data) if recipe.published else None
    side = size or recipe.pictures.size or (known.size if known else DEFAULT_SIZE)
    num_channels = channels or recipe.pictures.channels or (known.channels if known else DEFAULT_CHANNELS)
    num_classes = classes or (known.num_classes if known else DEFAULT_CLASSES)
    if num_channels not in (1, 3):
        raise NotUnderstoodError("wrong-value", f"expected --channels 1 or 3 for a recipe, found {num_channels}")
    check_classes(recipe.loss, num_classes)
    shape = Shape(side, 3 if num_channels == 3 else 1)
    with torch.device("meta"):
        layers = build_layers(recipe.network, shape, recipe.loss.num_outputs(num_classes))
    return describe(layers, (num_channels, side, side))


def _table(description: "Description") -> "Table":
    from rich.table import Table

    from skysort.cli.show import shown_name

    table = Table(box=None)
    table.add_column("layer", overflow="fold")
    for heading in ("output", "parameters", "multiply-adds", "sees", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in description.layers:
        table.add_row(
            shown_name(f"{layer.name} {layer.kind}".strip()),
            "x".join(map(str, layer.shape)),
            _parameters(layer),
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            _sees(*layer.sees),
            _bytes(layer.memory) if layer.memory else "",
        )
    table.add_section()
    totals = (f"{description.parameters:,}", f"{description.multiply_adds:,}", "", _bytes(description.memory))
    table.add_row("in all", "", *totals)
    return table


def _parameters(layer: "Layer") -> str:
    if layer.shared:
        return f"{layer.parameters:,} + shared" if layer.parameters else "shared"
    return f"{layer.parameters:,}" if layer.parameters else ""


def _sees(height: float, width: float) -> str:
    """Return a receptive field as a side, as `HEIGHTxWIDTH` where it is not square."""

    def side(size: float) -> str:
        return "?" if math.isnan(size) else "all" if math.isinf(size) else f"{size:.0f}"

    return side(height) if side(height) == side(width) else f"{side(height)}x{side(width)}"


def _totals(description: "Description") -> list[str]:
    num, frozen = description.parameters, description.frozen
    once, twice, thrice = (_bytes(4 * (num + times * (num - frozen))) for times in (0, 1, 2))
    return [
        *([f"learned: {num - frozen:,} parameters; the other {frozen:,} stay as they start"] if frozen else []),
        f"parameters: {once}; to train them: {twice} with SGD, {thrice} with momentum",
        f"outputs: {_bytes(description.memory)} a picture, which training keeps for each picture of a batch",
        "sees: side of the receptive field in pixels; all: all the picture; ?: not known",
        "memory: of the output, in float32 for one picture; 1 kB is 1,000 bytes",
    ]


def _bytes(num: int) -> str:
    """Return bytes in a unit a person reads, in steps of a thousand.

    >>> _bytes(65_536), _bytes(12_886_000_000)
    ('65.5 kB', '12.9 GB')
    """
    amount, unit = float(num), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{num} B" if unit == "B" else f"{amount:.1f} {unit}"
