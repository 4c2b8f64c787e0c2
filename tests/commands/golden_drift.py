"""Measures how far the golden losses drift when the last bits of the weights are changed at the start.

    python -m tests.commands.golden_drift

Another processor adds up in another order, which changes last bits. So this drift is what the golden test must
allow. Run it when a golden loss is added.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skysort import cli
from skysort.training import fit as fitting
from tests.commands.test_golden import GOLDEN, arguments, losses_of

NUM_TRIALS = 10
fit = fitting.fit


def draw_last_bits(network: torch.nn.Module, seed: int) -> None:
    """Draw the last bit of each weight anew: half of them change."""
    rng = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        bits = parameter.detach().view(torch.int32)
        bits ^= torch.randint(0, 2, bits.shape, generator=rng, dtype=torch.int32)


def losses(golden: tuple[str, str, int], seed: int | None) -> list[float]:
    """Return the golden losses, with the last bits of the weights drawn from a seed, or as they are."""

    def changed(network: torch.nn.Module, *others: Any) -> None:
        if seed is not None:
            draw_last_bits(network, seed)
        fit(network, *others)  # type: ignore[arg-type]
        sys.exit()  # the history is written

    fitting.fit = changed  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["skysort", *arguments(*golden, Path(folder) / "run"), "--quiet"]
        try:
            cli.main()
        except SystemExit as ended:
            assert not ended.code
        return losses_of(Path(folder) / "run")


if __name__ == "__main__":
    for golden in GOLDEN:
        plain = losses(golden, None)
        drift = [max(abs(np.subtract(losses(golden, seed), plain))) for seed in range(NUM_TRIALS)]
        print(*golden, plain, f"largest drift {max(drift):.1e}", flush=True)
