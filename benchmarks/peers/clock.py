"""How long a peer may train: what the runners share, with nothing of Skysort in it."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SHARE_TO_MEASURE = 0.05
"""Of the time, kept for looking at the held-out pictures."""


@dataclass
class Clock:
    """Counts from the start of the process."""

    folder: Path
    minutes: float
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds_left(self) -> float:
        """Seconds that may still be trained."""
        return self.started + 60 * self.minutes * (1 - SHARE_TO_MEASURE) - time.perf_counter()

    def steps_left(self, step: Callable[[], object], num_timed: int = 10) -> int:
        """Take some steps and say how many fit into the time that is left after them."""
        step()  # the first is slower
        before = time.perf_counter()
        for _ in range(num_timed):
            step()
        return max(1, int(self.seconds_left / ((time.perf_counter() - before) / num_timed)))

    def tell(self, accuracy: float, **more: object) -> None:
        """Print what peers.py reads: one line of JSON, the last."""
        seconds = time.perf_counter() - self.started
        print(json.dumps({"accuracy": accuracy, "seconds": seconds, **more}), flush=True)


def asked() -> Clock:
    """Read the folder with train/ and test/, and the minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("minutes", type=float)
    found = parser.parse_args()
    return Clock(found.folder, found.minutes)
