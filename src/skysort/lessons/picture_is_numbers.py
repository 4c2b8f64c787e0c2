"""Lesson 1: a picture is numbers."""

import numpy as np
import torch
from torch import Tensor

from skysort.data.dataset import Dataset
from skysort.data.decode import Pixels, from_image
from skysort.lessons.components import Frames, Pictures, PixelGrid, Table
from skysort.lessons.lesson import Code, Figure, Lesson, Part, Question
from skysort.lessons.pictures import LessonPictures
from skysort.networks.layers import PictureNetwork

PUBLISHED_MEAN = (0.4914, 0.4822, 0.4465)
PUBLISHED_STD = (0.2470, 0.2435, 0.2616)
"""Of CIFAR-10's training pictures, as many programs have them."""
NUM_FRAMES = 11
CHANNELS = ("red", "green", "blue")


def picture_is_numbers(pictures: LessonPictures) -> Lesson:
    """Return the lesson."""
    return Lesson(
        "picture-is-numbers",
        "A picture is numbers",
        f"This bird is {pictures.bird[0].size:,} pixels, and each of them is 3 numbers from 0 to 255. A classifier"
        f" gets these {pictures.bird.size:,} numbers and nothing else: no edges, no wings, no idea of up or down.",
        (_pixels(pictures), _axes(pictures), _scale(pictures), _looks_wrong(pictures)),
        (
            Question(
                "A photograph has 4,000 x 3,000 pixels. How many numbers is it, and how many are left at 32 x 32?",
                f"{4000 * 3000 * 3:,} numbers, of which {32 * 32 * 3:,} are left.",
            ),
            Question(
                "A tensor of 100 pictures has the shape (100, 32, 32, 3). What does a convolution of PyTorch make"
                " of it?",
                "It takes the axis after the first for the channels, so it would see 32 channels of 32 x 3 pixels."
                " Move the axis first: tensor.permute(0, 3, 1, 2).",
            ),
            Question(
                "Why are mean and standard deviation computed over the training pictures alone?",
                "The test pictures stand for pictures that nobody has seen yet. A number computed from them would"
                " let the network learn a little about them.",
            ),
        ),
    )


def _pixels(pictures: LessonPictures) -> Part:
    middle = pictures.bird.shape[1] // 2
    grid = PixelGrid(pictures.bird, "A bird, enlarged so that its pixels are visible", middle, middle)
    return Part(
        "Numbers in a grid",
        (
            "A screen mixes each pixel from red, green and blue light. 0 is no light of that colour, 255 is all of"
            " it. Three equal numbers give a grey.",
        ),
        (
            Figure(
                "pixels",
                grid,
                "The bird that you will meet in every lesson.",
                "Move over the picture, or use the arrow keys. Find a pixel where blue is the smallest number.",
            ),
        ),
    )


def _axes(pictures: LessonPictures) -> Part:
    in_file = pictures.bird.transpose(1, 2, 0)
    shapes = Table(
        ("where", "axes", "shape"),
        (
            ("an image of Pillow, as an array", "rows, columns, channels", in_file.shape),
            ("a picture of Skysort", "channels, rows, columns", pictures.bird.shape),
            ("a batch for PyTorch", "pictures, channels, rows, columns", pictures.bird[None].shape),
        ),
    )
    return Part(
        "Three axes, in an order",
        (
            "Image files keep the three numbers of a pixel together. PyTorch wants all red numbers first, then all"
            " green, then all blue: a convolution runs over rows and columns, once per channel. Only the order"
            " changes, no number does.",
            "This function brings every picture into that shape, in training and in use. It also turns photographs"
            " upright and resizes them.",
        ),
        (
            Figure("shapes", shapes, "The same numbers under three shapes."),
            Figure(
                "channels",
                Pictures({name: channel[None] for name, channel in zip(CHANNELS, pictures.bird, strict=True)}),
                "The bird's three channels, each as a grey picture: the brighter, the more light of that colour.",
            ),
        ),
        (Code.of(from_image),),
    )


def _scale(pictures: LessonPictures) -> Part:
    mean, std = pictures.dataset.mean_and_std(pictures.train_rows)
    header: tuple[str, ...] = ("channel", "mean", "standard deviation")
    columns: tuple[tuple[float, ...], ...] = (mean, std)
    if pictures.are_photographs:
        header += ("published mean", "published standard deviation")
        columns += (PUBLISHED_MEAN, PUBLISHED_STD)
    rows = tuple(
        (name, *(f"{value:.4f}" for value in values)) for name, *values in zip(CHANNELS, *columns, strict=True)
    )
    return Part(
        "Around 0, about as wide as 1",
        (
            "Networks learn best from numbers around 0 that are neither huge nor tiny. So each number is divided"
            " by 255, then the channel's mean is subtracted, then the rest is divided by the channel's standard"
            " deviation. Both are computed over the training pictures.",
            "Skysort does this inside the network. Whoever feeds the network feeds numbers from 0 to 255, and"
            " cannot get it wrong.",
        ),
        (
            Figure(
                "statistics",
                Table(header, rows),
                f"Over {len(pictures.train_rows):,} training pictures of {pictures.name}, scaled to 0 … 1.",
            ),
        ),
        (Code.of(Dataset.mean_and_std), Code.of(PictureNetwork._normalised)),
    )


def _looks_wrong(pictures: LessonPictures) -> Part:
    values = normalised(pictures)
    outside = ((values < 0) | (values > 1)).float().mean().item()
    what = "car" if pictures.are_photographs else "airplane"
    return Part(
        "Why a normalised picture looks wrong",
        (
            f"Plot a normalised picture and the colours look broken. Nothing is: the numbers now run from"
            f" {values.min().item():.2f} to {values.max().item():.2f}, and a plot shows only 0 to 1."
            f" {100 * outside:.0f} % of them lie outside and are clipped to black or to full light.",
            "To see a normalised picture, undo it: multiply by the standard deviation and add the mean.",
        ),
        (
            Figure(
                "normalised",
                Frames("normalised by", blended(pictures.reddest, values)),
                f"The {what} with the most red among the training pictures, before and after it is normalised.",
                "Move the slider, and watch dark parts turn black before bright parts change.",
            ),
        ),
    )


def normalised(pictures: LessonPictures) -> Tensor:
    """Return (3, 32, 32) float32: the reddest picture as the first layer of a network gets it."""
    mean, std = pictures.dataset.mean_and_std(pictures.train_rows)
    network = PictureNetwork(torch.nn.Identity(), torch.nn.Identity(), mean, std)
    out: Tensor = network(torch.from_numpy(pictures.reddest)[None])[0]
    return out


def blended(pixels: Pixels, values: Tensor) -> dict[str, Pixels]:
    """Return pictures from plain to normalised, as a plot shows them: (3, H, W) uint8 by percent."""
    plain = pixels / np.float32(255)
    shares = np.linspace(0, 1, NUM_FRAMES)
    return {
        f"{100 * share:.0f} %": np.round(255 * np.clip((1 - share) * plain + share * values.numpy(), 0, 1)).astype(
            np.uint8
        )
        for share in shares
    }
