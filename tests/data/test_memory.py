import io
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, JpegImagePlugin

from skysort.data import memory
from skysort.data.decode import Shape, decode
from skysort.data.formats.container import png_pixels
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import unfinished
from skysort.data.memory import HEADROOM_BYTES, SHARE, TooLargeError, free_bytes, most_bytes, room_for
from skysort.data.sources.base import read_file
from tests.conftest import lacking

GIB = 2**30
SHAPE = Shape(32, 3)


class Computer:
    """What the system says of itself, in files that a test writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, place: str, text: str) -> None:
        (self.root / place).parent.mkdir(parents=True, exist_ok=True)
        (self.root / place).write_text(text)

    def has(self, total: int, free: int) -> None:
        self.write(
            "proc/meminfo", f"MemTotal: {total // 1024} kB\nMemFree: 1 kB\nMemAvailable: {free // 1024} kB\n"
        )


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Computer]:
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    computer = Computer(tmp_path)
    computer.has(GIB, GIB // 2)
    yield computer


def test_without_groups_the_computer_is_the_bound(computer: Computer) -> None:
    assert most_bytes() == int(SHARE * GIB)
    assert free_bytes() == GIB // 2 - HEADROOM_BYTES


def test_a_large_computer_does_not_give_all_of_it_to_one_picture(computer: Computer) -> None:
    computer.has(64 * GIB, 60 * GIB)
    assert most_bytes() == memory.MAX_BYTES


@pytest.mark.parametrize("place", ["box/inner/", "box/", ""], ids=["own group", "group above", "root"])
def test_a_group_of_the_second_version_is_a_bound(computer: Computer, place: str) -> None:
    computer.write("proc/self/cgroup", "0::/box/inner\n")
    computer.write("cgroup/box/inner/memory.max", "max\n")
    computer.write(f"cgroup/{place}memory.max", f"{GIB // 2}\n")
    computer.write(f"cgroup/{place}memory.current", f"{GIB // 4}\n")
    computer.write(f"cgroup/{place}memory.stat", f"anon 5\ninactive_file {GIB // 8}\nactive_file 7\n")
    assert most_bytes() == int(SHARE * GIB / 2)
    assert free_bytes() == GIB // 2 - GIB // 4 + GIB // 8 - HEADROOM_BYTES


def test_a_group_of_the_first_version_is_a_bound(computer: Computer) -> None:
    computer.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/\n0::/\n")
    computer.write("cgroup/memory/memory.limit_in_bytes", f"{GIB // 2}\n")
    computer.write("cgroup/memory/memory.usage_in_bytes", f"{GIB // 4}\n")
    computer.write("cgroup/memory/memory.stat", f"inactive_file 0\ntotal_inactive_file {GIB // 8}\n")
    assert most_bytes() == int(SHARE * GIB / 2)
    assert free_bytes() == GIB // 2 - GIB // 4 - HEADROOM_BYTES


@pytest.mark.parametrize("text", ["", "nonsense", "4:memory:/a"])
def test_a_system_that_says_nothing_of_groups_is_no_error(computer: Computer, text: str) -> None:
    computer.write("proc/self/cgroup", text)
    assert most_bytes() == int(SHARE * GIB)


def test_a_system_without_proc_still_has_a_bound(computer: Computer) -> None:
    (computer.root / "proc/meminfo").unlink()
    assert 0 < most_bytes() <= memory.MAX_BYTES
    assert free_bytes() > 0


def run_limited(code: str, address_space: int) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("resource")
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({address_space},) * 2)\n"
    return subprocess.run([sys.executable, "-c", limit + code], capture_output=True, text=True, check=False)


def test_a_limit_on_address_space_is_a_bound() -> None:
    code = "from skysort.data.memory import *; print(most_bytes(), free_bytes())"
    most, free = map(int, run_limited(code, 2 * GIB).stdout.split())
    assert most <= int(SHARE * 2 * GIB)
    assert 0 < free < 2 * GIB - HEADROOM_BYTES


def test_what_can_never_fit_is_refused_and_what_does_not_fit_now_is_a_lack(computer: Computer) -> None:
    with pytest.raises(TooLargeError, match=r"\b644 MB"), room_for(GIB):
        pass
    lack = pytest.raises(MemoryError, match=r"\b500 MB.*\b432 MB")
    with lack, room_for(500_000_000):
        pass
    with room_for(300_000_000):
        pass


def test_large_pictures_wait_for_one_another(computer: Computer) -> None:
    inside, most_inside, done = 0, 0, threading.Semaphore(0)
    lock = threading.Lock()

    def take() -> None:
        nonlocal inside, most_inside
        with room_for(300_000_000):
            with lock:
                inside += 1
                most_inside = max(most_inside, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1
        done.release()

    for _ in range(5):
        threading.Thread(target=take, daemon=True).start()
    for _ in range(5):
        assert done.acquire(timeout=60)
    assert most_inside == 1


def test_an_error_inside_gives_the_room_back(computer: Computer) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room_for(300_000_000):
            raise ZeroDivisionError


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def huge_webp() -> bytes:
    """34 bytes: a lossless WebP of 9999 x 9999 pixels of one colour."""
    return bytes.fromhex("524946461a000000574542505650384c0d0000002f0ea7c319071011118888fe0700")


def refused(content: bytes) -> str:
    with pytest.raises(UnreadablePictureError) as caught:
        decode(content, SHAPE)
    return str(caught.value)


def test_a_few_bytes_that_would_take_gigabytes_are_refused(computer: Computer) -> None:
    assert lacking(refused(huge_webp()), "9999 x 9999 pixels: ", "2,400 MB", "644 MB") == []
    computer.has(2**26, 2**26)
    assert refused(saved(Image.new("L", (4000, 3000)), "PNG")).startswith("4000 x 3000 pixels: ")
    assert "pixels: " in refused(saved(Image.new("1", (4000, 3000)), "TIFF", compression="group4"))


def test_a_tile_larger_than_its_picture_counts(computer: Computer) -> None:
    tags = {256: 64, 257: 64, 258: 8, 259: 5, 262: 1, 277: 1, 322: 2**15, 323: 2**15, 324: 8, 325: 20}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    content = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    assert refused(content).startswith("64 x 64 pixels: ")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_the_bytes_of_the_file_count(form: str, computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.has(4 * GIB, 3 * GIB)
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    asked = []

    @contextmanager
    def asked_for(num_bytes: int) -> Iterator[None]:
        asked.append(num_bytes)
        yield

    for module in ("decode", "formats.opening"):
        monkeypatch.setattr(f"skysort.data.{module}.room_for", asked_for)
    content = saved(Image.new("RGB", (64, 48)), form)
    decode(content, SHAPE)
    bare = sum(asked)
    asked.clear()
    more = struct.pack(">I4s", 10**6, b"tEXt") + bytes(10**6 + 4) if form == "PNG" else bytes(10**6)
    decode(content[:33] + more + content[33:] if form == "PNG" else content + more, SHAPE)
    assert sum(asked) - bare >= 10**6 * (2 if form == "PNG" else 1)


def test_a_large_file_is_read_when_there_is_room_for_it(computer: Computer, tmp_path: Path) -> None:
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(200_000_000)
    computer.has(GIB, GIB // 4)
    with pytest.raises(MemoryError, match="a picture takes 200 MB"):
        read_file(tmp_path / "large.tif")


def test_chunks_of_a_png_are_copied_once() -> None:
    content = saved(Image.frombytes("L", (4000, 4000), bytes(range(250)) * 64_000), "PNG", compress_level=0)
    tracemalloc.start()
    kept = png_pixels(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept == content
    assert peak < 1.5 * len(content)


def test_a_lack_of_memory_is_not_damage(computer: Computer) -> None:
    computer.has(GIB, GIB // 8)
    with pytest.raises(MemoryError):
        decode(saved(Image.new("RGB", (4000, 3000)), "PNG"), SHAPE)


def test_a_lack_of_address_space_is_not_damage() -> None:
    code = (
        "import io\nfrom PIL import Image\nfrom skysort.data import memory\n"
        "from skysort.data.decode import Shape, decode\n"
        "memory.SMALL_BYTES = 2**40\n"  # as if the system had said nothing
        "file = io.BytesIO()\nImage.new('P', (8, 8)).save(file, 'GIF')\n"
        "picture = file.getvalue().replace(bytes([8, 0, 8, 0]), bytes([0, 80, 0, 80]), 1)\n"
        "held = bytearray(600 * 2**20)\n"
        "decode(picture, Shape(32, 3))\n"
    )
    assert run_limited(code, GIB).stderr.splitlines()[-1].startswith("MemoryError")


PEAK = """
import io, resource, sys
from skysort.data.decode import Shape, decode
content = open(sys.argv[1], "rb").read()
decode(content[:0] + open(sys.argv[2], "rb").read(), Shape(32, 3))
def high():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = high()
decode(content, Shape(32, 3))
print(high() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak has another unit")
@pytest.mark.parametrize(
    ("mode", "form", "megapixels", "bytes_per_pixel"),
    [("RGBA", "PNG", 24, 5.5), ("RGB", "TIFF", 24, 5.5), ("L", "PNG", 48, 2.5), ("RGB", "WEBP", 6, 24)],
)
def test_a_large_picture_is_in_memory_once(
    mode: str, form: str, megapixels: int, bytes_per_pixel: float, tmp_path: Path
) -> None:
    Image.new(mode, (1000 * megapixels // 4, 4000)).save(tmp_path / "large", form)
    Image.new(mode, (8, 8)).save(tmp_path / "small", form)
    run = [sys.executable, "-c", PEAK, str(tmp_path / "large"), str(tmp_path / "small")]
    peak = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert peak < bytes_per_pixel * megapixels * 1e6 + 5e7


def jpeg_that_says(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose header promises more than its scans bring, which decoders make up for with grey."""
    content = saved(Image.new("RGB", (64, 48)), "JPEG", **options)
    return content.replace(struct.pack(">HH", 48, 64), struct.pack(">HH", height, width), 1)


def test_a_phone_picture_of_200_megapixels_is_read(computer: Computer) -> None:
    assert decode(jpeg_that_says(16320, 12240), SHAPE).shape == (3, 32, 32)


def test_a_progressive_jpeg_counts_what_is_kept_for_its_scans(computer: Computer) -> None:
    content = jpeg_that_says(16320, 12240, progressive=True)
    assert refused(content).startswith("16320 x 12240 pixels: ")


def test_a_jpeg_of_hundreds_of_scans_is_refused() -> None:
    content = saved(Image.new("RGB", (64, 48)), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    assert lacking(refused(content[:-2] + 100 * content[last:-2] + content[-2:]), "scans", "64") == []
    assert decode(content[:-2] + 20 * content[last:-2] + content[-2:], SHAPE).shape == (3, 32, 32)


@pytest.mark.parametrize("between", [b"", b"\xff\xfe\0\2" * 10_000], ids=["scans alone", "comments before"])
def test_hundreds_of_scans_without_an_end_marker_are_refused_before_any_is_decoded(
    between: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(Image.new("RGB", (64, 48)), "JPEG", progressive=True)[:-2]
    last = content[content.rindex(b"\xff\xda") :]
    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", lambda _: pytest.fail("it is decoded"))
    assert unfinished(content + between + 100 * last) is None
    assert lacking(refused(content + between + 100 * last), "scans", "64") == []
