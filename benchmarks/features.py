"""How many photographs per second get their features, against plain ONNX Runtime on arrays that are ready?

    python benchmarks/features.py birds20.zip

Three ways in turn, several rounds: ONNX Runtime alone on pictures that are in memory; the same pictures from the
store into the cache of features, by `compute_features`; and from the archive, which also decodes them and looks
for near-duplicates. All take batches of the same size, and the views of a picture that the recipe `photos` takes.
The first round warms up and does not count. Ratios are those of one round, so that other programs on the computer
matter less. What a picture costs one core, by step, bounds the ratio where all cores are busy.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report, seconds_of, summary
from threadpoolctl import threadpool_limits

from skysort.classifier.runtime import FEATURES, onnx_runtime
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Pixels, Shape, decode
from skysort.data.quality.near_duplicates import first_near
from skysort.recipe.load import RECIPE_FOR_PHOTOGRAPHS
from skysort.recipe.schema import Recipe
from skysort.transfer.backbones import CHOSEN_FIRST, Backbone, find_backbone
from skysort.transfer.features import BATCH, compute_features
from skysort.transfer.network import backbone_model

FLIP = Recipe.load(RECIPE_FOR_PHOTOGRAPHS).transfer.flip
MOST_TIMED = 256
"""Pictures for what a picture costs one core."""


def main() -> None:
    """Time the three ways in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="as in skysort train")
    parser.add_argument("--backbone", default=CHOSEN_FIRST)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SKYSORT_CACHE"] = cache
        backbone = find_backbone(asked.backbone)
        rounds = [one_round(asked.data, backbone, Path(cache)) for _ in range(asked.repeats + 1)][1:]
        costs = costs_of_one_core(asked.data, backbone)
    plain, from_store, from_archive = (np.array(way) for way in zip(*rounds, strict=True))
    figures = {
        "backbone": backbone.name,
        "views": 2 if FLIP else 1,
        "pictures per second": {
            "plain ONNX Runtime": summary(plain.tolist()),
            "from the store": summary(from_store.tolist()),
            "from the archive": summary(from_archive.tolist()),
        },
        "ratio to plain ONNX Runtime": {
            "from the store": summary((from_store / plain).tolist()),
            "from the archive": summary((from_archive / plain).tolist()),
        },
        "milliseconds of one core per picture": costs,
    }
    question = "How many photographs per second get their features, against plain ONNX Runtime on ready arrays?"
    report(question, figures, asked.output)


def one_round(data: str, backbone: Backbone, cache: Path) -> tuple[float, float, float]:
    """Return pictures per second of plain ONNX Runtime, from the store, and from the archive."""

    def from_archive() -> Dataset:
        dataset = open_dataset(Data.find(data), Shape(backbone.size, 3), SilentProgress())
        compute_features(dataset, backbone, SilentProgress(), flip=FLIP)
        return dataset

    model = onnx_runtime().InferenceSession(str(backbone_model(backbone)), providers=["CPUExecutionProvider"])
    for folder in ("stores", "features"):
        shutil.rmtree(cache / folder, ignore_errors=True)
    whole = seconds_of(from_archive)
    dataset = open_dataset(Data.find(data), Shape(backbone.size, 3), SilentProgress())
    shutil.rmtree(cache / "features")
    stored = seconds_of(lambda: compute_features(dataset, backbone, SilentProgress(), flip=FLIP))
    rows = np.flatnonzero(dataset.positions >= 0)
    pictures = dataset.pixels(rows)
    views = [pictures, np.ascontiguousarray(pictures[..., ::-1])] if FLIP else [pictures]
    plain = seconds_of(lambda: run_alone(model, views))
    return len(rows) / plain, len(rows) / stored, len(rows) / whole


def run_alone(model: Any, views: list[Pixels]) -> None:
    """Compute the features of all views by an inference session of ONNX Runtime, and nothing else."""
    name = model.get_inputs()[0].name
    for start in range(0, len(views[0]), BATCH):
        for view in views:
            model.run([FEATURES], {name: view[start : start + BATCH]})


def costs_of_one_core(data: str, backbone: Backbone) -> dict[str, float]:
    """Return the milliseconds of processor time per picture by step, each on one thread."""
    shape = Shape(backbone.size, 3)
    source = Data.find(data).open_source(shape, SilentProgress())
    options = onnx_runtime().SessionOptions()
    options.intra_op_num_threads = 1
    model = onnx_runtime().InferenceSession(
        str(backbone_model(backbone)), options, providers=["CPUExecutionProvider"]
    )
    with source.opened() as (listing, read), threadpool_limits(1):
        rows = np.linspace(0, len(listing) - 1, min(MOST_TIMED, len(listing))).astype(int).tolist()
        pictures = np.stack([decode(read(row), shape) for row in rows])

        def milliseconds(work: Callable[[], object]) -> float:
            started = time.process_time()
            work()
            return 1000 * (time.process_time() - started) / len(rows)

        return {
            "reading and decoding": milliseconds(lambda: [decode(read(row), shape) for row in rows]),
            "near-duplicates": milliseconds(lambda: first_near(pictures, np.arange(len(rows)), SilentProgress())),
            "one view in ONNX Runtime": milliseconds(lambda: run_alone(model, [pictures])),
        }


if __name__ == "__main__":
    main()
