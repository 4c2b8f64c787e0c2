"""history.csv: one row per epoch, and one every few steps if the recipe says so, written during training."""

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from skysort.core.errors import SkysortError
from skysort.core.files import writing


@dataclass(frozen=True)
class HistoryRow:
    """One row. A figure that was not measured is empty."""

    kind: Literal["epoch", "steps"]
    """`epoch`: means over the epoch; `steps`: over the steps since the last such row."""
    epoch: int
    step: int
    """Steps done in this epoch."""
    train_loss: float
    train_accuracy: float
    """During training, on the augmented batches."""
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    """Seconds of training since the start of the run, without pauses."""
    pictures_per_second: float


class History:
    """Appends rows. A resume first cuts off the rows after its checkpoint."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        self.path = path
        if num_bytes and not path.exists():
            raise SkysortError(
                "damaged-run",
                f"{path} is missing, and the checkpoint continues from its first {num_bytes:,} bytes; restore it",
            )
        with writing(path):
            if num_bytes and path.stat().st_size < num_bytes:
                raise SkysortError(
                    "damaged-run",
                    f"{path} is shorter than at its checkpoint:"
                    f" {path.stat().st_size:,} bytes, expected {num_bytes:,}",
                )
            self._file = path.open("r+" if num_bytes else "w", encoding="utf-8", newline="")
            self._file.truncate(num_bytes)
            self._file.seek(num_bytes)
        self._writer = csv.DictWriter(
            self._file, [field.name for field in fields(HistoryRow)], lineterminator="\n"
        )
        if not num_bytes:
            self._writer.writeheader()

    def add(self, row: HistoryRow) -> None:
        """Append one row and flush it, so that `tail -f` shows it."""
        shown = {
            name: f"{value:.9g}" if isinstance(value, float) else value for name, value in asdict(row).items()
        }
        with writing(self.path):
            self._writer.writerow(shown)
            self._file.flush()

    def sync(self) -> int:
        """Write all rows to disk, and return the number of bytes."""
        with writing(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
