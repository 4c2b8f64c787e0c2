import csv
import io
from pathlib import Path

import pytest

from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry
from skysort.work.journal_export import write_csv
from tests.work.making import with_session

FORMULA = JournalEntry(
    "move", Path("/in/a.jpg"), Path("/aside/a.jpg"), "ab" * 32, Identity(1, 5, 7), "set-aside", "=1+1", (0.9, 0.1),
    reason="@why", correction="-bird", by="undo",
)  # fmt: skip


@pytest.mark.parametrize(("raw", "quote"), [(False, "'"), (True, "")])
def test_csv_holds_no_formula_unless_raw(raw: bool, quote: str, tmp_path: Path) -> None:
    file = io.StringIO(newline="")
    with Journal(tmp_path / "aside", make=True) as journal:
        journal.finish(journal.plan(with_session(journal, [FORMULA])), [])
        write_csv(journal.rows(), journal, file, raw=raw)
    (row,) = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert [row[name] for name in ("label", "reason", "correction")] == [
        f"{quote}=1+1",
        f"{quote}@why",
        f"{quote}-bird",
    ]
