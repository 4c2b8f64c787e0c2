"""skysort describe: the layers of a network and their cost."""

import math
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from skysort.cli.console import console_for, shown_name
from skysort.core.errors import require
from skysort.core.text import printable

if TYPE_CHECKING:
    from skysort.networks.inspect.layers import Description, Layer


EXAMPLES = """\
skysort describe convnet
skysort describe swift --size 224 --classes 10
"""


NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|FILE.py:Class",
        help="Recipe of the network, by name (skysort recipes) or as a .toml file, or a class of your own,"
        " e.g. net.py:Net, which runs that file.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65_536,
        metavar="PIXELS",
        help="Side of the pictures in pixels, e.g. 64.",
        show_default="from the recipe or its tutorial, else 32",
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="NUMBER",
        help="Number of channels: 3 for RGB, 1 for grey.",
        show_default="from the recipe or its tutorial, else 3",
    ),
]
NumClasses = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=1_000_000,
        metavar="NUMBER",
        help="Number of classes; not for a class of your own, which sets it itself.",
        show_default="from the recipe's tutorial, else 2",
    ),
]


def describe(
    network: NetworkName,
    size: Size = None,
    channels: Channels = None,
    classes: NumClasses = None,
) -> None:
    """Show the layers of a network and their cost. Nothing is allocated, so any size works."""
    require("describing a network", "train", "torch")
    from skysort.networks.inspect.by_name import describe_by_name  # needs PyTorch

    with redirect_stdout(sys.stderr):  # a network of your own may print
        description = describe_by_name(network, size, channels, classes)
    console = console_for(sys.stdout)
    console.print(_table(description))
    console.print()
    for line in _totals(description):
        console.print(line)
    for warning in description.warnings:
        console.print(f"warning: {printable(warning)}", markup=False, soft_wrap=True)


def _table(description: "Description") -> Table:
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
    table.add_row("all layers", "", *totals)
    return table


def _parameters(layer: "Layer") -> str:
    if layer.shared:
        return f"{layer.parameters:,} + shared" if layer.parameters else "shared"
    return f"{layer.parameters:,}" if layer.parameters else ""


def _sees(height: float, width: float) -> str:
    """Return a receptive field as its side in pixels, or as `HEIGHTxWIDTH` if it is not square."""

    def side(size: float) -> str:
        return "?" if math.isnan(size) else "all" if math.isinf(size) else f"{size:.0f}"

    return side(height) if side(height) == side(width) else f"{side(height)}x{side(width)}"


def _totals(description: "Description") -> list[str]:
    num, frozen = description.parameters, description.frozen
    once, twice, thrice = (_bytes(4 * (num + times * (num - frozen))) for times in (0, 1, 2))
    return [
        *([f"trained: {num - frozen:,} parameters; the other {frozen:,} are frozen"] if frozen else []),
        f"memory of parameters: {once}; in training: {twice} with SGD, {thrice} with momentum",
        f"memory of outputs: {_bytes(description.memory)} per picture; training keeps them for a whole batch",
        "sees: side of the receptive field in pixels; all: the whole picture; ?: unknown",
        "memory: output of the layer for one picture in float32; 1 kB is 1,000 bytes",
    ]


def _bytes(num: int) -> str:
    """Return a number of bytes with a decimal unit.

    >>> _bytes(65_536), _bytes(12_886_000_000)
    ('65.5 kB', '12.9 GB')
    """
    amount, unit = float(num), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{num} B" if unit == "B" else f"{amount:.1f} {unit}"
