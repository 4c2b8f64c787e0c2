"""How fast do image files become batches: Skysort's store, or torchvision's ImageFolder and a DataLoader?

    SKYSORT_DATA=… python benchmarks/pictures.py $SKYSORT_DATA/cifar10.zip --pictures 10000

A part of an archive is unpacked into a folder with a folder a class. Of it Skysort fills its store, opens the
store once more, and makes an epoch of shuffled batches. torchvision makes an epoch of shuffled batches, too,
decoding anew each time, with several numbers of workers that are already running; the fastest counts. All in turn,
so that a busy computer is busy for each. Both hand over (N, 3, H, W) float32 from 0 to 1, as ToTensor has it.
"""

import argparse
import os
import tempfile
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import report, seconds_of, summary
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Resize, ToTensor

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.listing import is_image_name
from skysort.training.batches import SplitPictures, shuffled

BATCH = 64
WORKERS = (0, 1, 2, 4)


def main() -> None:
    """Measure all of it, so many times in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a zip file with a folder a class")
    parser.add_argument("--pictures", type=int, default=10_000, help="at most; evenly taken from the archive")
    parser.add_argument("--size", type=int, default=32, help="side in pixels that both bring pictures to")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores: tried on purpose
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        num = unpack(asked.archive, folder, asked.pictures)
        rates = measure(folder, asked.size, asked.repeats, Path(temporary))
    by_workers = [name for name in rates if name.startswith("DataLoader")]
    best = max(by_workers, key=lambda name: summary(rates[name])["median"])
    report(
        "How fast do image files become batches, in pictures a second?",
        {
            "archive": asked.archive.name,
            "pictures": num,
            "size": asked.size,
            "pictures a second": {name: summary(measured) for name, measured in rates.items()},
            "fastest DataLoader": best,
            "batches of the store against it": summary(
                [ours / theirs for ours, theirs in zip(rates["batches of the store"], rates[best], strict=True)]
            ),
        },
        asked.output,
    )


def unpack(archive: Path, folder: Path, at_most: int) -> int:
    """Unpack evenly chosen pictures as <class>/<number>; return how many."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if is_image_name(name))
        chosen = np.linspace(0, len(names) - 1, min(at_most, len(names))).astype(int)
        for number in chosen:
            path = Path(names[number])
            to = folder / path.parent.name / f"{number}{path.suffix}"
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(opened.read(names[number]))
    return len(chosen)


def measure(folder: Path, size: int, repeats: int, temporary: Path) -> dict[str, list[float]]:
    """Return pictures a second, by what was done."""
    images = ImageFolder(str(folder), Compose([Resize((size, size)), ToTensor()]))
    loaders = [
        DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        for workers in WORKERS
    ]
    for loader in loaders:
        pass_through(loader)  # starts the workers
    seconds = defaultdict(list)
    for repeat in range(repeats):
        os.environ["SKYSORT_CACHE"] = str(temporary / f"cache{repeat}")
        open_store = partial(open_dataset, Data.find(str(folder)), Shape(size, 3), SilentProgress())
        seconds["filling the store"].append(seconds_of(open_store))
        seconds["opening the store"].append(seconds_of(open_store))
        batches = batches_of(open_store(), repeat)
        seconds["batches of the store"].append(seconds_of(partial(pass_through, batches)))
        for loader in loaders:
            name = f"DataLoader, workers: {loader.num_workers}"
            seconds[name].append(seconds_of(partial(pass_through, loader)))
    return {name: [len(images) / took for took in taken] for name, taken in seconds.items()}


def batches_of(dataset: Dataset, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's batches as training has them, and as floats."""
    split = SplitPictures(len(dataset.listing), dataset.pixels, dataset.listing.labels)
    for pictures, labels, _rows in shuffled(split, BATCH, 0, epoch, 0, torch.device("cpu")):
        yield pictures.float() / 255, labels


def pass_through(batches: Iterable[object]) -> None:
    """Go through batches, keeping none."""
    for _ in batches:
        pass


if __name__ == "__main__":
    main()
