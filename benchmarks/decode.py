"""How fast pictures become pixels: the first time from image files, the second from the cache.

    python benchmarks/decode.py cifar10 --repeats 5

Prints pictures, seconds with their spread, pictures a second, and the memory that one pass took.
"""

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time

import PIL

from skysort.pictures.collection import Data, open_collection
from skysort.progress import Progress


def main() -> None:
    """Decode anew so many times, opening the store once more after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a name, or a folder, archive or .csv file")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    found = Data.find(asked.data)
    shape = found.shape(None, None, "stretch")
    first, second = [], []
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["SKYSORT_CACHE"] = cache
            for seconds in (first, second):
                started = time.perf_counter()
                collection = open_collection(found, shape, None, Progress())
                seconds.append(time.perf_counter() - started)
    num = len(collection.store.listing)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = f"Python {platform.python_version()}, Pillow {PIL.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {versions}")
    for name, seconds in (("first time", first), ("second time", second)):
        middle = statistics.median(seconds)
        spread = f"median of {len(seconds)}, {min(seconds):.3f} to {max(seconds):.3f}"
        print(f"{name}: {num:,} pictures in {middle:.3f} s ({spread}), {num / middle:,.0f} pictures/s")
    print(f"largest resident memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
