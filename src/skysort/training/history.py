"""history.csv: a row an epoch, and every so many steps, written as training goes."""

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from skysort.core.errors import SkysortError
from skysort.core.files import writing


@dataclass(frozen=True)
class HistoryRow:
    """One row; what was not measured is empty."""

    kind: Literal["epoch", "steps"]
    """`epoch`: means over the epoch; `steps`: over the steps since the last such row."""
    epoch: int
    step: int
    """Steps done in this epoch."""
    train_loss: float
    train_accuracy: float
    """While training, on the batches as they were trained on."""
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    """Of training since the start of the run, pauses left out."""
    pictures_per_second: float


class History:
    """Appends rows; a resume first cuts off what came after its checkpoint."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        self.path = path
        if num_bytes and not path.exists():
            raise SkysortError(
                "damaged-run",
                f"{path} is missing, and the checkpoint goes on from its first {num_bytes:,} bytes; put it back",
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
        """Append one row, where `tail -f` sees it."""
        shown = {
            name: f"{value:.9g}" if isinstance(value, float) else value for name, value in asdict(row).items()
        }
        with writing(self.path):
            self._writer.writerow(shown)
            self._file.flush()

    def sync(self) -> int:
        """Bring what is written onto the disk, and return how many bytes that is."""
        with writing(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
