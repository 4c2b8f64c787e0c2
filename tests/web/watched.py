"""Pictures that a watcher has sorted and drawn for an audit, without a trained classifier."""

from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from skysort.classifier.classifier import Classifier
from skysort.work.coins import AuditRates
from skysort.work.watch import Stop, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.work.making import FirstPixel
from tests.work.test_coins import RULE


def watched(
    top: Path,
    num: int,
    rates: AuditRates | None = None,
    unsure_below: float | None = None,
    prefix: str = "",
    size: tuple[int, int] | None = None,
) -> Path:
    """Let pictures arrive, half of them dark, and return the watcher's folder for those set aside.

    Args:
        top: folder for the inbox and the others.
        num: of pictures. Their names tell their order, and whether they are dark.
        rates: of the audit; all are drawn if not given.
        unsure_below: the bound on confidence; the classifier has 0.9 for every picture.
        prefix: of the names.
        size: width and height; they are then JPEGs.
    """
    (top / "inbox").mkdir(parents=True)
    for number in range(num):
        value = (60, 200)[number % 2]
        pixels = np.random.default_rng(number).integers(0, 40, (48, 64, 3), dtype=np.uint8) + np.uint8(value)
        pixels[:8, :8] = value
        name = ("dark", "light")[number % 2]
        image = Image.fromarray(pixels).resize(size or (64, 48))
        image.save(top / "inbox" / f"{prefix}{number:03d}-{name}.{'jpg' if size else 'png'}")
    options = WatchOptions(
        top / "inbox", top / "aside", once=True, settle=0.0, stuck=0.0, audit=rates or AuditRates(1.0, 1.0),
        unsure_below=unsure_below,
    )  # fmt: skip
    watch_inbox(cast(Classifier, FirstPixel()), RULE, options, Stop())
    return top / "aside"
