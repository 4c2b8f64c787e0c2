from itertools import product

import pytest
import torch
from torch import nn

from skysort.training.random_streams import Stream, dropout_rng, flip_coins, stream_rng

CPU = torch.device("cpu")
LARGEST = 2**32 - 1
SEEDS = (0, 1, 2, 3, 2**31, LARGEST - 1, LARGEST)
STEPS = (*range(12), 2**16, LARGEST)


def test_a_stream_gives_the_same_draws_at_the_same_seed_epoch_and_step() -> None:
    for stream, seed, epoch, step in product(Stream, (0, LARGEST), (0, 1), (0, 7)):
        first, again = (stream_rng(stream, seed, epoch, step).random(5).tolist() for _ in range(2))
        assert first == again


def test_no_two_streams_meet() -> None:
    points = list(product(Stream, SEEDS, STEPS, STEPS))
    seen: set[int] = set()
    for point in points:
        # Streams that ran into each other would share draws further on, so several of each are compared.
        seen.update(stream_rng(*point).integers(2**63, size=8).tolist())
    assert len(seen) == 8 * len(points)


def dropped(seed: int, epoch: int, step: int) -> list[float]:
    with dropout_rng(seed, epoch, step, CPU):
        return nn.functional.dropout(torch.ones(64), 0.5).tolist()


def test_dropout_follows_from_seed_epoch_and_step_alone() -> None:
    first = dropped(1, 2, 3)
    torch.rand(7)
    assert dropped(1, 2, 3) == first


def test_dropout_never_meets_itself() -> None:
    points = list(product((0, 1, LARGEST), range(6), range(6)))
    assert len({tuple(dropped(*point)) for point in points}) == len(points)


def test_dropout_leaves_pytorchs_own_generator_as_it_was() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3).tolist()
    torch.manual_seed(0)
    dropped(1, 2, 3)
    assert torch.rand(3).tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_coin_belongs_to_its_row_wherever_that_comes(seed: int) -> None:
    coins = flip_coins(torch.arange(1000), seed)
    assert torch.equal(flip_coins(torch.arange(999, -1, -1), seed).flip(0), coins)
    others = [flip_coins(torch.arange(1000), other) for other in SEEDS if other != seed]
    assert all(0.4 < (coins == other).float().mean() < 0.6 for other in others)
