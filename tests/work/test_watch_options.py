import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from skysort.classifier.classifier import Classifier
from skysort.core.locks import locked
from skysort.work.arrivals import Stop
from skysort.work.classify import LabelRule
from skysort.work.journal import Journal, journal_folder
from skysort.work.status_file import watcher_lock
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions, lies_in
from tests.conftest import refused
from tests.work.making import FirstPixel, files_below
from tests.work.test_watch import AIRPLANE, BIRD

UPLOADS = {
    ".IMG_7.jpg.partial": b"half an upload",
    ".cam.partial/IMG_8.png": BIRD,
    ".a.png.0a1b2c3d.partial": BIRD,
}


def fill(folder: Path) -> dict[Path, bytes]:
    for name, content in {"a.png": AIRPLANE, **UPLOADS}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files_below(folder.parent)


def once(**folders: Path) -> None:
    options = WatchOptions(**folders, once=True, settle=0.0)  # type: ignore[arg-type]
    watch_inbox(cast(Classifier, FirstPixel()), LabelRule(("bird",)), options, Stop())


@pytest.mark.parametrize("below", ["", "cam", "cam/2026"])
@pytest.mark.parametrize("option", ["inbox", "keep_to", "review"])
def test_no_folder_lies_in_the_journal(option: str, below: str, tmp_path: Path) -> None:
    """Otherwise uploads would be among files that Skysort writes and removes."""
    for name in ("in", "x.journal"):
        (tmp_path / name).mkdir()
    before = fill(tmp_path / "x.journal" / below)
    folders = {"inbox": tmp_path / "in", "aside": tmp_path / "x", option: tmp_path / "x.journal" / below}
    with refused("folders-overlap", tmp_path / "x.journal", exit_code=2):
        once(**folders)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("option", ["inbox", "aside", "keep_to", "review"])
def test_no_folder_lies_in_the_journal_of_another_watch(option: str, tmp_path: Path) -> None:
    with Journal(tmp_path / "other", make=True):
        pass
    (tmp_path / "in").mkdir()
    before = fill(journal_folder(tmp_path / "other"))
    folders = {"inbox": tmp_path / "in", "aside": tmp_path / "x"} | {option: journal_folder(tmp_path / "other")}
    with refused("folders-overlap", journal_folder(tmp_path / "other"), exit_code=2):
        once(**folders)
    assert files_below(tmp_path) == before


def test_other_files_in_a_journals_folder_stay(tmp_path: Path) -> None:
    """A folder of that name may exist before."""
    (tmp_path / "in").mkdir()
    before = fill(tmp_path / "x.journal")
    once(inbox=tmp_path / "in", aside=tmp_path / "x")
    assert before.items() <= files_below(tmp_path).items()


def test_one_folder_by_two_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in" / "aside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    with refused("folders-overlap", "--aside", tmp_path / "in" / "aside", exit_code=2):
        once(inbox=tmp_path / "in", aside=tmp_path / "link" / "aside")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder at a second place")
def test_a_folder_that_is_mounted_at_two_places_is_one(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "second").mkdir()
    bound = ["mount", "--bind", tmp_path / "in", tmp_path / "second"]
    if subprocess.run(bound, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        assert lies_in(tmp_path / "second" / "deep", tmp_path / "in")
        with refused("folders-overlap", "--aside", tmp_path / "second", tmp_path / "in", exit_code=2):
            once(inbox=tmp_path / "in", aside=tmp_path / "second" / "deep" / "aside")
    finally:
        subprocess.run(["umount", tmp_path / "second"], check=True)


def test_a_journal_has_one_watcher(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    once(inbox=tmp_path / "in", aside=tmp_path / "x")
    lock = watcher_lock(journal_folder(tmp_path / "x"))
    with locked(lock), refused("in-use", tmp_path / "x.journal"):
        once(inbox=tmp_path / "in", aside=tmp_path / "x")
