"""How long a peer may train: what the runners share, with nothing of Skysort in it."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SHARE_TO_MEASURE = 0.05
"""Of the time, kept for looking at the held-out pictures, by a peer that does not say how long that takes."""


@dataclass
class Clock:
    """Counts from the start of the process."""

    folder: Path
    minutes: float
    cores: int = 0
    """So many cores' processor time counts, all of it spread evenly; 0: the time that passes counts."""
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = 0.0 if self.cores else time.perf_counter()

    def now(self) -> float:
        """Return the seconds that count."""
        return time.process_time() / self.cores if self.cores else time.perf_counter()

    @property
    def seconds_left(self) -> float:
        """Seconds that may still be trained."""
        return self.started + 60 * self.minutes * (1 - SHARE_TO_MEASURE) - self.now()

    def steps_left(
        self, step: Callable[[], object], answer: Callable[[], object], num_answers: int, num_timed: int = 10
    ) -> int:
        """Say how many steps fit in, after a few to see how long they take.

        Args:
            step: takes one.
            answer: to a batch of pictures.
            num_answers: batches of held-out pictures, to be answered after the last step.
            num_timed: steps; a third as many answers.
        """
        seconds = []
        for work, num in ((answer, max(1, num_timed // 3)), (step, num_timed)):
            work()  # the first is slower
            before = self.now()
            for _ in range(num):
                work()
            seconds.append((self.now() - before) / num)
        for_answers = max(0.0, num_answers * seconds[0] - 60 * self.minutes * SHARE_TO_MEASURE)
        return max(1, int((self.seconds_left - for_answers) / seconds[1]))

    def tell(self, accuracy: float, **more: object) -> None:
        """Print what peers.py reads: one line of JSON, the last."""
        seconds = self.now() - self.started
        print(json.dumps({"accuracy": accuracy, "seconds": seconds, **more}), flush=True)


def asked() -> Clock:
    """Read the folder with train/ and test/, the minutes, and whose time they are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--cores", type=int, default=0, help="count the processor time of this many cores")
    found = parser.parse_args()
    return Clock(found.folder, found.minutes, found.cores)
