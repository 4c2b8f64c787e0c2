"""One picture after the other through a classifier, with the map of its evidence, for a page."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.evidence import Evidence, overlay, relative_map
from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, SkysortError, suggestion
from skysort.data.decode import Pixels, Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.web.batching import decoded
from skysort.web.bodies import Upload
from skysort.web.bounds import MOST_PIXELS
from skysort.web.live import LiveClassifier
from skysort.web.thumbnails import SIDES, jpeg_of

LEAST_SIDE = 224
"""Side of a map, in pixels. Maps of smaller pictures are enlarged by a whole number."""


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


class Trying:
    """The classifiers of a folder of runs.

    Args:
        runs: the folder.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._live: dict[str, LiveClassifier] = {}
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
            if run in self._live:
                await self._live[run].look()
            else:
                self._live[run] = await asyncio.to_thread(LiveClassifier, self.runs / run)
            return await asyncio.to_thread(_tried, self._live[run].now, uploads)


def _tried(classifier: Classifier, uploads: list[Upload]) -> list[TriedPicture]:
    maps: dict[str, str] = {}

    def draw(prediction: Prediction, pixels: Pixels, evidence: Evidence) -> None:
        label = int(np.argmax([*prediction.probabilities.values()]))
        overlaid = overlay(pixels, relative_map(evidence, label))
        times = -(-LEAST_SIDE // overlaid.shape[1])
        maps[prediction.path] = data_uri(overlaid.repeat(times, axis=1).repeat(times, axis=2))

    pictures = [decoded((str(number), content), classifier.shape) for number, (_, content) in enumerate(uploads)]
    predictions = classifier.answer(pictures, draw if classifier.has_evidence else None)
    return [
        TriedPicture(
            name, prediction.status, prediction.label, prediction.reason,
            sorted(prediction.probabilities.items(), key=lambda share: -share[1]),
            {one.name: one.action(prediction) for one in classifier.table.decisions},
            _picture(content), maps.get(prediction.path),
        )
        for (name, content), prediction in zip(uploads, predictions, strict=True)
    ]  # fmt: skip


def _picture(content: bytes) -> str | None:
    try:
        return data_uri(decode(content, Shape(SIDES["large"], 3, "pad"), MOST_PIXELS))
    except UnreadablePictureError:
        return None


def data_uri(pixels: Pixels) -> str:
    """Return a picture as the text that an image of a page takes as its source."""
    return f"data:image/jpeg;base64,{b64encode(jpeg_of(pixels)).decode()}"
