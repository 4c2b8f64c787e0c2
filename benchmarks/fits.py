"""How long does a head take to fit, against scikit-learn's logistic regression?

    python benchmarks/fits.py birds20.zip

Both get the same features, standardised and rotated to as few as there are pictures, and fit all strengths of the
penalty in turn, each from the one before, in one thread. Processes of their own load scikit-learn.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from measuring import report, seconds_of, summary
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.transfer.backbones import CHOSEN_FIRST, find_backbone
from skysort.transfer.features import compute_features
from skysort.transfer.head import STRENGTHS
from skysort.transfer.logistic import Floats, Integers, fit_path

LOADING = (
    "import scipy.optimize, time; t = time.perf_counter(); import sklearn.linear_model, sklearn.model_selection"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="as in skysort train")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    backbone = find_backbone(CHOSEN_FIRST)
    dataset = open_dataset(Data.find(asked.data), Shape(backbone.size, 3), SilentProgress())
    features = compute_features(dataset, backbone, SilentProgress(), flip=False)
    rows = np.flatnonzero(features.positions >= 0)
    pictures, labels = features.of(rows), dataset.listing.labels[rows]
    num_classes = len(dataset.listing.classes)
    variance = pictures.var(axis=0)
    scaled = (pictures - pictures.mean(axis=0)) / np.sqrt(variance + 0.1 * variance.mean())
    with threadpool_limits(1):
        seconds = [
            (
                seconds_of(lambda: fit_path(pictures, labels, num_classes, "none", STRENGTHS)),
                seconds_of(lambda: fit_by_scikit_learn(scaled, labels)),
            )
            for _ in range(asked.repeats)
        ]
    own, other = (np.array(way) for way in zip(*seconds, strict=True))
    figures = {
        "pictures": len(rows),
        "seconds": {"own": summary(own.tolist()), "scikit-learn": summary(other.tolist())},
        "ratio": summary((own / other).tolist()),
        "seconds to load scikit-learn": summary([seconds_to_load() for _ in range(asked.repeats)]),
    }
    report("How long does a head take to fit, against scikit-learn's logistic regression?", figures, asked.output)


def fit_by_scikit_learn(scaled: Floats, labels: Integers) -> None:
    if len(scaled) < scaled.shape[1]:
        scaled = np.linalg.qr(scaled.T)[1].T
    model = LogisticRegression(max_iter=300, tol=1e-5, warm_start=True)
    for strength in STRENGTHS:
        model.C = 1 / strength
        model.fit(scaled, labels)


def seconds_to_load() -> float:
    program = f"{LOADING}; print(time.perf_counter() - started)"
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


if __name__ == "__main__":
    main()
