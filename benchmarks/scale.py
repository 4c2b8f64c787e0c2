"""What do more pictures, classes and pixels cost, in time and in memory?

    python benchmarks/scale.py --most 1000000

Pictures are skies, from 1,000 up; classes are of small files in a zip archive, 10,000 in all; sizes are skies.
The cache is a temporary folder, and figures are of two fresh processes: the first prepares (lists, decodes, cuts,
normalises) from an empty cache, the second starts once that stands, takes a hundred steps of a recipe, evaluates
a batch, and goes through an epoch's batches without a step. Of both: seconds, the largest resident memory, and
what they have at the end, their own (anonymous) and of files that they read.
A million skies take 3 GB of cache and 20 minutes to draw.
"""

import argparse
import io
import multiprocessing
import os
import tempfile
import time
import zipfile
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from measuring import report, seconds_of
from PIL import Image

from skysort.core.environment import configure_process
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.schema import Recipe

PICTURES = (1_000, 10_000, 100_000, 1_000_000)
CLASSES = (10, 100, 1_000)
PICTURES_OF_CLASSES = 10_000
SIZES = (32, 64, 128, 224)
PICTURES_OF_SIZES = 2_000
STEPS = 100
CASES = ("pictures", "classes", "sizes")


def main() -> None:
    """Measure case after case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="convnet")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="[all of them]")
    parser.add_argument("--most", type=int, default=100_000, help="pictures at most")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SKYSORT_CACHE"] = temporary
        figures: dict[str, dict[int, dict[str, float]]] = {case: {} for case in asked.only}
        if "pictures" in figures:
            for num in (num for num in PICTURES if num <= asked.most):
                figures["pictures"][num] = measured(f"skies:{num}", 32, asked.recipe)
        if "classes" in figures:
            for num in CLASSES:
                archive = made_archive(Path(temporary) / f"{num}.zip", num)
                figures["classes"][num] = measured(str(archive), 32, asked.recipe)
        if "sizes" in figures:
            for size in SIZES:
                figures["sizes"][size] = measured(f"skies:{PICTURES_OF_SIZES}", size, asked.recipe)
    report(
        "What do more pictures, classes and pixels cost, in time and in memory?",
        {"recipe": asked.recipe, "steps": STEPS, **figures},
        asked.output,
    )


def made_archive(path: Path, num_classes: int) -> Path:
    """Write pictures of noise as PNG files, a folder a class."""
    chance = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(PICTURES_OF_CLASSES):
            content = io.BytesIO()
            Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8)).save(content, "PNG")
            archive.writestr(f"class{number % num_classes:04}/{number:05}.png", content.getvalue())
    return path


def measured(data: str, size: int, recipe: str) -> dict[str, float]:
    """Prepare in one fresh process, start and train in the next."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        first = pool.submit(prepared_first, data, size, recipe).result()
        figures = {**first, **pool.submit(started, data, size, recipe).result()}
    print(data, size, figures, flush=True)
    return figures


def prepared_first(data: str, size: int, recipe: str) -> dict[str, float]:
    """Return how long it takes until training could start, and memory, from an empty cache."""
    seconds = timed_preparation(data, size, recipe)[1]
    return {"first time, s": seconds, **{f"first time, {name}": value for name, value in memory().items()}}


def timed_preparation(data: str, size: int, recipe: str) -> tuple[PreparedData, float]:
    """Return pictures, ready to train on, and the seconds that took."""
    pictures = Recipe.load(recipe, [f"pictures.size={size}", "pictures.protocol='four-way'"]).pictures
    started = time.perf_counter()
    prepared = prepare(Data.find(data), pictures, SilentProgress())
    prepared.described()
    prepared.normalisation("data")
    return prepared, time.perf_counter() - started


def started(data: str, size: int, recipe: str) -> dict[str, float]:
    """Return seconds and memory, once the cache stands."""
    prepared, start = timed_preparation(data, size, recipe)
    # Only now, since the process that starts this one, and the first figures, need none of PyTorch.
    from limit import made_task, run_epochs

    from skysort.training.batches import SplitPictures, shuffled
    from skysort.training.device import computing_threads, resolve_threads
    from skysort.training.loop import EVALUATION_BATCH, evaluate
    from skysort.training.setup import pictures_of

    split = pictures_of(prepared.dataset, prepared.splits["train"])
    few = SplitPictures(min(EVALUATION_BATCH, split.num_pictures), split.pixels, split.labels)
    task = made_task(Recipe.load(recipe), size, len(prepared.dataset.listing.classes))
    some = np.random.default_rng(0).integers(0, split.num_pictures, STEPS * task.batch_size)
    task.train = SplitPictures(len(some), lambda rows: split.pixels(some[rows]), split.labels[some])
    configure_process(training=True)
    with computing_threads(resolve_threads(0)):
        steps = seconds_of(lambda: run_epochs(task, 1))
        answers = seconds_of(lambda: evaluate(task.network, few, task.loss_function, task.device))
    batches = shuffled(split, task.batch_size, 0, 1, 0, task.device)
    epoch = seconds_of(lambda: deque(batches, maxlen=0))
    return {
        "start, s": start,
        "100 steps, s": steps,
        "evaluation of a batch, s": answers,
        "batches of an epoch, s": epoch,
        **memory(),
    }


def memory() -> dict[str, float]:
    """Return this process's resident memory in MiB, as far as the system tells."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found = dict(line.split(":", 1) for line in lines)
    names = {"VmHWM": "largest, MiB", "RssAnon": "own, MiB", "RssFile": "of files, MiB"}
    return {name: int(found[key].split()[0]) / 1024 for key, name in names.items() if key in found}


if __name__ == "__main__":
    main()
