"""Pictures through a classifier, for a page: with maps of evidence, and the training pictures most like them."""

import asyncio
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.evidence import Evidence, overlay, relative_map
from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, SkysortError, suggestion
from skysort.data.decode import Pixels, Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.web.batching import decoded
from skysort.web.bodies import Upload
from skysort.web.bounds import MOST_PIXELS
from skysort.web.live import LiveClassifier
from skysort.web.open_runs import OpenRun, OpenRuns, TrainingPicture
from skysort.web.thumbnails import SIDES, jpeg_of

LEAST_SIDE = 224
"""Side of a map, in pixels. Maps of smaller pictures are enlarged by a whole number."""


MOST_CLASSIFIERS = 3
"""In memory: a person tries one or two."""
NUM_NEAREST = 5


@dataclass(frozen=True)
class TriedPicture:
    """What a classifier says about one picture."""

    name: str
    status: str
    label: str | None
    reason: str
    shares: list[tuple[str, float]]
    """Probability by class, the largest first."""
    actions: dict[str, str]
    """By decision."""
    picture: str | None
    """As a data URI; None for a picture that cannot be read."""
    evidence: str | None
    """Map of the evidence for the likeliest class, as a data URI; None where the network has none."""
    nearest: list[TrainingPicture]
    """Pictures that it learned from, the most like this one first; empty where the classifier keeps no features of
    them, or they are gone."""


class Trying:
    """The classifiers of a folder of runs.

    Args:
        open_runs: the runs, with the pictures that they learned from.
    """

    def __init__(self, open_runs: OpenRuns) -> None:
        self.runs, self._open_runs = open_runs.folder, open_runs
        self._live: OrderedDict[str, LiveClassifier] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    def names(self) -> list[str]:
        """Return the runs with a classifier, the newest first."""
        try:
            folders = [path for path in self.runs.iterdir() if (path / "classifier" / "classifier.json").is_file()]
        except OSError as error:
            raise SkysortError("system", f"could not read {self.runs}: {error.strerror or error}") from None
        return [path.name for path in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)]

    async def try_out(self, run: str, uploads: list[Upload]) -> list[TriedPicture]:
        """Return what the classifier of a run says about pictures.

        Raises:
            NotUnderstoodError: when no run has this name.
            SkysortError: when its classifier cannot be loaded or run.
        """
        async with self._one_at_a_time:
            if run not in (names := await asyncio.to_thread(self.names)):
                raise NotUnderstoodError(
                    "not-a-run", f"no run '{run}' with a classifier; {suggestion(run, names)}"
                )
            classifier = await self._classifier(run)
            opened = await self._opened(run) if classifier.reference else None
            return await asyncio.to_thread(_tried, classifier, opened, uploads)

    async def _classifier(self, run: str) -> Classifier:
        if run in self._live:
            await self._live[run].look()
        else:
            self._live[run] = await asyncio.to_thread(LiveClassifier, self.runs / run)
        self._live.move_to_end(run)
        if len(self._live) > MOST_CLASSIFIERS:
            self._live.popitem(last=False)
        return self._live[run].now

    async def _opened(self, run: str) -> OpenRun | None:
        """Return a run with its pictures; None where they are gone, or not open yet."""
        try:
            return await self._open_runs.opened(run)
        except SkysortError:
            return None


def _tried(classifier: Classifier, opened: OpenRun | None, uploads: list[Upload]) -> list[TriedPicture]:
    maps: dict[str, str] = {}

    def draw(prediction: Prediction, pixels: Pixels, evidence: Evidence) -> None:
        label = int(np.argmax([*prediction.probabilities.values()]))
        overlaid = overlay(pixels, relative_map(evidence, label))
        times = -(-LEAST_SIDE // overlaid.shape[1])
        maps[prediction.path] = data_uri(overlaid.repeat(times, axis=1).repeat(times, axis=2))

    pictures = [decoded((str(number), content), classifier.shape) for number, (_, content) in enumerate(uploads)]
    predictions = classifier.answer(pictures, draw if classifier.has_evidence else None)
    nearest = _nearest(classifier, opened, pictures)
    return [
        TriedPicture(
            name, prediction.status, prediction.label, prediction.reason,
            sorted(prediction.probabilities.items(), key=lambda share: -share[1]),
            {one.name: one.action(prediction) for one in classifier.table.decisions},
            _picture(content), maps.get(prediction.path), nearest.get(prediction.path, []),
        )
        for (name, content), prediction in zip(uploads, predictions, strict=True)
    ]  # fmt: skip


def _nearest(
    classifier: Classifier, opened: OpenRun | None, pictures: list[Decoded]
) -> dict[str, list[TrainingPicture]]:
    """Return the nearest training pictures of each picture that could be read, by its path."""
    readable = [(path, pixels) for path, pixels in pictures if not isinstance(pixels, str)]
    if not (opened and readable):
        return {}
    rows = classifier.nearest(np.stack([pixels for _, pixels in readable]), NUM_NEAREST)
    return {path: opened.learned(near) for (path, _), near in zip(readable, rows, strict=True)}


def _picture(content: bytes) -> str | None:
    try:
        return data_uri(decode(content, Shape(SIDES["large"], 3, "pad"), MOST_PIXELS))
    except UnreadablePictureError:
        return None


def data_uri(pixels: Pixels) -> str:
    """Return a picture as the text that an image of a page takes as its source."""
    return f"data:image/jpeg;base64,{b64encode(jpeg_of(pixels)).decode()}"
