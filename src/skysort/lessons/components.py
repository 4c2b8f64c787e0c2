"""The components of figures: each is HTML for reading, and data for the function of its kind in components.js."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from pydantic import JsonValue

from skysort.data.decode import Pixels


def image(pixels: Pixels, description: str, side: int) -> Markup:
    """Return an `<img>` with its picture inside.

    Args:
        pixels: (C, H, W) uint8, C 1 or 3.
        description: what it shows, for those who cannot see it; empty if the text beside it says so.
        side: width to show it at, in CSS pixels.
    """
    html = Markup('<img class="enlarged" src="{}" alt="{}" width="{}" height="{}">')
    return html.format(png(pixels), description, side, round(side * pixels.shape[1] / pixels.shape[2]))


def png(pixels: Pixels) -> str:
    """Return `data:image/png;base64,…` of (C, H, W) uint8."""
    file = io.BytesIO()
    rows = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(rows)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return a `<table>`."""

    def row(tag: str, cells: Sequence[object]) -> Markup:
        return Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<{0}>{1}</{0}>").format(Markup(tag), cell) for cell in cells)
        )

    body = Markup("").join(row("td", cells) for cells in rows)
    return Markup('<div class="wide" tabindex="0"><table><thead>{}</thead><tbody>{}</tbody></table></div>').format(
        row("th", header), body
    )


@dataclass(frozen=True)
class Table:
    """A table. It has no controls."""

    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    kind = "still"

    def still(self) -> str:
        """Return the table."""
        return table(self.header, self.rows)

    def data(self) -> JsonValue:
        """Return nothing."""
        return {}


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, each with a line below it. They have no controls."""

    pictures: Mapping[str, Pixels]
    """(C, H, W) uint8 by the line below it."""
    kind = "still"

    def still(self) -> str:
        """Return the pictures."""
        cards = (
            Markup("<li>{}<span>{}</span></li>").format(image(pixels, "", 160), line)
            for line, pixels in self.pictures.items()
        )
        return Markup('<ul class="row">{}</ul>').format(Markup("").join(cards))

    def data(self) -> JsonValue:
        """Return nothing."""
        return {}


@dataclass(frozen=True)
class PixelGrid:
    """A picture whose numbers show under the pointer, or at the cursor that arrow keys move."""

    pixels: Pixels
    """(3, H, W) uint8."""
    description: str
    row: int
    """Of the pixel that is chosen first."""
    column: int
    kind = "pixelGrid"

    def still(self) -> str:
        """Return the picture, and the numbers of the first pixel."""
        return image(self.pixels, self.description, 384) + Markup('<p class="reading">{}</p>').format(self.reading)

    @property
    def reading(self) -> str:
        """The numbers of the first pixel, in words."""
        red, green, blue = self.pixels[:, self.row, self.column]
        return f"Row {self.row}, column {self.column}: red {red}, green {green}, blue {blue}."

    def data(self) -> JsonValue:
        """Return the picture's numbers, row by row, three per pixel."""
        values = self.pixels.transpose(1, 2, 0)  # (H, W, 3)
        return {"values": values.tolist(), "row": self.row, "column": self.column, "uri": png(self.pixels)}


@dataclass(frozen=True)
class Frames:
    """A slider that shows one of several pictures."""

    label: str
    """Of the slider."""
    frames: Mapping[str, Pixels]
    """(C, H, W) uint8 by what the picture is."""
    kind = "frames"

    def still(self) -> str:
        """Return the first and the last picture."""
        lines = list(self.frames)
        return Pictures({line: self.frames[line] for line in (lines[0], lines[-1])}).still()

    def data(self) -> JsonValue:
        """Return the pictures and their lines."""
        frames: list[JsonValue] = [{"line": line, "uri": png(pixels)} for line, pixels in self.frames.items()]
        return {"label": self.label, "frames": frames}


@dataclass(frozen=True)
class KernelOnPicture:
    """A picture, and its convolution with a kernel of 3x3 numbers that can be changed."""

    picture: NDArray[np.float32]
    """(H, W), 0 … 1."""
    kernels: Mapping[str, NDArray[np.float32]]
    """(3, 3) by name; the first is chosen first."""
    outputs: Mapping[str, NDArray[np.float32]]
    """(H, W) by name of the kernel, as PyTorch computes them."""
    kind = "kernel"

    def still(self) -> str:
        """Return the picture, and what each kernel makes of it."""
        pictures = {"the picture": grey(self.picture)}
        return Pictures(pictures | {name: grey(output) for name, output in self.outputs.items()}).still()

    def data(self) -> JsonValue:
        """Return the picture and the kernels."""
        kernels = [{"name": name, "weights": kernel.tolist()} for name, kernel in self.kernels.items()]
        return {"picture": np.round(self.picture, 4).tolist(), "kernels": kernels}


def grey(values: NDArray[np.float32]) -> Pixels:
    """Return (1, H, W) uint8 of (H, W) values: black at 0, white at 1. Values outside 0 … 1 are clipped."""
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)[None]


@dataclass(frozen=True)
class OutputSize:
    """The size of a convolution's output, computed from numbers that can be typed."""

    examples: tuple[tuple[int, int, int, int, int], ...]
    """Size, kernel, padding and stride, and the output's size as PyTorch has it. The first is chosen first."""
    kind = "outputSize"

    def still(self) -> str:
        """Return the examples."""
        return table(("size", "kernel", "padding", "stride", "size of the output"), self.examples)

    def data(self) -> JsonValue:
        """Return the first example."""
        return dict(zip(("size", "kernel", "padding", "stride"), self.examples[0], strict=False))


@dataclass(frozen=True)
class Reach:
    """The layers of a network. The one that is chosen shows on a picture what its middle output sees."""

    pixels: Pixels
    """(3, H, W) uint8."""
    layers: tuple[tuple[str, str, int, int], ...]
    """Name, shape of the output, number of parameters, side of the receptive field in pixels."""
    kind = "reach"

    def still(self) -> str:
        """Return a table of the layers."""
        rows = [(*layer[:2], f"{layer[2]:,}" if layer[2] else "", layer[3]) for layer in self.layers]
        return table(("layer", "output", "parameters", "sees, in pixels"), rows)

    def data(self) -> JsonValue:
        """Return the picture and the layers."""
        names = ("name", "output", "parameters", "side")
        layers = [dict(zip(names, layer, strict=True)) for layer in self.layers]
        return {"uri": png(self.pixels), "size": self.pixels.shape[1], "layers": layers}
