"""Pictures of several requests through the network together, while the event loop stays free.

Threads decode. One more thread runs the network: while it works, decoded pictures gather for its next call. It
also decodes small files: to wake another thread would take longer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.predictions import Prediction
from skysort.data.decode import Shape, UnreadablePictureError, decode
from skysort.data.parallel import SMALL_FILE_BYTES, num_cores
from skysort.web.bodies import Upload
from skysort.web.bounds import MOST_PIXELS


@dataclass(frozen=True)
class _Request:
    """The pictures of one request, for a classifier, and the future that takes their predictions."""

    classifier: Classifier
    pictures: Sequence[Decoded | Upload]
    answer: asyncio.Future[list[Prediction]]


class Batches:
    """Answers requests in batches. Its `run` must be a task of the event loop that it is used from."""

    def __init__(self) -> None:
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._decoders = ThreadPoolExecutor(num_cores(), "decode")
        self._network = ThreadPoolExecutor(1, "network")
        self.num_calls = 0
        """Calls of the network so far."""

    async def predictions(self, classifier: Classifier, uploads: Sequence[Upload]) -> list[Prediction]:
        """Return one prediction per picture, in order.

        Raises:
            SkysortError: when the network cannot run.
            MemoryError: when there is too little memory.
        """
        loop = asyncio.get_running_loop()
        pictures: Sequence[Decoded | Upload] = uploads
        if any(len(content) >= SMALL_FILE_BYTES for _, content in uploads):
            decoding = (
                loop.run_in_executor(self._decoders, _decoded, upload, classifier.shape) for upload in uploads
            )
            pictures = await asyncio.gather(*decoding)
        answer: asyncio.Future[list[Prediction]] = loop.create_future()
        self._waiting.append(_Request(classifier, pictures, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Answer what waits, batch by batch, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                batch = self._next_batch()
                pictures = [picture for request in batch for picture in request.pictures]
                try:
                    found = await loop.run_in_executor(self._network, _answers, batch[0].classifier, pictures)
                except Exception as error:
                    for request in batch:
                        if not request.answer.done():
                            request.answer.set_exception(error)
                    continue
                self.num_calls += 1
                rest = iter(found)
                for request in batch:
                    own = [next(rest) for _ in request.pictures]
                    if not request.answer.done():
                        request.answer.set_result(own)
        finally:
            self._decoders.shutdown(wait=False)
            self._network.shutdown(wait=False)

    def _next_batch(self) -> list[_Request]:
        """Take the requests that wait for one classifier, oldest first, up to its batch size and at least one."""
        batch = [self._waiting.popleft()]
        classifier = batch[0].classifier
        left = classifier.batch_size - len(batch[0].pictures)
        while self._waiting:
            following = self._waiting[0]
            left -= len(following.pictures)
            if following.classifier is not classifier or left < 0:
                break
            batch.append(self._waiting.popleft())
        if not self._waiting:
            self._wake.clear()
        return batch


def _answers(classifier: Classifier, pictures: Sequence[Decoded | Upload]) -> list[Prediction]:
    return classifier.answer([_decoded(picture, classifier.shape) for picture in pictures])


def _decoded(picture: Decoded | Upload, shape: Shape) -> Decoded:
    """Return a picture, or the reason why there is none."""
    name, content = picture
    if not isinstance(content, bytes):
        return name, content
    try:
        return name, decode(content, shape, most_pixels=MOST_PIXELS)
    except UnreadablePictureError as reason:
        return name, str(reason)
