"""Downloads, from a server of the test's own: nothing here leaves this computer."""

import gzip
import hashlib
import io
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from skysort.core.errors import SkysortError
from skysort.core.locks import locked
from skysort.core.progress import LineProgress, Progress, SilentProgress
from skysort.data.builtin import download as download_module
from skysort.data.builtin import registry
from skysort.data.builtin.download import RemoteData, RemoteFile, download, is_offline, move_all, unpack_only
from skysort.data.builtin.registry import NAMED
from skysort.data.sources.base import PixelSource
from tests.conftest import lacking, refused
from tests.data.builtin import test_cifar, test_idx

SELF_SIGNED = Path(__file__).with_name("self-signed.pem")
ONE, TWO = (np.random.default_rng(seed).bytes(200_000) for seed in (1, 2))
REMEDY = "put them there by hand"


@dataclass
class Site:
    """What a server gives, how, and what it was asked for."""

    files: dict[str, bytes]
    ranges: bool = True
    """Whether it can go on from a byte."""
    etag: str = '"1"'
    drop_after: int | None = None
    """Ends a connection after so many bytes of a body."""
    says_length: bool = True
    stalls: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths and ranges."""
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range")
        site.asked.append((self.path, wanted))
        content = site.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if wanted and site.ranges and self.headers.get("If-Range", site.etag) == site.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content) if site.drop_after is None else start + site.drop_after
        self.wfile.write(content[start:end])
        if site.stalls:
            self.wfile.flush()
            time.sleep(20)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Start servers: `serve({"/one": b"..."}, ranges=False)`."""
    monkeypatch.delenv("SKYSORT_OFFLINE")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ExitStack() as servers:

        def start(files: dict[str, bytes], *, certificate: Path | None = None, **how: object) -> Site:
            site = Site(dict(files), **how)  # type: ignore[arg-type]
            server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"site": site}))
            server.daemon_threads = True
            server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that go are expected
            server.block_on_close = False
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            servers.callback(server.server_close)
            servers.callback(thread.join)
            servers.callback(server.shutdown)
            site.address = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
            return site

        yield start


Serve = Callable[..., Site]


def published(*sites: Site | str, **contents: bytes) -> RemoteData:
    files = contents or {"one": ONE, "two": TWO}
    return RemoteData(
        "The Data",
        "data",
        tuple(RemoteFile(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items()),
        tuple(site if isinstance(site, str) else site.address for site in sites),
        move_all,
    )


def get(what: RemoteData, folder: Path, progress: Progress | None = None) -> None:
    download(what, folder, REMEDY, progress or SilentProgress())


def refusal(what: RemoteData, folder: Path) -> str:
    with pytest.raises(SkysortError) as caught:
        get(what, folder)
    message = str(caught.value)
    assert caught.value.code == "download-failed"
    assert "The Data" in message and "\n  http" in message and message.endswith(REMEDY)
    return message


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


BOTH = {"/one": ONE, "/two": TWO}


def test_files_come_whole_and_nothing_else_is_left(serve: Serve, tmp_path: Path) -> None:
    get(published(serve(BOTH)), tmp_path / "new")
    assert everything(tmp_path) == ["new", "new/data", "new/data/one", "new/data/two"]
    assert (tmp_path / "new/data/one").read_bytes() == ONE
    assert (tmp_path / "new/data/two").read_bytes() == TWO


def test_it_says_first_what_comes_from_where_to_where(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = serve(BOTH)
    get(published(site), tmp_path, LineProgress())
    lines = capsys.readouterr().err.splitlines()
    facts = ["The Data", "400,000 bytes", f" {site.address} ", f" {tmp_path / 'data'};", "SKYSORT_OFFLINE=1"]
    assert lacking(lines[0], *facts) == []
    assert lines[1].startswith("Downloading one: 200,000 of 200,000 bytes (100 %), ")
    assert lines[1].endswith(" MB/s")


def test_a_mirror_without_the_file_is_passed_over(serve: Serve, tmp_path: Path) -> None:
    first, second = serve({"/one": ONE}), serve(BOTH)
    get(published(first, second), tmp_path)
    assert everything(tmp_path) == ["data", "data/one", "data/two"]
    assert [path for path, _ in second.asked] == ["/two"]


def test_no_mirror_with_the_file_is_an_error_that_names_each(serve: Serve, tmp_path: Path) -> None:
    first, second = serve({}), serve({})
    message = refusal(published(first, second), tmp_path)
    for site in (first, second):
        assert f"{site.address}/one: " in message and "404 Not Found" in message
    assert everything(tmp_path) == []


def test_no_network_is_an_error_that_says_so(serve: Serve, tmp_path: Path) -> None:
    unused = serve({})
    closed = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = closed.server_port
    closed.server_close()
    assert "/one: no connection (" in refusal(published(f"http://127.0.0.1:{port}"), tmp_path)
    assert "/one: no connection (" in refusal(published("http://nowhere.invalid"), tmp_path)
    assert everything(tmp_path) == []
    assert unused.asked == []


def test_a_certificate_that_is_not_trusted_says_what_to_do(serve: Serve, tmp_path: Path) -> None:
    message = refusal(published(serve(BOTH, certificate=SELF_SIGNED)), tmp_path)
    assert "certificate" in message and "(self" in message and "SSL_CERT_FILE" in message
    assert everything(tmp_path) == []


def test_what_is_advised_for_a_certificate_helps(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(SELF_SIGNED))
    get(published(serve(BOTH, certificate=SELF_SIGNED)), tmp_path)
    assert everything(tmp_path) == ["data", "data/one", "data/two"]


@pytest.mark.parametrize("found", [ONE[:-1], ONE + b"x", b""], ids=["short", "long", "empty"])
def test_a_file_of_another_size_is_refused_before_it_is_taken(serve: Serve, tmp_path: Path, found: bytes) -> None:
    message = refusal(published(serve({"/one": found})), tmp_path)
    assert f" {len(found):,} bytes" in message and "200,000" in message
    assert everything(tmp_path) == []


def test_a_wrong_digest_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    message = refusal(published(serve({"/one": TWO})), tmp_path)
    assert hashlib.sha256(ONE).hexdigest() in message and hashlib.sha256(TWO).hexdigest() in message
    assert everything(tmp_path) == []


def test_a_file_that_never_ends_is_cut_off_at_its_size(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/one": ONE + bytes(10_000_000)}, says_length=False)
    get(published(site, one=ONE), tmp_path)
    assert (tmp_path / "data/one").read_bytes() == ONE


def interrupted(site: Site, folder: Path) -> None:
    """Download the first 90,000 bytes."""
    site.drop_after = 90_000
    message = refusal(published(site), folder)
    assert "90,000 of 200,000 bytes" in message
    assert not (folder / "data").exists()
    assert [name for name in everything(folder) if not Path(name).name.startswith(".")] == []
    site.drop_after = None
    site.asked.clear()


def test_a_connection_that_ends_at_once_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    message = refusal(published(serve(BOTH, drop_after=0)), tmp_path)
    assert "/one: the connection ended before any data" in message
    assert everything(tmp_path) == []


def test_the_next_mirror_takes_over_from_a_lost_connection(serve: Serve, tmp_path: Path) -> None:
    first, second = serve(BOTH, drop_after=90_000), serve(BOTH)
    get(published(first, second), tmp_path)
    assert second.asked == [("/one", "bytes=90000-"), ("/two", "bytes=90000-")]
    assert (tmp_path / "data/two").read_bytes() == TWO


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', ""], ids=["etag", "weak etag", "none"])
def test_a_lost_connection_is_gone_on_from(serve: Serve, tmp_path: Path, etag: str) -> None:
    site = serve(BOTH, etag=etag)
    interrupted(site, tmp_path)
    get(published(site), tmp_path)
    assert site.asked == [("/one", "bytes=90000-"), ("/two", None)]
    assert (tmp_path / "data/one").read_bytes() == ONE
    assert everything(tmp_path) == ["data", "data/one", "data/two"]


def test_files_that_came_whole_are_not_fetched_again(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/one": ONE})
    refusal(published(site), tmp_path)
    site.files["/two"] = TWO
    site.asked.clear()
    get(published(site), tmp_path)
    assert site.asked == [("/two", None)]


def test_a_server_without_ranges_starts_anew(serve: Serve, tmp_path: Path) -> None:
    site = serve(BOTH, ranges=False)
    interrupted(site, tmp_path)
    get(published(site), tmp_path)
    assert (tmp_path / "data/one").read_bytes() == ONE


def test_another_etag_starts_anew(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/one": bytes(200_000), "/two": TWO})
    interrupted(site, tmp_path)
    site.files["/one"], site.etag = ONE, '"2"'
    get(published(site), tmp_path)
    assert (tmp_path / "data/one").read_bytes() == ONE


def test_another_file_without_an_etag_is_found_out_by_its_digest(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/one": bytes(200_000), "/two": TWO}, etag="")
    interrupted(site, tmp_path)
    site.files["/one"] = ONE
    assert hashlib.sha256(ONE).hexdigest() in refusal(published(site), tmp_path)
    assert everything(tmp_path) == []
    get(published(site), tmp_path)
    assert (tmp_path / "data/one").read_bytes() == ONE


def test_a_file_that_has_become_shorter_is_an_error_and_the_next_attempt_starts_anew(
    serve: Serve, tmp_path: Path
) -> None:
    site = serve(BOTH)
    interrupted(site, tmp_path)
    site.files["/one"] = ONE[:50_000]
    assert " 416" in refusal(published(site), tmp_path)
    assert everything(tmp_path) == []


def test_what_is_left_over_and_too_long_is_thrown_away(serve: Serve, tmp_path: Path) -> None:
    site = serve(BOTH)
    interrupted(site, tmp_path)
    partial = next(tmp_path.rglob(".one.partial"))
    partial.write_bytes(bytes(300_000))
    get(published(site), tmp_path)
    assert (tmp_path / "data/one").read_bytes() == ONE


def test_a_server_that_falls_silent_is_not_waited_for(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "SECONDS_WITHOUT_ANSWER", 0.2)
    site = serve(BOTH, drop_after=90_000, stalls=True)
    assert "90,000 of 200,000 bytes" in refusal(published(site), tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused("system", tmp_path / "file/data"):
        get(published(serve(BOTH)), tmp_path / "file")


def test_a_full_disk_is_an_error_that_leaves_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_answer: object, _num: int, output: io.BufferedWriter, _tell: object) -> None:
        output.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download_module, "_copy", full)
    site = serve(BOTH)
    with refused("system", "one", "No space left on device"):
        get(published(site, site), tmp_path)
    assert everything(tmp_path) == []
    assert len(site.asked) == 1


def test_a_folder_that_holds_something_else_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("mine")
    with refused("system", tmp_path / "data"):
        get(published(serve(BOTH)), tmp_path)
    assert (tmp_path / "data/letter.txt").read_text() == "mine"


def test_only_the_expected_files_of_an_archive_are_unpacked(serve: Serve, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("all/wanted", "all/other", "../outside"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"some"))
    content = archive.getvalue()
    what = replace(
        published(serve({"/all.tgz": content}), **{"all.tgz": content}), place=unpack_only("all", ("wanted",))
    )
    get(what, tmp_path)
    assert everything(tmp_path) == ["data", "data/wanted"]


def test_two_processes_do_not_download_the_same(serve: Serve, tmp_path: Path) -> None:
    site = serve(BOTH)
    lock = tmp_path / ".data.lock"
    lock.touch()
    with locked(lock), refused("in-use", tmp_path):
        get(published(site, one=ONE), tmp_path)
    assert site.asked == []
    get(published(site, one=ONE), tmp_path)
    assert everything(tmp_path) == ["data", "data/one"]


@pytest.mark.skipif(os.name != "posix", reason="interrupts as POSIX does")
def test_an_interrupt_keeps_what_has_come(serve: Serve, tmp_path: Path) -> None:
    site = serve(BOTH, drop_after=90_000, stalls=True)
    program = (
        "from pathlib import Path; from skysort.core.progress import LineProgress, Progress, SilentProgress\n"
        # What a shell starts in the background ignores interrupts.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from skysort.data.builtin.download import *\n"
        f"file = RemoteFile('one', 200_000, '{hashlib.sha256(ONE).hexdigest()}')\n"
        f"what = RemoteData('The Data', 'data', (file,), ('{site.address}',), move_all)\n"
        f"download(what, Path({str(tmp_path)!r}), '', SilentProgress())"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    partial = tmp_path / ".data.download/.one.partial"
    while not partial.exists() or partial.stat().st_size < 60_000:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    site.drop_after, site.stalls = None, False
    site.asked.clear()
    get(published(site, one=ONE), tmp_path)
    ((path, wanted),) = site.asked
    assert path == "/one" and wanted is not None
    assert everything(tmp_path) == ["data", "data/one"]


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_environment_turns_downloads_off(monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
    monkeypatch.setenv("SKYSORT_OFFLINE", value)
    assert is_offline() is offline


def opened(name: str, folder: Path) -> PixelSource:
    source = NAMED[name].open_or_download(folder, 32, SilentProgress())
    assert isinstance(source, PixelSource)
    return source


def serve_named(serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes]) -> Site:
    """Have a data set come from a server of the test's own, in a small edition."""
    site = serve({f"/{file}": content for file, content in contents.items()})
    original = NAMED[name].published
    assert original is not None
    assert {file.name for file in original.files} == set(contents)
    files = tuple(RemoteFile(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in contents.items())
    small = replace(original, files=files, mirrors=(site.address,))
    monkeypatch.setitem(registry.NAMED, name, replace(NAMED[name], published=small))
    return site


def test_cifar_10_is_downloaded_unpacked_and_not_asked_for_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    test_cifar.write(made, test_cifar.binary_batch, ".bin")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(made, "cifar-10-batches-bin")
    site = serve_named(serve, monkeypatch, "cifar10", {"cifar-10-binary.tar.gz": archive.getvalue()})
    for _ in range(2):
        listing, _ = opened("cifar10", tmp_path / "data").load()
        assert len(listing) == 12
    assert len(site.asked) == 1
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"cifar-10-batches-bin"}


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_data_is_downloaded(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    test_idx.write(tmp_path / "made")
    contents = {
        f"{file.name.removesuffix('.gz')}.gz": file.read_bytes()
        if file.suffix == ".gz"
        else gzip.compress(file.read_bytes())
        for file in (tmp_path / "made").iterdir()
    }
    serve_named(serve, monkeypatch, name, contents)
    listing, _ = opened(name, tmp_path / "data").load()
    assert len(listing) == 6
    assert {path.name for path in (tmp_path / "data").iterdir()} == {name}


@pytest.mark.parametrize("name", ["cifar10", "birds-vs-airplanes", "mnist", "fashion-mnist"])
def test_offline_it_says_what_to_put_where(name: str, tmp_path: Path) -> None:
    with refused("missing-data", tmp_path, "SKYSORT_OFFLINE"):
        opened(name, tmp_path)
    assert everything(tmp_path) == []


def test_what_is_published_is_described_in_full() -> None:
    for data in NAMED.values():
        if data.published:
            assert all(mirror.startswith("http") and not mirror.endswith("/") for mirror in data.published.mirrors)
            assert all(len(file.sha256) == 64 and file.num_bytes > 4000 for file in data.published.files)
