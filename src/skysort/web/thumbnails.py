"""Pictures for pages: under opaque names, decoded and encoded again, never the original bytes."""

import hashlib
import io
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from PIL import Image

from skysort.data.decode import Pixels, Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.web.bounds import MOST_PIXELS

Size = Literal["small", "large"]
SIDES: dict[Size, int] = {"small": 176, "large": 720}
"""Side in pixels: of a picture among others, and of one alone."""
MOST_KEPT = 512
"""Encoded pictures in memory: 15 MB, where each has some 30 kB."""
QUALITY = 85


class Thumbnails:
    """Gives pictures names that say nothing, and shows them. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[Path, str, int], str] = {}
        self._files: dict[str, tuple[Path, str]] = {}
        self._encoded: OrderedDict[tuple[str, Size], bytes] = OrderedDict()

    def name(self, path: Path, digest: str, number: int) -> str:
        """Return the name of a picture: the same one for the same arrival, as long as this process runs.

        Args:
            path: of the file.
            digest: SHA-256 of its bytes. Other bytes at the path are another picture, and are not shown.
            number: of the row in which it arrived. One file may arrive again, under another decision.
        """
        with self._lock:
            name = self._names.setdefault((path, digest, number), secrets.token_urlsafe(12))
            self._files[name] = (path, digest)
        return name

    def jpeg(self, name: str, size: Size) -> bytes | None:
        """Return a picture as a JPEG; None if there is no such name, or no such picture any more."""
        with self._lock:
            if name not in self._files:
                return None
            path, digest = self._files[name]
            if (encoded := self._encoded.get((name, size))) is not None:
                self._encoded.move_to_end((name, size))
                return encoded
        try:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                return None
            pixels = decode(content, Shape(SIDES[size], 3, "pad"), MOST_PIXELS)
        except (OSError, UnreadablePictureError):
            return None
        encoded = jpeg_of(pixels)
        with self._lock:
            self._encoded[name, size] = encoded
            while len(self._encoded) > MOST_KEPT:
                self._encoded.popitem(last=False)
        return encoded


def jpeg_of(pixels: Pixels) -> bytes:
    """Return (3, H, W) or (1, H, W) uint8 pixels as a JPEG."""
    file = io.BytesIO()
    grey_or_rgb = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(grey_or_rgb).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
