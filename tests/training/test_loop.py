import math
from itertools import count

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skysort.data.decode import Shape
from skysort.networks.families import initial_network
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Loss, Normalisation
from skysort.training import loop
from skysort.training.batches import SplitPictures
from skysort.training.loop import (
    Task,
    evaluate,
    evaluate_in_training_mode,
    train_epoch,
)
from skysort.training.optimizer import LossFunction, build_optimizer, loss_function
from skysort.training.pace import Pace
from skysort.training.step_results import DivergedError, StepResults
from tests.conftest import refused

CPU = torch.device("cpu")
LOSS = loss_function(Loss())
HALF = Normalisation(mean=(0.5,) * 3, std=(0.5,) * 3)


def by_class(num: int) -> SplitPictures:
    """Return pictures class by class: dark pictures, then light ones."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), num // 2)
    pixels = rng.integers(0, 60, (num, 3, 8, 8)) + 150 * labels[:, None, None, None]
    return SplitPictures(num, lambda rows: pixels[rows].astype(np.uint8), labels)


class Normalised(PictureNetwork):
    """Takes a picture for class 1 when it is lighter than the batch's mean, by normalisation alone."""

    def __init__(self) -> None:
        layers = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
        super().__init__(layers, nn.Identity(), HALF.mean, HALF.std)
        linear = layers[-1]
        assert isinstance(linear, nn.Linear)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor([[-1.0] * 3, [1.0] * 3]))
            linear.bias.zero_()


def test_in_training_mode_batches_are_mixed_and_go_by_their_own_statistics() -> None:
    network, split = Normalised(), by_class(256)
    # The running mean lies far below all pictures, so evaluation mode takes every one for class 1.
    network.layers[0].running_mean.fill_(-9.0)  # type: ignore[index]
    assert evaluate(network, split, LOSS, CPU).accuracy == 0.5
    assert evaluate_in_training_mode(network, split, LOSS, 0, CPU).accuracy == 1.0


def test_measuring_in_training_mode_leaves_the_network_as_it_was() -> None:
    recipe = Recipe.load("convnet-batchnorm", ["network.dropout=0.4"])
    network = initial_network(recipe, Shape(8, 3), 2, HALF).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first, second = (evaluate_in_training_mode(network, by_class(128), LOSS, 0, CPU) for _ in range(2))
    assert first == second
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def task_of(network: PictureNetwork, recipe: Recipe, loss: LossFunction) -> Task:
    return Task(network, build_optimizer(recipe.optimizer, network.parameters()), loss, recipe, by_class(60), CPU)


def test_a_loss_of_nan_changes_no_weight_though_statistics_have_moved() -> None:
    recipe = Recipe.load("swift", ["network.width=4", "training.batch_size=20", "augment.flip=none"])
    network = initial_network(recipe, Shape(8, 3), 2, HALF)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    task = task_of(network, recipe, lambda outputs, _labels: outputs.sum() * math.nan)
    with refused("diverged", "nan", "epoch 1, step 1,", "no weight"):
        train_epoch(task, 1, 0, StepResults(CPU, lambda *_: None), lambda _: None)
    weights = {name for name, _ in network.named_parameters()}
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert not moved & weights


def mlp_task(loss: LossFunction) -> Task:
    recipe = Recipe.load("mlp-small", ["training.batch_size=20", "optimizer.learning_rate=0.1"])
    return task_of(initial_network(recipe, Shape(8, 3), 2, HALF), recipe, loss)


def test_figures_that_are_read_a_step_late_are_the_same_in_the_same_order() -> None:
    at_once: list[tuple[float, int, int]] = []
    late: list[tuple[float, int, int]] = []
    train_epoch(mlp_task(LOSS), 1, 0, StepResults(CPU, lambda *figures: at_once.append(figures)), lambda _: None)
    num_read = []
    results = StepResults(CPU, lambda *figures: late.append(figures), lag=1)
    train_epoch(mlp_task(LOSS), 1, 0, results, lambda _: num_read.append(len(late)))
    assert num_read == [0, 1, 2]
    results.read_all()
    assert late == at_once
    assert [pictures for _loss, _right, pictures in late] == [20] * 3


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_loss_of_infinity_is_noticed_though_it_is_read_late(broken: int) -> None:
    steps = count(1)

    def breaking(outputs: Tensor, labels: Tensor) -> Tensor:
        return LOSS(outputs, labels) * (math.inf if next(steps) == broken else 1)

    done: list[int] = []
    results = StepResults(CPU, lambda *_: None, lag=1)
    with pytest.raises(DivergedError, match=f"inf .*epoch 1, step {broken},") as error:
        train_epoch(mlp_task(breaking), 1, 0, results, done.append)
        results.read_all()
    assert "no weight" not in str(error.value)
    assert len(done) == broken  # with the update that was not wanted, and none after it


@pytest.mark.parametrize(
    ("size", "sizes"), [(32, [250, 250]), (64, [250, 250]), (224, [20, 20, 20]), (1200, [1, 1])]
)
def test_large_pictures_are_evaluated_fewer_at_a_time(size: int, sizes: list[int]) -> None:
    num = sum(sizes)
    split = SplitPictures(
        num, lambda rows: np.zeros((len(rows), 3, size, size), np.uint8), np.zeros(num, np.int64)
    )
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    found: list[int] = []
    layers.register_forward_hook(lambda _module, inputs, _outputs: found.append(len(inputs[0])))
    evaluate(PictureNetwork(layers, nn.Identity(), HALF.mean, HALF.std), split, LOSS, CPU)
    assert found == sizes


@pytest.mark.parametrize(
    ("recipe", "depends"),
    [("mlp", False), ("convnet", False), ("convnet-dropout", True), ("resnet-deep-shared", True)],
)
def test_a_network_knows_whether_its_mode_matters(recipe: str, depends: bool) -> None:
    assert initial_network(Recipe.load(recipe), Shape(32, 3), 2, HALF).depends_on_mode is depends


def test_a_plan_within_a_time_has_the_steps_that_were_measured_so_it_compiles_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quicker = nn.Identity()
    monkeypatch.setattr(loop, "compiled", lambda *_: quicker)
    assert mlp_task(LOSS).forward is quicker
    task = mlp_task(LOSS)
    task.pace = Pace(60.0, per_step=0.001, per_epoch=0.0, steps_per_epoch=3)
    assert task.forward is task.network
