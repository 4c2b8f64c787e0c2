"""Changes to a whole batch of pictures at once. Nothing is drawn here.

Pictures are (N, C, H, W) uint8, before and after. Values that differ between pictures are (N,) tensors on their
device.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Border = Literal["black", "reflect"]
BRIGHTNESS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness that people see (ITU-R BT.601)."""


def flipped(pictures: Tensor, which: Tensor) -> Tensor:
    """Mirror left and right those pictures for which (N,) bool is true."""
    num = len(pictures)
    # To copy whole pictures is quicker than to choose pixels.
    either = torch.cat((pictures, pictures.flip(3)))
    return either.index_select(0, torch.arange(num, device=pictures.device) + num * which)


def shifted(pictures: Tensor, margin: int, across: Tensor, down: Tensor, border: Border) -> Tensor:
    """Add a margin around each picture, and cut a picture of the same size out of that.

    Args:
        pictures: larger than the margin if the border reflects.
        margin: pixels added on each side.
        across: left edge of the cut, 0 … 2 margins; one margin leaves the picture where it is.
        down: top edge of the cut, 0 … 2 margins.
        border: content of the margin; a reflection does not repeat the pixels at the edge.
    """
    num, channels, height, width = pictures.shape
    padded = functional.pad(pictures, (margin,) * 4, "constant" if border == "black" else "reflect")
    # Each line is copied as one piece, which is far quicker than to index pixels.
    first_lines = torch.arange(num * channels, device=pictures.device).view(num, channels, 1) * padded.shape[2]
    lines = first_lines + down.view(num, 1, 1) + torch.arange(height, device=pictures.device)  # (N, C, H)
    starts = lines * padded.shape[3] + across.view(num, 1, 1)
    return padded.flatten().unfold(0, width, 1).index_select(0, starts.flatten()).view(pictures.shape)


def resampled(pictures: Tensor, boxes: Tensor, degrees: Tensor, border: Border | None) -> Tensor:
    """Rotate each picture about its middle, cut a box out of it and stretch that to the whole, bilinearly.

    Args:
        pictures: to be rotated.
        boxes: (4, N) left, top, width and height, as shares of the picture's.
        degrees: to rotate by, counter-clockwise.
        border: content beyond the picture; None repeats the outermost pixels, for pictures that are not rotated.
    """
    rows, columns = pictures.shape[2:]
    device = pictures.device
    each = (-1, 1, 1)
    left, top, width, height = (sides.view(each) for sides in boxes)
    # Where each pixel comes from, in pixels from the middle of the rotated picture …
    across = (torch.arange(columns, device=device) + 0.5) / columns  # (W,)
    down = (torch.arange(rows, device=device)[:, None] + 0.5) / rows  # (H, 1)
    x = (left + across * width - 0.5) * columns  # (N, 1, W)
    y = (top + down * height - 0.5) * rows  # (N, H, 1)
    # … and of the picture itself, downwards counted positive.
    sine, cosine = degrees.deg2rad().sin().view(each), degrees.deg2rad().cos().view(each)
    x, y = cosine * x - sine * y, sine * x + cosine * y  # (N, H, W)
    # For grid_sample the middles of the outermost pixels are at -1 and 1, so that it reflects there.
    grid = torch.stack((2 * x / max(columns - 1, 1), 2 * y / max(rows - 1, 1)), dim=3)
    mode = {None: "border", "black": "zeros", "reflect": "reflection"}[border]
    sampled = functional.grid_sample(pictures.float(), grid, padding_mode=mode, align_corners=True)
    return _as_pixels(sampled)


def recoloured(pictures: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Change brightness, then contrast, then saturation, each by a factor where 1 changes nothing.

    Brightness moves pixels away from black; contrast, from the mean brightness of the picture; saturation, from
    the pixel's own brightness: grey pictures have none. Values are cut off at 0 and 255 at the end alone.
    """
    each = (-1, 1, 1, 1)
    pixels = pictures.float()
    if pictures.shape[1] == 3:
        red, green, blue = BRIGHTNESS
        grey = red * pixels[:, :1] + green * pixels[:, 1:2] + blue * pixels[:, 2:]  # (N, 1, H, W)
        pixels = torch.lerp(grey, pixels, saturation.view(each))
    else:
        grey = pixels
    middle = brightness * grey.mean(dim=(1, 2, 3))
    # All three are linear, so that saturation may as well come first.
    return _as_pixels(pixels * (contrast * brightness).view(each) + ((1 - contrast) * middle).view(each))


def covered(pictures: Tensor, side: int, across: Tensor, down: Tensor) -> Tensor:
    """Cover a square of each picture with the picture's mean colour.

    Args:
        pictures: to be covered.
        side: of the square, in pixels.
        across: column of the square's middle pixel, or of the one after its middle if the side is even. The
            square is clipped to the picture.
        down: row of the square's middle pixel, or of the one after its middle.
    """
    rows, columns = pictures.shape[2:]
    each = (-1, 1, 1, 1)
    x = torch.arange(columns, device=pictures.device) - across.view(each) + side // 2  # (N, 1, 1, W)
    y = torch.arange(rows, device=pictures.device)[:, None] - down.view(each) + side // 2  # (N, 1, H, 1)
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)  # (N, 1, H, W)
    return torch.where(inside, _as_pixels(pictures.float().mean(dim=(2, 3), keepdim=True)), pictures)


def mixed(pictures: Tensor, others: Tensor, share: float) -> Tensor:
    """Return a weighted mean of two batches; share is the weight of the pictures."""
    return _as_pixels(torch.lerp(others.float(), pictures.float(), share))


def pasted(pictures: Tensor, others: Tensor, rows: slice, columns: slice) -> Tensor:
    """Replace one box in all pictures by the same box of the others."""
    result = pictures.clone()
    result[:, :, rows, columns] = others[:, :, rows, columns]
    return result


def _as_pixels(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)
