import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from skysort.classifier.classifier import Classifier
from skysort.work import move
from skysort.work import sort as module
from skysort.work.attempts import Attempts
from skysort.work.journal import Journal
from skysort.work.journal_rows import Row
from skysort.work.settle import End
from skysort.work.sort import sort_pictures
from tests.work.making import FirstPixel, files_below, row_for, with_session
from tests.work.test_watch import AIRPLANE, BIRD


def test_what_another_process_has_left_unfinished_since_is_not_sorted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, to = tmp_path / "holiday", tmp_path / "sorted"
    folder.mkdir()
    (folder / "a.png").write_bytes(AIRPLANE)
    (folder / "b.png").write_bytes(BIRD)
    plain = module.judge

    def settle(row: Row) -> End:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def judge(classifier: Classifier, paths: Sequence[Path], attempts: Attempts) -> Any:
        with Journal(to) as other, other.moving():
            other.plan(with_session(other, [row_for(folder / "a.png", to / "airplane" / "a.png")]))
        monkeypatch.setattr(move, "settle", settle)
        return plain(classifier, paths, attempts)

    monkeypatch.setattr(module, "judge", judge)
    ends = [
        (outcome.row.source.name, outcome.end) for outcome in sort_pictures(cast(Any, FirstPixel()), folder, to)
    ]
    assert ends == [("a.png", None), ("b.png", "done")]
    assert files_below(to) == {to / "bird" / "b.png": BIRD}
