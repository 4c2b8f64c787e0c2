import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.core.errors import SkysortError
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.sources import archive_files as module
from skysort.data.sources.archive import is_archive, open_archive
from skysort.data.sources.archive_files import check_file_size
from tests.conftest import lacking, picture_bytes, refused

CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
TARS = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def write_zip(path: Path, *names: str, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, picture_bytes(seed, (4, 4)))
    return path


def write_tar(path: Path, *members: str | tarfile.TarInfo) -> Path:
    """Write pictures under names, and members that are no files as they are."""
    ending = path.suffix.removeprefix(".").replace("tgz", "gz")
    with tarfile.open(path, "w:" if ending == "tar" else f"w:{ending}") as archive:  # type: ignore[call-overload]
        for seed, member in enumerate(members):
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                entry = tarfile.TarInfo(member)
                entry.size = len(picture_bytes(seed, (4, 4)))
                archive.addfile(entry, io.BytesIO(picture_bytes(seed, (4, 4))))
    return path


def patch(path: Path, header: bytes, offset: int, value: bytes) -> Path:
    """Overwrite a field of the first header of a kind."""
    content = bytearray(path.read_bytes())
    start = content.index(header) + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


def member_reason(path: Path, name: str = "cat/1.png") -> str:
    with open_archive(path) as archive, pytest.raises(UnreadablePictureError) as caught:
        archive.read(name)
    return str(caught.value)


def check_refused(path: Path, code: str, *facts: object) -> None:
    with refused(code, path.name, *facts), open_archive(path):
        pytest.fail("opened")


class Unflagged(zipfile.ZipInfo):
    """An entry whose name is written as bytes, without a word on their encoding."""

    def __init__(self, name: bytes, extra: bytes = b"") -> None:
        super().__init__(name.decode("latin-1").replace("\0", "?"))
        self.raw, self.extra = name, extra

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.raw, self.flag_bits & ~0x800


def unflagged(path: Path, *names: bytes, extra: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(Unflagged(name, extra), picture_bytes(0, (4, 4)))
    return path


@pytest.mark.parametrize("name", ["Möwe", "Mo\u0308we", "猫", "Käuzchen/été", "Ёж", "🐦"])
def test_names_in_a_zip_are_utf8_with_and_without_the_flag(tmp_path: Path, name: str) -> None:
    for path in (write_zip(tmp_path / "a.zip", name), unflagged(tmp_path / "b.zip", name.encode(), b"plain")):
        with open_archive(path) as archive:
            assert name in archive.names
            assert archive.remarks == ()
            assert archive.read(name) == archive.head(name, 99_999) == picture_bytes(0, (4, 4))
            assert archive.head(name, 8) == picture_bytes(0, (4, 4))[:8]


def test_names_in_a_zip_that_are_not_utf8_are_code_page_437_and_it_says_so(tmp_path: Path) -> None:
    path = unflagged(tmp_path / "x.zip", "Möwe".encode("cp437"), "é".encode(), b"plain")
    with open_archive(path) as archive:
        assert archive.names == ("Möwe", "é".encode().decode("cp437"), "plain")
        assert len(archive.remarks) == 1
        assert lacking(archive.remarks[0], str(tmp_path), "code page 437", " Möwe.") == []
        assert archive.read("Möwe") == picture_bytes(0, (4, 4))


def test_a_name_in_a_zip_that_stands_again_as_utf8_is_that(tmp_path: Path) -> None:
    raw, name = "Möwe".encode("cp850"), "Möwe, so".encode()
    field = struct.pack("<BL", 1, zlib.crc32(raw)) + name
    extra = struct.pack("<HH", 0x5455, 1) + b"\0" + struct.pack("<HH", 0x7075, len(field)) + field
    with open_archive(unflagged(tmp_path / "x.zip", raw, extra=extra)) as archive:
        assert archive.names == ("Möwe, so",)
        assert archive.remarks == ()


@pytest.mark.parametrize(
    "field",
    [b"", b"\1", struct.pack("<BL", 1, 5) + b"other", struct.pack("<BL", 1, zlib.crc32(b"a")) + b"\xff"],
    ids=["empty", "short", "of another name", "no UTF-8"],
)
def test_a_damaged_second_name_in_a_zip_does_not_count(tmp_path: Path, field: bytes) -> None:
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    with open_archive(unflagged(tmp_path / "x.zip", b"a", extra=extra)) as archive:
        assert archive.names == ("a",)


def test_names_in_a_tar_that_are_not_utf8_keep_their_bytes(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("M\xf6we/1.png"))
    with open_archive(tmp_path / "x.tar") as opened:
        assert opened.names == ("M\udcf6we/1.png",)


@pytest.mark.parametrize(
    "name",
    [
        "../cat/1.png",
        "cat/../../1.png",
        "cat/..",
        "/cat/1.png",
        "C:/cat/1.png",
        "..\\cat\\1.png",
        "cat\\..\\..\\1.png",
        "C:\\1.png",
    ],
)
def test_a_zip_with_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "x.zip", "dog/1.png", name)
    check_refused(path, "unsafe-archive", "'" + name.replace("\\", "/") + "'")


@pytest.mark.parametrize("name", ["cat/..1.png", "cat/a..b.png", "cat/...png"])
def test_dots_inside_a_name_lead_nowhere(tmp_path: Path, name: str) -> None:
    with open_archive(write_zip(tmp_path / "x.zip", name)) as archive:
        assert archive.names == (name,)


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = patch(write_zip(tmp_path / "x.zip", "cat/1.png"), CENTRAL, 24, struct.pack("<I", 2**32 - 16))
    check_refused(path, "unsafe-archive", "4.0 GiB", "100 times")


def test_many_large_pictures_are_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 10)
    path = write_zip(tmp_path / "x.zip", *(f"cat/{number}.png" for number in range(20)))
    with open_archive(path) as archive:
        assert len(archive.names) == 20


def test_a_member_larger_than_any_picture_has_a_reason(tmp_path: Path) -> None:
    path = patch(
        write_zip(tmp_path / "x.zip", "cat/1.png"), CENTRAL, 24, struct.pack("<I", module.MAX_FILE_BYTES + 2**20)
    )
    assert lacking(member_reason(path), "513 MiB", "512 MiB") == []


def test_a_member_that_unpacks_to_more_than_it_says_does_not_fill_the_memory(tmp_path: Path) -> None:
    true_size = 2**24
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.png", bytes(true_size))
    patch(path, CENTRAL, 24, struct.pack("<I", 100))
    patch(path, LOCAL, 22, struct.pack("<I", 100))
    tracemalloc.start()
    try:
        member_reason(path)
        assert tracemalloc.get_traced_memory()[1] < true_size / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06"], ids=["empty", "text", "cut off"])
def test_a_corrupt_zip_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    check_refused(tmp_path / "x.zip", "damaged-archive", tmp_path)


def test_half_a_zip_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check_refused(path, "damaged-archive", tmp_path)


def test_an_encrypted_member_has_a_reason(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png")
    patch(patch(path, CENTRAL, 8, b"\1"), LOCAL, 6, b"\1")
    assert "encrypted" in member_reason(path)


def test_a_member_of_unsupported_compression_has_a_reason(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png")
    patch(patch(path, CENTRAL, 10, struct.pack("<H", 97)), LOCAL, 8, struct.pack("<H", 97))
    assert "deflate" in member_reason(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_could_unpack_without_end_has_a_reason(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", compression=compression)
    assert "deflate" in member_reason(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_has_a_reason_and_the_others_are_read(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png", compression=compression)
    patch(path, LOCAL, 30 + len("cat/1.png") + 12, b"\xff\x00\xff\x00")
    assert member_reason(path).startswith("cannot be read from the archive: ")
    with open_archive(path) as archive:
        assert archive.read("dog/1.png") == picture_bytes(1, (4, 4))


def check_any_damage(data: st.DataObject, path: Path, num_bytes: int) -> None:
    """Damage the beginning of an archive: its pictures are read or have a reason, or the archive is refused."""
    content, places = bytearray(path.read_bytes()), st.integers(0, num_bytes - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        content[place] = value
    path.write_bytes(content[: data.draw(st.just(len(content)) | places)])
    try:
        with open_archive(path) as archive:
            for name in archive.names:
                try:
                    assert isinstance(archive.read(name), bytes)
                except UnreadablePictureError as reason:
                    assert str(reason)
    except SkysortError as error:
        assert error.code in ("damaged-archive", "unsafe-archive") and str(path) in str(error)


@given(data=st.data(), compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_damage_anywhere_in_a_zip_gives_bytes_a_reason_or_an_error(
    tmp_path: Path, data: st.DataObject, compression: int
) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", compression=compression)
    check_any_damage(data, path, path.stat().st_size)


@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_names_are_plain_and_folders_and_links_are_no_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    names = ("./cat/1.png", "cat//2.png", "cat/./3.png")
    if ending == ".zip":
        write_zip(path, *names)
    else:
        folder = tarfile.TarInfo("./cat")
        folder.type = tarfile.DIRTYPE
        write_tar(path, folder, *names)
    with open_archive(path) as archive:
        assert archive.names == ("cat/1.png", "cat/2.png", "cat/3.png")
        assert all(archive.read(name).startswith(b"\x89PNG") for name in archive.names)


def test_a_zip_with_backslashes_as_tools_of_windows_write_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "pictures\\cat\\1.png", "pictures\\cat\\")
    with open_archive(path) as archive:
        assert archive.names == ("pictures/cat/1.png",)
        assert archive.read("pictures/cat/1.png") == picture_bytes(0, (4, 4))


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_the_later_one_counts(tmp_path: Path, ending: str) -> None:
    write: Callable[..., Path] = write_zip if ending == ".zip" else write_tar
    with open_archive(write(tmp_path / f"x{ending}", "cat/1.png", "./cat/1.png", "cat/1.png")) as archive:
        assert archive.names == ("cat/1.png",)
        assert archive.read("cat/1.png") == picture_bytes(2, (4, 4))
        (remark,) = archive.remarks
        assert lacking(remark, f"x{ending}", " cat/1.png", "2 files") == []


@pytest.mark.parametrize("ending", TARS)
def test_a_tar_is_read_and_leaves_nothing_behind(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with open_archive(write_tar(tmp_path / f"x{ending}", "cat/1.png", "dog/1.png")) as archive:
        assert archive.names == ("cat/1.png", "dog/1.png")
        assert archive.read("dog/1.png") == picture_bytes(1, (4, 4))
        assert archive.read("cat/1.png") == picture_bytes(0, (4, 4))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_tar_is_one_whatever_its_name_and_a_zip_at_its_end_does_not_make_it_a_zip(tmp_path: Path) -> None:
    assert is_archive(write_tar(tmp_path / "x.tar", "cat/1.png").rename(tmp_path / "x.data"))
    inner = write_zip(tmp_path / "inner.zip", "dog/1.png").read_bytes()
    with tarfile.open(tmp_path / "x.tar", "w:") as archive:
        entry = tarfile.TarInfo("cat/inner.zip")
        entry.size = len(inner)
        archive.addfile(entry, io.BytesIO(inner))
    with open_archive(tmp_path / "x.tar") as opened:
        assert opened.names == ("cat/inner.zip",)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_a_tar_has_a_reason_and_is_not_followed(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("cat/1.png")
    entry.type, entry.linkname = kind, "/etc/passwd"
    path = write_tar(tmp_path / "x.tar", entry, "cat/2.png")
    assert "link or a device" in member_reason(path)
    with open_archive(path) as archive:
        assert archive.read("cat/2.png") == picture_bytes(1, (4, 4))


@pytest.mark.parametrize("name", ["../cat/1.png", "cat/../../1.png", "/cat/1.png", "C:\\1.png", "..\\cat\\1.png"])
def test_a_tar_with_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    check_refused(write_tar(tmp_path / "x.tar", "dog/1.png", name), "unsafe-archive", f"'{name}'")


def test_a_tar_that_says_it_holds_far_more_than_it_does_is_refused(tmp_path: Path) -> None:
    check_refused(write_tar(tmp_path / "x.tar", sparse("cat/1.png", 2**40)), "unsafe-archive", "1,024.0 GiB")


def sparse(name: str, size: int) -> tarfile.TarInfo:
    """Return a file of nothing but a hole."""
    entry = tarfile.TarInfo(name)
    entry.pax_headers = {"GNU.sparse.map": f"{size},0", "GNU.sparse.size": str(size), "GNU.sparse.major": "0"}
    return entry


def test_a_compressed_bomb_stops_as_soon_as_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 2**21)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(bytes(2**26)))
    check_refused(path, "unsafe-archive", "100 times")


def test_a_temporary_folder_that_is_full_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _content: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    path = write_tar(tmp_path / "x.tgz", "cat/1.png")
    check_refused(path, "system", "No space left on device", "$TMPDIR")


@pytest.mark.parametrize("ending", TARS)
@pytest.mark.parametrize("content", [b"", b"no tar at all"], ids=["empty", "text"])
def test_what_is_no_tar_is_an_error_that_names_it(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"x{ending}").write_bytes(content)
    check_refused(tmp_path / f"x{ending}", "damaged-archive", tmp_path)


@pytest.mark.parametrize("ending", TARS)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_half_a_tar_is_an_error_that_names_it(tmp_path: Path, ending: str, share: float) -> None:
    path = write_tar(tmp_path / f"x{ending}", *(f"cat/{number}.png" for number in range(60)))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size) // 512 * 512])
    check_refused(path, "damaged-archive", tmp_path)


def test_a_damaged_header_in_a_tar_is_no_end_of_it(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", "cat/1.png", "cat/2.png", "cat/3.png")
    patch(path, b"cat/2.png", 0, b"dog")
    check_refused(path, "damaged-archive", "1 entries")


def test_damage_inside_a_member_of_a_tar_is_that_pictures_alone(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", "cat/1.png", "cat/2.png")
    patch(path, b"\x89PNG", 0, b"????")
    with open_archive(path) as archive:
        assert archive.read("cat/1.png").startswith(b"????")
        assert archive.read("cat/2.png") == picture_bytes(1, (4, 4))


@given(data=st.data(), ending=st.sampled_from(TARS))
def test_damage_anywhere_in_a_tar_gives_bytes_a_reason_or_an_error(
    tmp_path: Path, data: st.DataObject, ending: str
) -> None:
    path = write_tar(tmp_path / f"x{ending}", "cat/1.png", sparse("cat/2.png", 100))
    check_any_damage(data, path, min(path.stat().st_size, 3001))


@pytest.mark.parametrize("name", ["none.zip", "none.tar"])
def test_an_archive_that_cannot_be_opened_is_named_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(SkysortError) as caught, open_archive(tmp_path / name):
        pass
    assert caught.value.code == "system" and "No such file or directory" in str(caught.value)
    assert str(caught.value).count(name) == 1


def test_a_member_that_unpacks_to_much_that_is_no_picture_is_not_unpacked(tmp_path: Path) -> None:
    size = 2**26
    packed = zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed, packed.open("a.png", "w") as member:
        for _ in range(size // 2**20):
            member.write(bytes(2**20))
    tracemalloc.start()
    with open_archive(tmp_path / "x.zip") as opened:
        assert not any(opened.read("a.png"))
        assert tracemalloc.get_traced_memory()[1] < size / 4
    tracemalloc.stop()


def test_a_large_file_is_refused_where_memory_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    check_file_size(2**27)
    monkeypatch.setattr("skysort.data.memory.MAX_BYTES", 2**27)
    with pytest.raises(UnreadablePictureError, match=r"128 MiB.* 64 MiB"):
        check_file_size(2**27)
