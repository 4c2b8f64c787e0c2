"""A camera near an airport, for the tutorial: it takes pictures of birds and airplanes, all of them drawn.

python examples/camera.py pictures 800             # with labels: pictures/bird, pictures/airplane
python examples/camera.py inbox 40 --unlabelled    # new ones, as a camera uploads them
"""

import argparse
from pathlib import Path

from PIL import Image

from skysort.data.builtin import skies

SIDE = 64
"""Of each picture, in pixels."""
FIRST_UNLABELLED = 1_000_000
"""Labelled pictures have smaller numbers, so no unlabelled picture is among them."""


def main() -> None:
    """Draw the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description="Take pictures of birds and airplanes.")
    parser.add_argument("folder", type=Path, help="folder to write to")
    parser.add_argument("number", type=int, help="number of pictures")
    parser.add_argument("--unlabelled", action="store_true", help="use no subfolders, and take new pictures")
    given = parser.parse_args()
    first = FIRST_UNLABELLED if given.unlabelled else 0
    for number in range(first, first + given.number):
        folder = given.folder if given.unlabelled else given.folder / skies.CLASSES[number % len(skies.CLASSES)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(skies.draw(number, SIDE)).save(folder / f"IMG_{number % FIRST_UNLABELLED:04}.jpg")


if __name__ == "__main__":
    main()
