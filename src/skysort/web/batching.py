"""Pictures of several requests through the network together, while the event loop stays free.

Threads decode. One more thread runs the network: while it works, decoded pictures gather for its next call. It
also decodes small files of few pixels: to wake another thread would take longer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.predictions import Prediction
from skysort.data.decode import Pixels, Shape, TooManyPixelsError, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.parallel import SMALL_FILE_BYTES, num_cores
from skysort.web.bodies import Upload
from skysort.web.bounds import MOST_PIXELS

MOST_AT_A_TIME = num_cores()
"""Pictures of one request that are decoded at a time."""
FEW_PIXELS = 2**16
"""A small file with more is left to the threads: 4 kB may hold 30 megapixels."""


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
        self._decoders = ThreadPoolExecutor(MOST_AT_A_TIME + 1, "decode")  # one is left for other requests
        self._network = ThreadPoolExecutor(1, "network")
        self.num_calls = 0
        """Calls of the network so far."""

    async def predictions(self, classifier: Classifier, uploads: Sequence[Upload]) -> list[Prediction]:
        """Return one prediction per picture, in order.

        An error while decoding is of this request alone. One of the network is of all requests in its call.

        Raises:
            SkysortError: when the network cannot run.
            MemoryError: when there is too little memory.
        """
        if all(len(content) < SMALL_FILE_BYTES for _, content in uploads):
            with suppress(TooManyPixelsError):
                return await self._answer(classifier, uploads)
        return await self._answer(classifier, await self._decode(uploads, classifier.shape))

    async def _answer(self, classifier: Classifier, pictures: Sequence[Decoded | Upload]) -> list[Prediction]:
        answer: asyncio.Future[list[Prediction]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(classifier, pictures, answer))
        self._wake.set()
        return await answer

    async def _decode(self, uploads: Sequence[Upload], shape: Shape) -> list[Decoded]:
        """Decode the pictures of a request."""
        loop, places = asyncio.get_running_loop(), asyncio.Semaphore(MOST_AT_A_TIME)

        async def one(upload: Upload) -> Decoded:
            async with places:
                return await loop.run_in_executor(self._decoders, decoded, upload, shape)

        # All have ended before an error is raised: until then, the request keeps its place in the room.
        results = await asyncio.gather(*map(one, uploads), return_exceptions=True)
        pictures = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            pictures.append(result)
        return pictures

    async def run(self) -> None:
        """Answer the requests that wait, batch by batch, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                batch = self._next_batch()
                results: Sequence[list[Prediction] | Exception]
                try:
                    results = await loop.run_in_executor(self._network, _answers, batch)
                    self.num_calls += 1
                except Exception as error:
                    results = [error] * len(batch)
                for request, result in zip(batch, results, strict=True):
                    if request.answer.done():
                        continue
                    if isinstance(result, Exception):
                        request.answer.set_exception(result)
                    else:
                        request.answer.set_result(result)
        finally:
            self._decoders.shutdown(wait=False)
            self._network.shutdown(wait=False)

    def _next_batch(self) -> list[_Request]:
        """Take the requests that wait for one classifier, oldest first, up to its batch size and at least one."""
        batch = [self._waiting.popleft()]
        classifier = batch[0].classifier
        room = classifier.batch_size - len(batch[0].pictures)
        while self._waiting:
            following = self._waiting[0]
            room -= len(following.pictures)
            if following.classifier is not classifier or room < 0:
                break
            batch.append(self._waiting.popleft())
        if not self._waiting:
            self._wake.clear()
        return batch


def _answers(batch: Sequence[_Request]) -> list[list[Prediction] | Exception]:
    """Return the predictions for each request of one classifier, or the error while its pictures were decoded."""
    results = [_all_decoded(request) for request in batch]
    pictures = [picture for result in results if not isinstance(result, Exception) for picture in result]
    rest = iter(batch[0].classifier.answer(pictures))
    return [result if isinstance(result, Exception) else [next(rest) for _ in result] for result in results]


def _all_decoded(request: _Request) -> list[Decoded] | Exception:
    pictures: list[Decoded] = []
    try:
        for name, content in request.pictures:
            if isinstance(content, bytes):
                pictures.append((name, _pixels(content, request.classifier.shape, FEW_PIXELS)))
            else:
                pictures.append((name, content))
    except Exception as error:
        return error
    return pictures


def decoded(upload: Upload, shape: Shape) -> Decoded:
    """Return a picture, or the reason why there is none."""
    name, content = upload
    try:
        return name, _pixels(content, shape, MOST_PIXELS)
    except TooManyPixelsError as reason:
        return name, str(reason)


def _pixels(content: bytes, shape: Shape, most_pixels: int) -> Pixels | str:
    try:
        return decode(content, shape, most_pixels=most_pixels)
    except TooManyPixelsError:
        raise
    except UnreadablePictureError as reason:
        return str(reason)
