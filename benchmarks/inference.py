"""How long does an answer take: from process start, in a running process, and for a folder of pictures?

    python benchmarks/inference.py runs/convnet --repeats 15

The folder is of 2,000 skies, as JPEG files of the size that the network takes, or the one given. Beside it stand
its decoding alone, and the network alone on its pictures: what the two take together and the folder does not, they
did at the same time.
Rounds are interleaved, each in an order of its own, since threads of one library may still wait in a loop for more
to do when the next is at work. Beside Skysort, the network alone runs in plain ONNX Runtime and in plain PyTorch.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from measuring import report, seconds_of, summary, write_pictures
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

import skysort
from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.runtime import onnx_runtime
from skysort.data.sources.base import SkippedFiles, image_files
from skysort.networks.families import initial_network
from skysort.networks.inference import InferenceNetwork
from skysort.recipe.sections import Normalisation
from skysort.runs.folder import Run

SKIES = "skies:2000"
BATCHES = (32, 341, 1364)
"""Pictures in a batch, for the network alone."""


def main() -> None:
    """Measure all in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path, nargs="?", help="a folder of image files  [one is made]")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measured(asked.run, asked.pictures, asked.repeats, Path(temporary))
    report("how long does an answer take?", figures, asked.output)


def measured(run: Path, pictures: Path | None, repeats: int, temporary: Path) -> dict[str, object]:
    """Measure all in turn, so many times."""
    classifier = skysort.load(run)
    folder = pictures or write_pictures(SKIES, classifier.shape, temporary / "skies", ".jpg")
    pixels = np.stack([picture for _, picture in decoded(classifier, folder) if not isinstance(picture, str)])
    (first,) = islice(classifier.stream(folder), 1)
    small = temporary / "small.jpg"
    Image.open(first.path).convert("RGB").resize((32, 32)).save(small)
    command = [sys.executable, "-m", "skysort", "predict", str(run), str(small)]
    works: dict[str, Callable[[], object]] = {
        "process start to answer": lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
        "load": lambda: skysort.load(run),
        "one picture from its file": lambda: classifier.predict(first.path),
        "one picture from a JPEG of 32x32": lambda: classifier.predict(small),
        "folder": lambda: classifier.predict(folder),
        "folder, decoding alone": lambda: decoded(classifier, folder),
        "folder, network alone": lambda: classifier.logits(pixels),
        **network_alone(classifier, Run(run)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    chance = random.Random(0)
    for repeat in range(repeats + 1):
        for name in chance.sample(list(works), len(works)):
            took = seconds_of(works[name])
            if repeat:  # the first warms up
                seconds[name].append(took)
    return {
        "run": run.name,
        "pictures in the folder": len(pixels),
        "pictures a second from the folder": summary([len(pixels) / took for took in seconds["folder"]]),
        "seconds": {name: summary(values) for name, values in seconds.items()},
    }


def decoded(classifier: Classifier, folder: Path) -> list[Decoded]:
    """Return a folder's pictures, decoded as `predict` does."""
    with ExitStack() as archives:
        return list(classifier._decoded(image_files([folder], archives, SkippedFiles())))


def network_alone(classifier: Classifier, run: Run) -> dict[str, Callable[[], object]]:
    """Return what runs the network on pixels: one picture and batches, in Skysort, ONNX Runtime and PyTorch."""
    model = classifier.folder / "model.onnx"
    session = onnx_runtime().InferenceSession(model, providers=["CPUExecutionProvider"])
    channels, size = classifier.shape.channels, classifier.shape.size
    plain = Normalisation(mean=(0.0,) * channels, std=(1.0,) * channels)  # the weights bring the run's own
    network = initial_network(run.recipe, classifier.shape, len(classifier.classes), plain)
    network.load_state_dict(load_file(classifier.folder / "model.safetensors"))
    table = classifier.table
    in_use = InferenceNetwork(network.eval(), flip=table.test_time_flip, temperature=table.temperature)
    works: dict[str, Callable[[], object]] = {}
    for num in (1, *BATCHES):
        pixels = np.random.default_rng(0).integers(0, 256, (num, channels, size, size), dtype=np.uint8)

        def in_pytorch(pixels: NDArray[np.uint8] = pixels) -> torch.Tensor:
            with torch.no_grad():
                logits: torch.Tensor = in_use(torch.from_numpy(pixels))
                return logits

        works[f"{num} from pixels, Skysort"] = partial(classifier.logits, pixels)
        works[f"{num} from pixels, ONNX Runtime"] = partial(session.run, None, {"pictures": pixels})
        works[f"{num} from pixels, PyTorch"] = in_pytorch
    return works


if __name__ == "__main__":
    main()
