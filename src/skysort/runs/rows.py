"""The rows of predictions.csv and calibration.csv: the answers of a run's classifier to pictures of a split."""

import csv
import shlex
from dataclasses import dataclass
from typing import Literal

from skysort.core.damage import damaged
from skysort.runs.folder import Run

File = Literal["predictions.csv", "calibration.csv"]


@dataclass(frozen=True)
class Row:
    """The answer to one readable picture."""

    path: str
    """In the listing of the run's pictures."""
    truth: str
    label: str
    """The likeliest class, also of an unknown picture."""
    is_unknown: bool
    probabilities: dict[str, float]
    """By class, in the classifier's order."""


def read_rows(run: Run, name: File) -> list[Row]:
    """Return the rows of the readable pictures.

    Raises:
        SkysortError: when the file is missing or damaged.
    """
    path = run.path / name
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [_row(row) for row in csv.DictReader(file) if row["status"] != "unreadable"]
    except (OSError, LookupError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise damaged("damaged-run", path, error, again(run)) from None


def again(run: Run) -> str:
    """Return advice to write the files again."""
    return f"measure it again: skysort evaluate {shlex.quote(str(run.path))}"


def _row(row: dict[str, str]) -> Row:
    shares = {name[2:]: float(share) for name, share in row.items() if name.startswith("p:")}
    is_unknown = row["status"] == "unknown"
    label = max(shares, key=shares.__getitem__) if is_unknown else row["label"]
    if not {label, row["truth"]} <= shares.keys():
        raise ValueError(f"the row of {row['path']} names a class that has no column")
    return Row(row["path"], row["truth"], label, is_unknown, shares)
