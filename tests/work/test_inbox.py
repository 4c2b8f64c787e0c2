import io
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from skysort.classifier.classifier import Classifier
from skysort.work import inbox as module
from skysort.work.arrivals import Stop
from skysort.work.classify import LabelRule
from skysort.work.inbox import Inbox
from skysort.work.journal import Journal
from skysort.work.status_file import Counts
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import FirstPixel, files_below
from tests.work.test_watch import AIRPLANE, BIRD, events, picture, put, until, watching

OLD = time.time() - 3600


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "skysort")
    (tmp_path / "inbox").mkdir()
    return tmp_path


def once(top: Path, **changed: Any) -> Counts:
    options = WatchOptions(top / "inbox", top / "aside", **{"once": True, "settle": 0.01, **changed})
    return watch_inbox(cast(Classifier, FirstPixel()), LabelRule(("bird",)), options, Stop())


def several(form: str, num: int = 6) -> bytes:
    """A dark picture of several frames or pages."""
    frames = [Image.effect_noise((64, 64), 20 + number).point(lambda value: value // 4) for number in range(num)]
    file = io.BytesIO()
    frames = [frame.convert("RGB") for frame in frames]
    more: dict[str, Any] = {} if form == "JPEG" else {"save_all": True, "append_images": frames[1:]}
    frames[0].save(file, form, **more)
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")
def test_a_file_that_is_open_for_writing_is_not_taken(top: Path) -> None:
    put(top, {"inbox/whole.png": AIRPLANE})
    with (top / "inbox" / "a.png").open("wb") as upload:
        upload.write(AIRPLANE)
        upload.flush()
        os.utime(top / "inbox" / "a.png", (OLD, OLD))
        counts = once(top, stuck=0.0)
        assert (counts.actions, counts.waiting) == ({"set-aside": 1}, 1)
        assert (top / "inbox" / "a.png").exists()
        upload.write(b"a film")
    assert once(top).actions == {"set-aside": 1}
    assert (top / "aside" / "a.png").read_bytes() == AIRPLANE + b"a film"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")
def test_an_upload_that_stalls_is_taken_when_it_has_ended(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that copies may set the size first. The missing bytes are zeros."""
    content = several("JPEG", 1)
    with watching(top), (top / "inbox" / "a.jpg").open("wb") as upload:
        upload.truncate(len(content))
        upload.write(content[: len(content) // 2])
        upload.flush()
        put(top, {"inbox/after.png": AIRPLANE})
        until((top / "aside" / "after.png").exists)
        put(top, {"inbox/later.png": AIRPLANE})
        until((top / "aside" / "later.png").exists)
        assert (top / "inbox" / "a.jpg").exists()
        upload.write(content[len(content) // 2 :])
        upload.close()
        until((top / "aside" / "a.jpg").exists)
    assert (top / "aside" / "a.jpg").read_bytes() == content


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP", "MPO", "JPEG"])
def test_a_file_whose_container_has_not_ended_waits_and_is_then_judged_as_it_is(form: str, top: Path) -> None:
    """Its label is that of `predict`, or none if its first picture is incomplete, too."""
    content = several(form)
    cut = content[: len(content) * 2 // 3]
    has_picture = form in ("GIF", "TIFF", "PNG", "MPO")
    put(top, {"inbox/a.img": cut})
    counts = once(top, review=top / "review")
    assert (counts.actions, counts.waiting) == ({}, 1)
    os.utime(top / "inbox" / "a.img", (OLD, OLD))
    assert once(top, review=top / "review").actions == {"set-aside" if has_picture else "review": 1}
    with Journal(top / "aside") as journal:
        (row,) = journal.rows()
    assert row.label == ("airplane" if has_picture else None) and bool(row.reason) is not has_picture
    put(top, {"inbox/b.img": content})
    assert once(top).actions == {"set-aside": 1}


@pytest.mark.parametrize("grew", [False, True])
def test_without_knowledge_of_writers_a_file_that_never_grew_waits_longer(
    grew: bool, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "is_open_for_writing", lambda path: None)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    inbox = Inbox(top / "inbox", 2.0, 600.0, lambda *_: False, lambda *_: False, by_own_time=False)
    put(top, {"inbox/a.png": AIRPLANE[:10] if grew else bytes(len(AIRPLANE))})
    inbox.sweep()
    put(top, {"inbox/a.png": AIRPLANE})
    inbox.see(top / "inbox" / "a.png")
    now += 2.1
    assert inbox.take(9) == ([top / "inbox" / "a.png"] if grew else [])
    now += 7.0
    assert bool(inbox.take(9)) == grew
    now += 1.0
    assert inbox.take(9) == [top / "inbox" / "a.png"]


def test_content_decides_what_is_a_picture_and_other_files_are_counted(
    top: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a.jfif", "b.jpe", "c.mpo", "d", "e.txt", "f.JPG.bak", "IMG_1"]
    put(top, {f"inbox/{name}": picture(number) for number, name in enumerate(names)})
    put(top, {"inbox/notes.txt": b"hello", "inbox/clip.mp4": b"\0\0\0\x18ftypisom", "inbox/empty": b""})
    put(top, {"inbox/@eaDir/a.jpg/thumb.jpg": AIRPLANE, "inbox/#recycle/x.png": AIRPLANE})
    put(top, {"inbox/.thumbnails/x.png": AIRPLANE, "inbox/lost+found/x.png": AIRPLANE})
    put(top, {"elsewhere/x.png": AIRPLANE})
    (top / "inbox" / "link.png").symlink_to(top / "elsewhere" / "x.png")
    counts = once(top)
    assert (counts.actions, counts.passed_over, counts.waiting) == ({"set-aside": 7}, 4, 0)
    *_, told = (record for record in caplog.records if record.getMessage().startswith("passed over"))
    assert cast(Any, told).facts == {"num": 4, "first": str(top / "inbox" / "clip.mp4")}
    assert {str(path.relative_to(top / "inbox")) for path in files_below(top / "inbox")} == {
        "notes.txt", "clip.mp4", "empty", "@eaDir/a.jpg/thumb.jpg", "#recycle/x.png", ".thumbnails/x.png",
        "lost+found/x.png", "link.png",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a.heic", "a.jpg", "a"])
def test_a_picture_of_an_unsupported_format_goes_to_review(name: str, top: Path) -> None:
    put(top, {f"inbox/{name}": b"8BPS\0\x01" + bytes(100)})
    assert once(top, review=top / "review", stuck=0.0).actions == {"review": 1}
    with Journal(top / "aside") as journal:
        (row,) = journal.rows()
    assert "PSD" in row.reason


def test_a_file_that_becomes_a_picture_is_sorted(top: Path) -> None:
    put(top, {"inbox/upload": b""})
    inbox = Inbox(top / "inbox", 0.0, 600.0, lambda *_: False, lambda *_: False, by_own_time=False)
    inbox.sweep()
    assert inbox.take(9) == [] and len(inbox.passed_over) == 1
    inbox.sweep()
    assert inbox.waiting == {} and len(inbox.passed_over) == 1
    put(top, {"inbox/upload": AIRPLANE})
    inbox.see(top / "inbox" / "upload")
    assert inbox.take(9) == [top / "inbox" / "upload"] and not inbox.passed_over


def test_linked_folders_are_passed_over_and_counted(top: Path) -> None:
    put(top, {"private/a.png": AIRPLANE, "inbox/b.png": BIRD})
    (top / "inbox" / "folder").symlink_to(top / "private", target_is_directory=True)
    assert once(top).passed_over == 1
    assert (top / "private" / "a.png").exists()


def test_a_closed_folder_is_an_error_after_the_other_pictures_are_sorted(
    top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(top, {"inbox/closed/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    plain = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return plain(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        with refused("some-not-moved", 1):
            once(top)
    assert (top / "aside" / "b.png").exists() and events(caplog).count("cannot read folder") == 1
    assert once(top).actions == {"set-aside": 1}


def test_an_error_is_logged_once_until_it_changes(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    inbox = Inbox(top / "inbox", 0.0, 600.0, lambda *_: False, lambda *_: False, by_own_time=False)
    inbox.sweep()
    path = top / "inbox" / "a.png"
    errors = [OSError(5, "one"), OSError(5, "one"), OSError(5, "two"), MemoryError(), MemoryError()]
    assert [inbox.try_again(path, error) for error in errors] == [True, False, True, True, False]
