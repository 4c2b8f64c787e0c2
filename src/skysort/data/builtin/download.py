"""Downloads of built-in data sets: verified, resumable, and complete or not at all."""

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
    """A file with the size and digest of the published one."""

    name: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class RemoteData:
    """The published files of a data set, and the folder that they are put into."""

    title: str
    folder: str
    """Name of the folder in the data folder."""
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    """Addresses of folders with the files, in the order in which they are tried."""
    place: Callable[[Path, Path], None]
    """Takes the folder of downloaded files and a new folder, and fills the new folder."""

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.num_bytes for file in self.files)


class _MirrorError(Exception):
    """A mirror does not provide the file. The message is the reason."""


def is_offline() -> bool:
    """Return whether $SKYSORT_OFFLINE forbids downloads."""
    return environ.get("SKYSORT_OFFLINE", "") not in ("", "0")


def download(published: RemoteData, data_folder: Path, remedy: str, progress: Progress) -> None:
    """Download a data set into its folder, which appears complete or not at all.

    Until it is complete, all files are in a hidden folder beside it. After an interruption that folder stays, and
    the next download continues from it.

    Args:
        published: the data set to download.
        data_folder: the folder in which its folder is created.
        remedy: advice on getting the data by hand, for the message if no mirror works.
        progress: receives the progress.

    Raises:
        SkysortError: if no mirror provides a file, it cannot be written, or another process downloads the same
            data.
    """
    target = data_folder / published.folder
    waiting = data_folder / f".{published.folder}.download"
    progress.say(
        f"Downloading {published.title} ({published.num_bytes:,} bytes) from {published.mirrors[0]} to {target};"
        " set SKYSORT_OFFLINE=1 to turn downloads off"
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
            with suppress(OSError):  # it stays while it holds files to continue from
                waiting.rmdir()
            with suppress(OSError):  # Windows keeps open files; an empty lock file does no harm
                lock.unlink()


def move_all(waiting: Path, whole: Path) -> None:
    """Move the downloaded files to the new folder as they are."""
    for file in waiting.iterdir():
        if not file.name.startswith("."):
            file.replace(whole / file.name)


def unpack_only(folder: str, names: tuple[str, ...]) -> Callable[[Path, Path], None]:
    """Return a function that unpacks only the named files of a folder in the one downloaded tar archive."""

    def place(waiting: Path, whole: Path) -> None:
        (path,) = (file for file in waiting.iterdir() if not file.name.startswith("."))
        with tarfile.open(path) as archive:
            for name in names:
                member = archive.extractfile(f"{folder}/{name}")
                if member is None:
                    raise SkysortError("damaged-data", f"{path}: {folder}/{name} is not a file")
                with member, (whole / name).open("wb") as file:
                    shutil.copyfileobj(member, file)

    return place


def _fetch(file: RemoteFile, published: RemoteData, waiting: Path, remedy: str, progress: Progress) -> None:
    """Download one file from the first mirror that provides it, and verify it."""
    if (waiting / file.name).exists():  # it has this name only after verification
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
    """A partly downloaded file: its bytes so far, and the ETag of the file that they belong to."""

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
        """Open the file to continue after the first `num_kept` bytes. A full disk removes the file."""
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
        """Give the file its final name."""
        with writing(self._target):
            self.path.replace(self._target)
            self.remove()

    def remove(self) -> None:
        for path in (self.path, self._etag):
            path.unlink(missing_ok=True)


def _continue(url: str, file: RemoteFile, partial: _Partial, progress: Progress) -> None:
    """Download the missing part of a file."""
    if partial.num_bytes > file.num_bytes:
        partial.remove()
    num_kept = partial.num_bytes
    if num_kept == file.num_bytes:
        return
    with _answer(url, partial) as answer:
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            num_kept = 0  # the server has no ranges, or the file changed: start again
        _check_size(file, num_kept, answer)
        with (
            partial.opened(num_kept, answer.headers.get("ETag", "")) as output,
            progress.step(f"Downloading {file.name}", file.num_bytes, done=num_kept, unit="bytes") as tell,
        ):
            _copy(answer, file.num_bytes - num_kept, output, tell)
    if not partial.num_bytes:
        partial.remove()
        raise _MirrorError("the connection ended before any data arrived")
    if partial.num_bytes < file.num_bytes:
        raise _MirrorError(
            f"the connection ended after {partial.num_bytes:,} of {file.num_bytes:,} bytes;"
            " the next download continues from there"
        )


@contextmanager
def _answer(url: str, partial: _Partial) -> Iterator[Any]:
    """Request the missing part of a file, if the file on the server is still the same."""
    headers = {"User-Agent": "skysort"}
    if partial.num_bytes:
        headers["Range"] = f"bytes={partial.num_bytes}-"
        if re.fullmatch(r'"[!#-~]*"', partial.etag):  # a weak ETag does not identify bytes (RFC 9110, 13.1.5)
            headers["If-Range"] = partial.etag
    try:
        with urlopen(Request(url, headers=headers), timeout=SECONDS_WITHOUT_ANSWER) as answer:
            yield answer
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.remove()  # the server's file is shorter than the local part
        raise _MirrorError(f"the server answered {error.code} {error.reason}") from None
    except URLError as error:
        raise _MirrorError(_no_connection(error.reason)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _MirrorError(_no_connection(error)) from None


def _no_connection(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); if a proxy uses its own certificate, set"
            " SSL_CERT_FILE to the file that holds it"
        )
    if isinstance(reason, TimeoutError):
        return f"no answer within {SECONDS_WITHOUT_ANSWER:.0f} seconds"
    words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return f"no connection ({words or type(reason).__name__})"


def _check_size(file: RemoteFile, num_kept: int, answer: Any) -> None:
    """Make sure, before writing, that the server's file has the expected size."""
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and num_kept + int(length) != file.num_bytes:
        raise _MirrorError(f"its file has {num_kept + int(length):,} bytes; expected {file.num_bytes:,}")


def _copy(answer: Any, num_bytes: int, output: IO[bytes], tell: Tell) -> None:
    """Copy `num_bytes` bytes, or as many as arrive."""
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
    digest = sha256(partial.path)
    if digest != file.sha256:
        partial.remove()
        raise _MirrorError(f"its file is not the published one: expected SHA-256 {file.sha256}, found {digest}")
