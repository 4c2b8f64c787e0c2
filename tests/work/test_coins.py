import errno
import logging
import os
import stat
from pathlib import Path
from typing import cast

import pytest

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Calibration, Decision
from skysort.core.errors import SkysortError
from skysort.work import journal as journal_module
from skysort.work.coins import AuditRates, coin_of, make_seed, read_seed, seed_file
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import Stop, watch, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import FirstPixel
from tests.work.test_watch import AIRPLANE, BIRD, picture, put

RULE = Decision(
    name="keep-bird", keep=("bird",), threshold=0.5, lose_at_most=0.1, confidence=0.9,
    calibration=Calibration(pictures=100, lost=0), set_aside=None, date="2026-11-23",
)  # fmt: skip
RATES = AuditRates(0.5, 0.2)


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "skysort")
    (tmp_path / "inbox").mkdir()
    return tmp_path


def watch_once(top: Path, audit: AuditRates | None = RATES, **more: object) -> None:
    options = WatchOptions(top / "inbox", top / "aside", once=True, settle=0.0, stuck=0.0, audit=audit, **more)
    watch_inbox(cast(Classifier, FirstPixel()), RULE, options, Stop())


def rows(top: Path) -> list[JournalEntry]:
    with Journal(top / "aside") as journal:
        return list(journal.rows())


def test_every_readable_picture_has_its_rates_and_a_coin(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD, "inbox/broken.png": b"no"})
    watch_once(top)
    by_name = {row.source.name: row for row in rows(top)}
    seed = read_seed(top / "aside.journal")
    assert seed
    for name in ("a.png", "b.png"):
        row = by_name[name]
        assert (row.audit_aside, row.audit_keep) == (0.5, 0.2)
        assert row.coin == coin_of(seed, row.id, row.digest)
        assert row.is_drawn == (row.coin < (0.5 if name == "a.png" else 0.2))
    assert (by_name["broken.png"].audit_keep, by_name["broken.png"].coin) == (None, None)
    if os.name == "posix":
        assert stat.S_IMODE(seed_file(top / "aside.journal").stat().st_mode) == 0o600


def test_without_an_audit_there_is_no_coin_and_no_seed(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    watch_once(top, None)
    assert [row.coin for row in rows(top)] == [None] and not seed_file(top / "aside.journal").exists()


def test_the_same_picture_again_has_a_coin_of_its_own(top: Path) -> None:
    for number in range(6):
        put(top, {f"inbox/{number}.png": AIRPLANE})
    watch_once(top)
    assert len({row.coin for row in rows(top)}) == 6


def test_coins_are_uniform_and_differ_between_seeds() -> None:
    one, other = ([coin_of(seed, number, "ab" * 32) for number in range(2000)] for seed in (b"a", b"b"))
    assert all(0 <= coin < 1 for coin in one) and set(one).isdisjoint(other)
    for below in (0.02, 0.1, 0.5):
        num = sum(coin < below for coin in one)
        assert abs(num - 2000 * below) < 4 * (2000 * below * (1 - below)) ** 0.5


def test_a_row_is_on_the_disk_before_its_coin(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    seen: list[list[int]] = []

    def tossed(seed: bytes, number: int, digest: str) -> float:
        seen.append([row.id for row in rows(top)])
        return coin_of(seed, number, digest)

    monkeypatch.setattr(journal_module, "coin_of", tossed)
    watch_once(top)
    assert seen == [[1]]


@pytest.mark.parametrize("content", [AIRPLANE, BIRD], ids=["moves", "stays"])
def test_after_a_kill_before_the_coin_every_finished_row_has_one(
    content: bytes, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(top, {"inbox/a.png": content})

    def killed(*_: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "coin_of", killed)
        with pytest.raises(KeyboardInterrupt):
            watch_once(top)
    watch_once(top)
    (row,) = rows(top)
    seed = read_seed(top / "aside.journal")
    assert seed and row.done and row.coin == coin_of(seed, 1, row.digest), "that of the first attempt"


def test_a_move_that_was_not_made_keeps_its_coin_for_the_next_attempt(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(top, {"inbox/a.png": AIRPLANE})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("skysort.work.moves.rename_new", full)
            with refused("some-not-moved"):
                watch_once(top)
        assert rows(top) == []
    watch_once(top)
    (row,) = rows(top)
    seed = read_seed(top / "aside.journal")
    assert seed and (row.id, row.coin_row, row.coin) == (3, 1, coin_of(seed, 1, row.digest))
    put(top, {"inbox/a.png": AIRPLANE})
    watch_once(top)
    again, _ = rows(top)
    assert (again.id, again.coin_row, again.coin) == (4, None, coin_of(seed, 4, row.digest)), "it came again"


def test_rates_may_change_and_no_picture_is_judged_again(top: Path) -> None:
    put(top, {"inbox/b.png": BIRD})
    watch_once(top)
    (before,) = rows(top)
    put(top, {"inbox/c.png": picture(201)})
    watch_once(top, AuditRates(1.0, 0.7))
    new, old = rows(top)
    assert old == before and (new.audit_aside, new.audit_keep) == (1.0, 0.7)
    watch_once(top, None)
    assert rows(top) == [new, old]


def test_an_undo_is_no_arrival(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    watch_once(top)
    with Journal(top / "aside") as journal:
        assert not next(take_back(journal, journal.rows(takeable="moves"), UndoRequest())).problem
    undo, row = rows(top)
    assert row.coin is not None and (undo.audit_aside, undo.audit_keep, undo.coin) == (None, None, None)


def test_a_damaged_seed_stops_the_watcher_and_moves_nothing(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    (top / "aside.journal").mkdir()
    seed_file(top / "aside.journal").write_text("abc")
    with refused("damaged-journal", seed_file(top / "aside.journal")):
        watch_once(top)
    assert (top / "inbox" / "a.png").read_bytes() == AIRPLANE
    seed_file(top / "aside.journal").unlink()
    watch_once(top)
    assert [row.kind for row in rows(top)] == ["move"]


def test_a_seed_is_made_once(tmp_path: Path) -> None:
    assert read_seed(tmp_path) is None
    assert make_seed(tmp_path) == make_seed(tmp_path) == read_seed(tmp_path)


def test_rates_are_parsed() -> None:
    assert AuditRates.parse("5%") == AuditRates(0.05, 0.05)
    assert AuditRates.parse("keep=2%, aside=100%") == AuditRates(1.0, 0.02)
    for text in (
        "0",
        "0%",
        "101%",
        "-1%",
        "nan",
        "",
        "aside=10%",
        "aside=1%,aside=2%",
        "aside=1%,keep=0",
        "a=1,b=1",
    ):
        with refused("wrong-value", "--audit", exit_code=2):
            AuditRates.parse(text)


def test_an_audit_needs_a_promise(top: Path) -> None:
    with pytest.raises(SkysortError) as error:
        watch(cast(Classifier, FirstPixel()), top / "inbox", top / "aside", keep="bird", audit="5%")
    assert error.value.code == "options-conflict"
