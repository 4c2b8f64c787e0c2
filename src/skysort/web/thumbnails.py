"""Pictures for pages: under opaque names, decoded and encoded again, never the original bytes."""

import hashlib
import io
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Literal

from PIL import Image

from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels, Shape, decode, from_pixels
from skysort.data.formats.opening import UnreadablePictureError
from skysort.web.bounds import MOST_PIXELS

Size = Literal["small", "large"]
SIDES: dict[Size, int] = {"small": 176, "large": 720}
"""Side in pixels: of a picture among others, and of one alone."""
MOST_BYTES_KEPT = 2**25
"""Encoded pictures in memory: some hundred large ones, or thousands of small ones."""
QUALITY = 85

Content = Callable[[], bytes | Pixels]
"""Reads the bytes of an image file, or (H, W) or (H, W, 3) uint8 pixels; raises UnreadablePictureError."""


class Thumbnails:
    """Gives pictures names that say nothing, and shows them. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[Hashable, str] = {}
        self._contents: dict[str, Content] = {}
        self._encoded: OrderedDict[tuple[str, Size], bytes] = OrderedDict()
        self._num_bytes = 0

    def name(self, path: Path, digest: str, number: int) -> str:
        """Return the name of a file's picture: the same for the same arrival, as long as this process runs.

        Args:
            path: of the file.
            digest: SHA-256 of its bytes. Other bytes at the path are another picture, and are not shown.
            number: of the row in which it arrived. One file may arrive again, under another decision.
        """
        return self.named((path, digest, number), partial(_unchanged, path, digest))

    def named(self, key: Hashable, content: Content) -> str:
        """Return the name of a picture: the same one for equal keys, as long as this process runs."""
        with self._lock:
            name = self._names.setdefault(key, secrets.token_urlsafe(12))
            self._contents[name] = content
        return name

    def jpeg(self, name: str, size: Size) -> bytes | None:
        """Return a picture as a JPEG; None if there is no such name, or no such picture any more."""
        with self._lock:
            if name not in self._contents:
                return None
            content = self._contents[name]
            if (encoded := self._encoded.get((name, size))) is not None:
                self._encoded.move_to_end((name, size))
                return encoded
        shape = Shape(SIDES[size], 3, "pad")
        try:
            read = content()
            pixels = decode(read, shape, MOST_PIXELS) if isinstance(read, bytes) else from_pixels(read, shape)
        except (OSError, SkysortError, UnreadablePictureError):
            return None
        encoded = jpeg_of(pixels)
        self._keep((name, size), encoded)
        return encoded

    def _keep(self, key: tuple[str, Size], encoded: bytes) -> None:
        with self._lock:
            self._num_bytes += len(encoded) - len(self._encoded.pop(key, b""))
            self._encoded[key] = encoded
            while self._num_bytes > MOST_BYTES_KEPT:
                _, oldest = self._encoded.popitem(last=False)
                self._num_bytes -= len(oldest)


def _unchanged(path: Path, digest: str) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise UnreadablePictureError("it has changed")
    return content


def jpeg_of(pixels: Pixels) -> bytes:
    """Return (3, H, W) or (1, H, W) uint8 pixels as a JPEG."""
    file = io.BytesIO()
    grey_or_rgb = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(grey_or_rgb).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
