"""What the benchmarks share: figures out of measurements, and how they are told."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from skysort.core.environment import machine_description, today, versions
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.data.parallel import num_cores


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return number, median, smallest and largest of some measurements."""
    return {
        "n": len(values),
        "median": statistics.median(values),
        "smallest": min(values),
        "largest": max(values),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def write_pictures(data: str, shape: Shape, folder: Path, suffix: str) -> Path:
    """Write data's pictures, decoded to a shape, as image files in the folders that the data has them in."""
    dataset = open_dataset(Data.find(data), shape, SilentProgress())
    for row, path in enumerate(dataset.listing.paths):
        to = (folder / path).with_suffix(suffix)
        to.parent.mkdir(parents=True, exist_ok=True)
        pixels = dataset.pixels(np.array([row]))[0].transpose(1, 2, 0)  # (H, W, C) uint8
        Image.fromarray(pixels[:, :, 0] if shape.channels == 1 else pixels).save(to)
    return folder


def report(
    question: str,
    figures: Mapping[str, Any],
    output: Path | None,
    device: str = "cpu",
    threads: int | None = None,
) -> None:
    """Print a benchmark's answer with date, machine and versions as JSON, and write the same to a file if asked.

    Args:
        question: that the figures answer.
        figures: the answer.
        output: the file to write.
        device: that was computed on.
        threads: that were computed with; else one a core.
    """
    told = {
        "question": question,
        "date": today(),
        "machine": machine_description(device, threads or num_cores()),
        "versions": versions(),
        **figures,
    }
    shown = json.dumps(told, indent=2)
    print(shown, flush=True)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(shown + "\n", encoding="utf-8")
