"""Fetching named data that is not there: verified, resumable, and whole or not at all."""

import http.client
import re
import shutil
import ssl
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from os import environ
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from skysort.core.errors import SkysortError
from skysort.core.files import sha256, whole_folder, writing
from skysort.core.locks import locked
from skysort.core.progress import Progress, Tell

SECONDS_WITHOUT_ANSWER = 30.0
CHUNK_BYTES = 2**16


@dataclass(frozen=True)
class RemoteFile:
    """A file as its publisher has it."""

    name: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class RemoteData:
    """What a data set is downloaded from, and the folder that comes of it."""

    title: str
    folder: str
    """Below the data folder."""
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    """Addresses of folders that hold the files, in the order they are tried."""
    place: Callable[[Path, Path], None]
    """Makes the content of a new folder out of the folder of downloaded files."""

    @property
    def num_bytes(self) -> int:
        """Of all files together."""
        return sum(file.num_bytes for file in self.files)


class _MirrorError(Exception):
    """This mirror does not give the file; the message is the reason."""


def is_offline() -> bool:
    """Tell whether $SKYSORT_OFFLINE forbids downloads."""
    return environ.get("SKYSORT_OFFLINE", "") not in ("", "0")


def download(published: RemoteData, data_folder: Path, remedy: str, progress: Progress) -> None:
    """Download a data set into its folder, which appears whole or not at all.

    Until then everything is in a hidden folder beside it. After an interruption or a lost connection that folder
    stays, and the next download goes on from there.

    Args:
        published: what to download.
        data_folder: where its folder is made.
        remedy: what a person can do who has to get it by hand, for the message when no mirror gives it.
        progress: where to say what is downloaded, and how far it is.

    Raises:
        SkysortError: when no mirror gives a file, it cannot be written, or another process downloads the same.
    """
    target = data_folder / published.folder
    waiting = data_folder / f".{published.folder}.download"
    progress.say(
        f"Downloading {published.title} ({published.num_bytes:,} bytes) from {published.mirrors[0]} to {target};"
        " SKYSORT_OFFLINE=1 turns downloads off"
    )
    lock = data_folder / f".{published.folder}.lock"
    with writing(target):
        waiting.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with locked(lock):
        try:
            for file in published.files:
                _fetch(file, published, waiting, remedy, progress)
            with whole_folder(target) as whole:
                published.place(waiting, whole)
            shutil.rmtree(waiting)
        finally:
            with suppress(OSError):  # kept as long as it holds anything to go on from
                waiting.rmdir()
            with suppress(OSError):  # Windows keeps what is open; it is empty, and serves the next time
                lock.unlink()


def move_all(waiting: Path, whole: Path) -> None:
    """Take the downloaded files as they are."""
    for file in waiting.iterdir():
        if not file.name.startswith("."):
            file.replace(whole / file.name)


def unpack_only(folder: str, names: tuple[str, ...]) -> Callable[[Path, Path], None]:
    """Return how to take some files, and no others, out of the one folder of the one downloaded tar archive."""

    def place(waiting: Path, whole: Path) -> None:
        (path,) = (file for file in waiting.iterdir() if not file.name.startswith("."))
        with tarfile.open(path) as archive:
            for name in names:
                member = archive.extractfile(f"{folder}/{name}")
                if member is None:
                    raise SkysortError("damaged-data", f"{path}: {folder}/{name} is no file")
                with member, (whole / name).open("wb") as file:
                    shutil.copyfileobj(member, file)

    return place


def _fetch(file: RemoteFile, published: RemoteData, waiting: Path, remedy: str, progress: Progress) -> None:
    """Get one file, verified, from the first mirror that gives it."""
    if (waiting / file.name).exists():  # which it is only once verified
        return
    reasons = []
    for mirror in published.mirrors:
        url = f"{mirror}/{file.name}"
        partial = _Partial(waiting, file)
        try:
            _continue(url, file, partial, progress)
            _check_digest(file, partial)
        except _MirrorError as reason:
            reasons.append(f"{url}: {reason}")
        else:
            partial.finish()
            return
    raise SkysortError(
        "download-failed",
        f"could not download {published.title}:\n  " + "\n  ".join(reasons) + f"\nTry again later, or {remedy}",
    )


class _Partial:
    """A file that is on its way: the bytes so far, and the ETag of what they are the beginning of."""

    def __init__(self, waiting: Path, file: RemoteFile) -> None:
        self.path = waiting / f".{file.name}.partial"
        self._etag = waiting / f".{file.name}.etag"
        self._target = waiting / file.name

    @property
    def num_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def etag(self) -> str:
        return self._etag.read_text("utf-8") if self._etag.exists() else ""

    @contextmanager
    def opened(self, num_kept: int, etag: str) -> Iterator[IO[bytes]]:
        """Open it to be written behind the bytes that are kept. A disk that takes no more ends it."""
        try:
            with writing(self._target):
                if not num_kept:
                    self.remove()
                    self._etag.write_text(etag, "utf-8")
                with self.path.open("r+b" if num_kept else "wb") as file:
                    file.seek(num_kept)
                    yield file
        except SkysortError:
            self.remove()
            raise

    def finish(self) -> None:
        """Give it its name."""
        with writing(self._target):
            self.path.replace(self._target)
            self.remove()

    def remove(self) -> None:
        for path in (self.path, self._etag):
            path.unlink(missing_ok=True)


def _continue(url: str, file: RemoteFile, partial: _Partial, progress: Progress) -> None:
    """Download what is missing of a file."""
    if partial.num_bytes > file.num_bytes:
        partial.remove()
    num_kept = partial.num_bytes
    if num_kept == file.num_bytes:
        return
    with _answer(url, partial) as answer:
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            num_kept = 0  # a server without ranges, or another file by now: from the beginning
        _check_size(file, num_kept, answer)
        with (
            partial.opened(num_kept, answer.headers.get("ETag", "")) as output,
            progress.step(f"Downloading {file.name}", file.num_bytes, done=num_kept, unit="bytes") as tell,
        ):
            _copy(answer, file.num_bytes - num_kept, output, tell)
    if not partial.num_bytes:
        partial.remove()
        raise _MirrorError("the connection ended before anything came")
    if partial.num_bytes < file.num_bytes:
        raise _MirrorError(
            f"the connection ended after {partial.num_bytes:,} of {file.num_bytes:,} bytes,"
            " which are kept to go on from"
        )


@contextmanager
def _answer(url: str, partial: _Partial) -> Iterator[Any]:
    """Ask for what is missing of a file, if it still is the same there."""
    headers = {"User-Agent": "skysort"}
    if partial.num_bytes:
        headers["Range"] = f"bytes={partial.num_bytes}-"
        if re.fullmatch(r'"[!#-~]*"', partial.etag):  # a weak one does not vouch for bytes (RFC 9110, 13.1.5)
            headers["If-Range"] = partial.etag
    try:
        with urlopen(Request(url, headers=headers), timeout=SECONDS_WITHOUT_ANSWER) as answer:
            yield answer
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.remove()  # the file there is shorter than what is here
        raise _MirrorError(f"the server answered {error.code} {error.reason}") from None
    except URLError as error:
        raise _MirrorError(_no_connection(error.reason)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _MirrorError(_no_connection(error)) from None


def _no_connection(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); behind a proxy with a certificate of its"
            " own, set SSL_CERT_FILE to the file that holds it"
        )
    if isinstance(reason, TimeoutError):
        return f"no answer within {SECONDS_WITHOUT_ANSWER:.0f} seconds"
    words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return f"no connection ({words or type(reason).__name__})"


def _check_size(file: RemoteFile, num_kept: int, answer: Any) -> None:
    """Make sure, before anything is written, that the server has a file of the right size."""
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and num_kept + int(length) != file.num_bytes:
        raise _MirrorError(f"the file there has {num_kept + int(length):,} bytes, expected {file.num_bytes:,}")


def _copy(answer: Any, num_bytes: int, output: IO[bytes], tell: Tell) -> None:
    """Copy so many bytes, or as many as come."""
    while num_bytes:
        try:
            chunk = answer.read1(min(num_bytes, CHUNK_BYTES))
        except (OSError, http.client.HTTPException):
            return
        if not chunk:
            return
        output.write(chunk)
        num_bytes -= len(chunk)
        tell(len(chunk), "")


def _check_digest(file: RemoteFile, partial: _Partial) -> None:
    found = sha256(partial.path)
    if found != file.sha256:
        partial.remove()
        raise _MirrorError(f"another file than was published: expected SHA-256 {file.sha256}, found {found}")
