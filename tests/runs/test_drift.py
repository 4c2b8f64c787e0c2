"""What the journal says about drift, joined with trust: over rows written into it, and over a watcher's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from skysort.classifier.classifier import Classifier
from skysort.runs.drift import DriftReport, drift_folder
from skysort.runs.drift_text import as_json, as_text
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, Settings, replaced
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import Stop, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import SETTINGS, FirstPixel
from tests.work.test_coins import RULE
from tests.work.test_watch import picture, put

Change = Callable[[np.random.Generator], dict[str, object]]


def usual(rng: np.random.Generator) -> dict[str, object]:
    share = float(rng.uniform(0.5, 1))
    return {
        "probabilities": (share, 1 - share), "similarity": float(rng.normal(5)),
        "brightness": float(rng.uniform(0.3, 0.7)), "sharpness": float(rng.uniform(0.1, 0.3)),
    }  # fmt: skip


def unsure(rng: np.random.Generator) -> dict[str, object]:
    share = float(rng.uniform(0.5, 0.6))
    return usual(rng) | {"probabilities": (share, 1 - share)}


def write(top: Path, num: int, make: Change, settings: Settings = SETTINGS, seed: int = 0) -> None:
    """Write rows of pictures into the journal as a watcher does."""
    rng = np.random.default_rng(seed)
    with Journal(top / "aside", make=True) as journal:
        session = journal.session(settings)
        plain = JournalEntry(
            "move", top / "inbox" / "a.png", top / "aside" / "a.png", "ab" * 32, Identity(1, 5, 7), "set-aside",
            "airplane", session=session,
        )  # fmt: skip
        rows = (replaced(plain, digest=f"{1000 * seed + n:064x}", **make(rng)) for n in range(num))
        journal.finish(journal.plan(rows), [])


def report(top: Path, **more: object) -> DriftReport:
    return drift_folder(top / "aside", reference=100, **more)


def test_pictures_in_order_are_nothing_to_look_at(tmp_path: Path) -> None:
    write(tmp_path, 60, usual)
    early = report(tmp_path)
    assert early.is_early and not early.says_look and "too early" in as_text(early)
    write(tmp_path, 340, usual, seed=1)
    found = report(tmp_path)
    assert (found.result.arrivals, len(found.scores), found.says_look) == (300, 2, False)
    assert json.loads(as_json(found))["look"] is False


def test_lower_confidences_say_look_since_when_and_which_way(tmp_path: Path) -> None:
    write(tmp_path, 300, usual)
    write(tmp_path, 60, unsure, seed=1)
    found = report(tmp_path)
    assert found.says_look and found.directions == {"confidence": "lower"} and found.faults == ()
    assert found.changed and found.noticed and found.changed <= found.noticed
    assert 190 <= (found.result.change_at or 0) <= 210
    text = as_text(found)
    assert "look" in text and "broken" not in text.lower()


def test_without_similarity_only_confidence_counts(tmp_path: Path) -> None:
    write(tmp_path, 150, lambda rng: usual(rng) | {"similarity": None})
    write(tmp_path, 50, usual, seed=1)
    assert report(tmp_path).scores == ("confidence",)


def test_another_classifier_begins_anew_and_another_decision_does_not(tmp_path: Path) -> None:
    write(tmp_path, 150, unsure)
    write(tmp_path, 150, usual, replaced_settings(classifier="1" * 64), seed=1)
    assert (len(report(tmp_path).rows), report(tmp_path).says_look) == (150, False)
    write(tmp_path, 10, usual, replaced_settings(classifier="1" * 64, decision="keep-bird"), seed=2)
    assert len(report(tmp_path).rows) == 160


def test_pictures_that_an_earlier_classifier_left_are_not_those_of_the_camera(tmp_path: Path) -> None:
    write(tmp_path, 150, usual)
    new = replaced_settings(classifier="1" * 64)
    write(tmp_path, 150, unsure, new)  # the same pictures again
    with refused("no-pictures"):
        report(tmp_path)
    write(tmp_path, 200, usual, new, seed=1)
    assert (len(report(tmp_path).rows), report(tmp_path).says_look) == (200, False)


def replaced_settings(**values: object) -> Settings:
    return Settings(**vars(SETTINGS) | values)


def test_dark_pictures_are_a_fault_of_the_camera(tmp_path: Path) -> None:
    write(tmp_path, 200, usual)
    write(tmp_path, 9, lambda rng: usual(rng) | {"brightness": 0.05}, seed=1)
    found = report(tmp_path)
    (fault,) = found.faults
    assert (fault.name, fault.last.id) == ("dark", 209) and fault.pictures >= 9
    assert found.says_look and f"camera: dark, {fault.pictures} pictures" in as_text(found)
    assert json.loads(as_json(found))["faults"][0]["first_path"] == str(tmp_path / "aside" / "a.png")


def test_a_burst_counts_once(tmp_path: Path) -> None:
    times = iter(range(10**6))

    def in_bursts(rng: np.random.Generator) -> dict[str, object]:
        number = next(times)
        at_first = np.random.default_rng(number // 5)
        return usual(at_first) | {"taken": 3600.0 * (number // 5) + number % 5}

    write(tmp_path, 2000, in_bursts)
    found = report(tmp_path)
    assert (found.num_pictures, len(found.rows), found.result.is_alarm) == (2000, 400, False)
    assert [fault.name for fault in found.faults] == ["repeated"]
    assert "1,600 more in bursts" in as_text(found)


def test_since_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, 200, usual)
    write(tmp_path, 130, unsure, seed=1)
    before = report(tmp_path)
    again = report(tmp_path, since=before.rows[200].planned)
    assert before.says_look and len(again.rows) == 130 and not again.says_look
    with refused("no-pictures"):
        report(tmp_path, since=1e11)
    with refused("wrong-value", exit_code=2):
        drift_folder(tmp_path / "aside", reference=3)


class Unsure(FirstPixel):
    """A classifier that is less sure of brighter pictures."""

    def answer(self, decoded):  # type: ignore[no-untyped-def]
        from skysort.classifier.predictions import labelled, unreadable

        return [
            unreadable(path, picture)
            if isinstance(picture, str)
            else labelled(path, np.array([share := 0.5 + picture.mean() / 512, 1 - share]), self.classes)
            for path, picture in decoded
        ]


def sort(top: Path, values: range) -> None:
    put(top, {f"inbox/{value}.png": picture(value) for value in values})
    put(top, {"inbox/broken.png": b"no"})
    options = WatchOptions(top / "inbox", top / "aside", top / "blog", once=True, settle=0.0, stuck=0.0)
    watch_inbox(cast(Classifier, Unsure()), RULE, options, Stop())


def test_a_watcher_writes_what_drift_reads(tmp_path: Path) -> None:
    sort(tmp_path, range(100, 200, 2))
    sort(tmp_path, range(10, 50))
    found = drift_folder(tmp_path / "aside", reference=50)
    assert (len(found.rows), found.directions) == (90, {"confidence": "lower"})  # the unreadable one is none
    assert [fault.name for fault in found.faults] == ["dark"]
    assert found.rows[0].brightness == pytest.approx(int(found.rows[0].source.stem) / 255)
    assert {"10.png", "11.png"} <= {loud.path.name for loud in found.loudest} and len(found.loudest) == 12

    with Journal(tmp_path / "aside") as journal:
        rows = list(journal.rows(picture="10.png"))
        for result in take_back(journal, iter(rows), UndoRequest("undo", True, "bird", False)):
            assert not result.problem
    (tmp_path / "aside" / "11.png").unlink(missing_ok=True)
    (tmp_path / "blog" / "11.png").unlink(missing_ok=True)
    again = drift_folder(tmp_path / "aside", reference=50)
    assert len(again.rows) == 90
    paths = [loud.path for loud in again.loudest]
    assert tmp_path / "inbox" / "10.png" in paths and "11.png" not in {path.name for path in paths}
