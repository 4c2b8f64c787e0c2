"""After how many pictures does `skysort drift` say look, and how often does it for no reason?

    skysort train birds-vs-airplanes --recipe swift --budget 2m --run runs/swift
    python benchmarks/drift.py runs/swift $SKYSORT_DATA/cifar10.zip $SKYSORT_DATA/birds20.zip

Each stream draws test pictures of birds and airplanes at random, without putting them back: 500 for the reference,
and 500 more. Then come pictures drawn from the others: darkened, blurred, or of the other eight classes. False
alarms are counted in streams of test pictures alone, drawn with putting back, so that they can be long; and in
streams in which each picture comes five times, as in bursts. Faults of the camera are judged on photographs, too.
"""

import argparse
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from measuring import report
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import skysort
from skysort.classifier.classifier import Classifier
from skysort.data.capture import capture_of
from skysort.data.decode import Pixels, Shape, decode
from skysort.trust.camera_faults import FEWEST, QUANTILE, WINDOW, light_faults
from skysort.trust.drift import drift
from skysort.trust.intervals import wilson

REFERENCE = 500
GOOD = 500
CLASSES = ("airplane", "bird")
Floats = NDArray[np.float64]
Change = Callable[[Pixels], Pixels]


def darker(factor: float) -> Change:
    return lambda pixels: (pixels * factor).astype(np.uint8)


def blurred(radius: float) -> Change:
    def blur(pixels: Pixels) -> Pixels:
        image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        return np.asarray(image.filter(ImageFilter.GaussianBlur(radius))).transpose(2, 0, 1)

    return blur


def same(pixels: Pixels) -> Pixels:
    return pixels


def contents(archive: Path, classes: Iterable[str] | None, most: int) -> list[bytes]:
    """Return image files of an archive: test pictures of some classes, or all."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.endswith(".jpg")]
        if classes is not None:
            names = [name for of in classes for name in names if name.startswith(f"test/{of}/")]
        step = max(1, len(names) // most)
        return [opened.read(name) for name in names[::step][:most]]


def scores_of(classifier: Classifier, files: Sequence[bytes], change: Change) -> Floats:
    """Return (4, N): confidence, similarity (NaN if there is none), brightness and sharpness.

    A change is made to the picture at the size that it has in its file.
    """
    rows = []
    for content in files:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        changed = change(np.asarray(image).transpose(2, 0, 1))
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(changed.transpose(1, 2, 0))).save(file, "PNG")
        pixels = decode(file.getvalue(), classifier.shape)
        prediction = classifier.answer([("", pixels)])[0]
        capture = capture_of(pixels, b"")
        similarity = np.nan if prediction.similarity is None else prediction.similarity
        rows.append((max(prediction.probabilities.values()), similarity, capture.brightness, capture.sharpness))
    return np.array(rows, float).T


def captures_of(files: Sequence[bytes], shape: Shape, change: Change) -> Floats:
    """Return (2, N): brightness and sharpness."""
    rows = [capture_of(change(decode(content, shape)), b"")[:2] for content in files]
    return np.array(rows, float).T


def drift_after(reference: Floats, arrivals: Floats, seed: int) -> int | None:
    """Return the number of the arrival at which drift says look."""
    num = 1 if np.isnan(reference[1]).any() else 2
    return drift(list(reference[:num]), list(arrivals[:num]), seed=seed).alarm_at


def fault_after(reference: Floats, arrivals: Floats, name: str) -> int | None:
    """Return the number of the arrival with which a fault is found. Rows are brightness and sharpness."""
    both, num_reference = np.concatenate([reference, arrivals], axis=1), reference.shape[1]
    if name not in [fault.name for fault in light_faults(both[0], both[1], num_reference)]:
        return None
    values = both[int(name == "blurred")]
    is_sign = values < np.quantile(values[:num_reference], QUANTILE)
    is_sign[:num_reference] = False
    counts = np.convolve(is_sign, np.ones(WINDOW))[: len(is_sign)]
    return int(np.flatnonzero(counts >= FEWEST)[0]) - num_reference


def summary(delays: Sequence[int | None], good: int) -> dict[str, object]:
    """Return delays after a change that comes after `good` pictures; earlier alarms are false ones."""
    late = [delay - good + 1 for delay in delays if delay is not None and delay >= good]
    early = sum(delay is not None and delay < good for delay in delays)
    figures: dict[str, object] = {"streams": len(delays), "before the change": early, "noticed": len(late)}
    if late:
        low, median, high = np.quantile(late, [0.05, 0.5, 0.95]).astype(int).tolist()
        figures |= {"pictures": median, "5 to 95 %": [low, high]}
    return figures


def delays(by_kind: dict[str, Floats], num_streams: int, num_changed: int, rng: np.random.Generator) -> object:
    """Return how soon drift and faults notice each change."""
    plain = by_kind["plain"]
    figures = {}
    for kind, changed in by_kind.items():
        if kind == "plain":
            continue
        found: dict[str, list[int | None]] = {"drift": [], "dark": [], "blurred": []}
        for seed in range(num_streams):
            order = rng.permutation(plain.shape[1])
            if not kind.startswith("the other"):  # the same pictures, changed: take none twice
                after = changed[:, order[REFERENCE + GOOD :][:num_changed]]
            else:
                after = changed[:, rng.permutation(changed.shape[1])[:num_changed]]
            reference = plain[:, order[:REFERENCE]]
            arrivals = np.concatenate([plain[:, order[REFERENCE : REFERENCE + GOOD]], after], axis=1)
            found["drift"].append(drift_after(reference, arrivals, seed))
            for name in ("dark", "blurred"):
                found[name].append(fault_after(reference[2:], arrivals[2:], name))
        figures[kind] = {name: summary(numbers, GOOD) for name, numbers in found.items()}
    return figures


def false_alarms(
    plain: Floats, num_streams: int, num: int, burst: int, rng: np.random.Generator
) -> dict[str, object]:
    """Return in how many streams without a change drift, or a fault, is found."""
    counts = {"drift": 0, "dark": 0, "blurred": 0}
    for seed in range(num_streams):
        rows = np.repeat(rng.integers(0, plain.shape[1], (REFERENCE + num) // burst + 1), burst)
        stream = plain[:, rows[: REFERENCE + num]]
        reference, arrivals = stream[:, :REFERENCE], stream[:, REFERENCE:]
        counts["drift"] += drift_after(reference, arrivals, seed) is not None
        for name in ("dark", "blurred"):
            counts[name] += fault_after(reference[2:], arrivals[2:], name) is not None
    return {
        name: {"alarms": n, "of": num_streams, "interval95": wilson(n, num_streams)} for name, n in counts.items()
    }


def photographs(files: Sequence[bytes], num_streams: int, rng: np.random.Generator) -> dict[str, object]:
    """Return how soon faults are found on photographs at 224 x 224: 500 for the reference, 500 good ones."""
    shape = Shape(224, 3, "crop")
    plain = captures_of(files, shape, same)
    figures: dict[str, object] = {}
    for name, kind, change in (
        *(("dark", f"darkened to {factor:.0%}", darker(factor)) for factor in (0.5, 0.3, 0.2)),
        *(("blurred", f"blurred by {radius} pixels", blurred(radius)) for radius in (0.5, 1, 2)),
    ):
        changed = captures_of(files, shape, change)
        found: list[int | None] = []
        for _ in range(num_streams):
            order = rng.permutation(plain.shape[1])
            good = plain[:, order[REFERENCE : REFERENCE + GOOD]]
            arrivals = np.concatenate([good, changed[:, order[REFERENCE + GOOD :]]], axis=1)
            found.append(fault_after(plain[:, order[:REFERENCE]], arrivals, name))
        figures[kind] = summary(found, GOOD)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", type=Path, help="of birds and airplanes")
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("birds20", type=Path)
    parser.add_argument("--pictures", type=int, default=2000, help="of the test pictures, at most")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--length", type=int, default=2000, help="arrivals per stream without a change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    classifier, rng = skysort.load(asked.classifier), np.random.default_rng(asked.seed)
    files = contents(asked.cifar10, CLASSES, asked.pictures)
    others = ["automobile", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    by_kind = {
        "plain": scores_of(classifier, files, same),
        "darkened to 30 %": scores_of(classifier, files, darker(0.3)),
        "blurred by 1 pixel": scores_of(classifier, files, blurred(1)),
        "the other eight classes": scores_of(classifier, contents(asked.cifar10, others, asked.pictures), same),
    }
    figures = {
        "pictures": len(files),
        "size": classifier.shape.size,
        "has similarity": classifier.reference is not None,
        "after a change": delays(by_kind, asked.streams, len(files) - REFERENCE - GOOD, rng),
        "without a change": false_alarms(by_kind["plain"], asked.streams, asked.length, 1, rng),
        "without a change, each picture five times": false_alarms(
            by_kind["plain"], asked.streams, asked.length, 5, rng
        ),
        "photographs": photographs(contents(asked.birds20, None, 10**6), asked.streams, rng),
    }
    report(__doc__ or "", figures | {"seed": asked.seed}, asked.output)


if __name__ == "__main__":
    main()
