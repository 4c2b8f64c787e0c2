"""Lesson 5: convolution."""

import math
from itertools import product

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skysort.lessons.components import KernelOnPicture, OutputSize, Reach, Table
from skysort.lessons.lesson import Code, Figure, Lesson, Part, Question
from skysort.lessons.pictures import LessonPictures
from skysort.networks.convolution import Conv2d
from skysort.networks.inspect.by_name import describe_by_name
from skysort.networks.inspect.layers import Description, Layer, describe
from skysort.networks.inspect.receptive_field import sight_after

KERNELS = {
    "edges, left to right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "edges, top to bottom": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "blurred": [[1 / 9] * 3] * 3,
    "sharpened": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "unchanged": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}
"""Kernels for edges are Sobel's."""


def convolution(pictures: LessonPictures) -> Lesson:
    """Return the lesson."""
    first = nn.Conv2d(3, 16, 3)
    linear = nn.Linear(3 * 32 * 32, 16)
    return Lesson(
        "convolution",
        "Convolution",
        f"A convolution slides one small kernel over the whole picture. 16 kernels of 3x3 on 3 channels have"
        f" {first.weight.numel()} weights; a fully connected layer to 16 outputs has {linear.weight.numel():,}.",
        (_kernel(pictures), _sizes(), _pooling(pictures), _reach(pictures)),
        (
            Question(
                "A picture of 32x32 meets a kernel of 5x5 with stride 1. Which padding keeps its size?",
                f"2: {output_size(32, 5, 2, 1)} comes out. With padding 0 it would be {output_size(32, 5, 0, 1)}.",
            ),
            Question(
                "Why do the weights of an edge kernel add up to 0?",
                "Where the picture is plain, every weight meets the same number, and the output is that number"
                " times the sum of the weights. A sum of 0 means: nothing to see here.",
            ),
            Question(
                "Three convolutions of 3x3, one after another, without pooling: how far does one output see?",
                f"{_sight_of_three()} pixels. Each adds 2 to the side. A pooling between them would double what"
                " the later ones add.",
            ),
        ),
    )


def _kernel(pictures: LessonPictures) -> Part:
    picture = brightness(pictures)
    kernels = {name: np.array(weights, np.float32) for name, weights in KERNELS.items()}
    outputs = {name: convolved(picture, kernel) for name, kernel in kernels.items()}
    return Part(
        "Nine numbers",
        (
            "Lay a kernel of 3x3 numbers over a pixel and its eight neighbours. Multiply each of the nine pairs,"
            " add them up: that is the output at this place. Then move on by one pixel. Outside the picture, zeros"
            " stand in.",
            "A network does not know these kernels beforehand. It learns them.",
        ),
        (
            Figure(
                "kernel",
                KernelOnPicture(picture, kernels, outputs),
                "The brightness of the bird, and what the kernel makes of it: black at 0 and below, white at 1 and"
                " above.",
                "Choose a kernel, or type your own numbers. Change the signs of an edge kernel: edges"
                " that were black turn white.",
            ),
        ),
        (Code.of(convolved),),
    )


def brightness(pictures: LessonPictures) -> NDArray[np.float32]:
    """Return (H, W): the bird's mean over the channels, 0 … 1, with four decimals, as the page has it."""
    return np.asarray(np.round(pictures.bird.mean(0) / 255, 4), np.float32)


def convolved(picture: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W) for a picture (H, W) and a kernel (3, 3), padded with zeros."""
    values = torch.from_numpy(picture)[None, None]  # (1, 1, H, W)
    weights = torch.from_numpy(kernel)[None, None]  # (1, 1, 3, 3)
    output: NDArray[np.float32] = functional.conv2d(values, weights, padding=1)[0, 0].numpy()
    return output


def output_size(size: int, kernel: int, padding: int, stride: int) -> int:
    """Return the side of the output of a convolution of PyTorch."""
    with torch.device("meta"):
        output: Tensor = nn.Conv2d(1, 1, kernel, stride, padding)(torch.empty(1, 1, size, size))
    return output.shape[-1]


def _sizes() -> Part:
    settings = [(32, 3, 1, 1), *((32, k, p, s) for k, p, s in product((3, 5), (0, 2), (1, 2)))]
    examples = tuple((*setting, output_size(*setting)) for setting in settings)
    weights, biases = (parameter.numel() for parameter in nn.Conv2d(3, 16, 3).parameters())
    return Part(
        "How large is the output?",
        (
            "Put padding around the picture, lay the kernel into the first corner, and count the steps of the"
            " stride until it meets the other side: (size + 2 x padding - kernel) / stride, rounded down, plus 1.",
            f"The weights do not depend on the size of the picture. 16 kernels on 3 channels have"
            f" 16 x 3 x 3 x 3 = {weights} weights and {biases} biases. The picture itself has"
            f" 3 x 32 x 32 = {3 * 32 * 32:,} numbers.",
        ),
        (
            Figure(
                "size",
                OutputSize(examples),
                "Sizes of outputs, as PyTorch computes them.",
                "Type numbers. Which padding keeps the size for kernels of 3, 5 and 7?",
            ),
        ),
    )


def _pooling(pictures: LessonPictures) -> Part:
    corner = brightness(pictures)[14:18, 20:24]
    values = torch.from_numpy(corner)[None, None]
    pooled = {"max": functional.max_pool2d(values, 2), "average": functional.avg_pool2d(values, 2)}

    def lines(numbers: NDArray[np.float32]) -> str:
        return Markup("<br>").join("  ".join(f"{number:.2f}" for number in row) for row in numbers)

    outputs = (lines(out[0, 0].numpy()) for out in pooled.values())
    return Part(
        "Pooling: fewer places, the strongest answer",
        (
            "A pooling of 2x2 keeps one number of four: the largest, or the mean. Height and width are halved, and"
            " whatever follows sees twice as far. The largest number answers the question whether a feature is"
            " anywhere near; the mean, how much of it there is.",
        ),
        (
            Figure(
                "pooling",
                Table(("before", *pooled), ((lines(corner), *outputs),)),
                "4x4 numbers from the edge of the bird's wing, and the 2x2 numbers after each pooling.",
            ),
        ),
    )


def _reach(pictures: LessonPictures) -> Part:
    network = describe_by_name("convnet", 32, 3, 2)
    return Part(
        "How far does it see?",
        (
            "One output of the first convolution depends on 3x3 pixels. One output of the second depends on 3x3"
            " outputs of the first, and a pooling in between makes these lie farther apart. So the reach grows"
            " layer by layer, until a fully connected layer sees it all.",
            f"The whole network has {network.parameters:,} parameters.",
        ),
        (
            Figure(
                "reach",
                Reach(pictures.bird, layers(network)),
                "The layers of the recipe convnet, and what the output in the middle of each one sees.",
                "Choose a layer, with the mouse or with the arrow keys. Which is the first to see the whole bird?",
            ),
        ),
        (Code.of(sight_after), Code.of(Conv2d.forward)),
    )


def layers(network: Description) -> tuple[tuple[str, str, int, int], ...]:
    """Return each layer's name, output, parameters and the side of its receptive field, at most 32 pixels."""

    def side(layer: Layer) -> int:
        return 32 if math.isinf(layer.sees[0]) else min(32, round(layer.sees[0]))

    return tuple(
        (layer.kind, "x".join(map(str, layer.shape)), layer.parameters, side(layer)) for layer in network.layers
    )


def _sight_of_three() -> int:
    with torch.device("meta"):
        three = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)))
    return round(describe(three, (1, 32, 32)).layers[-1].sees[0])
