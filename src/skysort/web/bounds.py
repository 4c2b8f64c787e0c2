"""Bounds on what a request may ask of this computer, and on what all requests hold together."""

from collections.abc import Iterator
from contextlib import contextmanager

from skysort.core.text import counted
from skysort.web.errors import RequestError

MOST_BODY_BYTES = 2**26
"""Bytes of one request: twenty photographs of 3 MB, or one of 200 megapixels."""
MOST_PICTURES = 64
"""Pictures of one request."""
MOST_PIXELS = 2**28
"""Pixels of one picture, more than phones of 200 megapixels take."""
MOST_BYTES_HELD = 2**28
"""Bytes of bodies of all requests that are not answered yet."""
MOST_WAITING = 256
"""Pictures of all requests that are not answered yet. Some hundred of 224 x 224 take seconds on two cores."""
SECONDS_TO_SEND = 60.0
"""Time for a client to send a body."""
SECONDS_TO_RETRY = 1


class Room:
    """Counts the pictures and bytes of all requests that are not answered yet."""

    def __init__(self) -> None:
        self.pictures = self.bytes = 0

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """Yield the place of one request, which is free again after the block."""
        place = Place(self)
        try:
            yield place
        finally:
            self.pictures -= place.pictures
            self.bytes -= place.bytes


class Place:
    """The part of the room that one request takes."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.pictures = self.bytes = 0

    def add_bytes(self, num: int) -> None:
        """Count bytes of the body, as they arrive.

        Raises:
            RequestError: when the body is too large, or all bodies together are.
        """
        if self.bytes + num > MOST_BODY_BYTES:
            raise RequestError(
                "too-large", f"a request has at most {MOST_BODY_BYTES:,} bytes; send fewer pictures", 413
            )
        if self.room.bytes + num > MOST_BYTES_HELD:
            raise _busy("the requests that wait hold all memory that the service allows")
        self.bytes += num
        self.room.bytes += num

    def add_pictures(self, num: int) -> None:
        """Count pictures that wait for an answer.

        Raises:
            RequestError: when too many wait.
        """
        if self.room.pictures + num > MOST_WAITING:
            free = MOST_WAITING - self.room.pictures
            raise _busy(f"the service has room for {counted(free, 'more picture')} now; this request needs {num}")
        self.pictures += num
        self.room.pictures += num


def _busy(reason: str) -> RequestError:
    again = f"try again in {counted(SECONDS_TO_RETRY, 'second')}"
    return RequestError("busy", f"{reason}; {again}", 503, {"Retry-After": str(SECONDS_TO_RETRY)})
