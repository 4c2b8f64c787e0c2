import math
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from skysort.recipe.sections import Loss, Optimizer, Schedule
from skysort.training.optimizer import build_optimizer, class_weights, learning_rate, loss_function, penalty

pytestmark = pytest.mark.usefixtures("in_float64")


def test_sgd_with_momentum_steps_as_defined() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = build_optimizer(Optimizer(learning_rate=0.1, momentum=0.9, weight_decay=0.5), [weight])
    expected, velocity = 2.0, 0.0
    for gradient in (1.0, -3.0, 0.25):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        velocity = 0.9 * velocity + gradient + 0.5 * expected
        expected -= 0.1 * velocity
        assert weight.item() == pytest.approx(expected)


GRADIENTS = (1.0, -3.0, 0.25)


def steps(optimizer: Optimizer) -> list[float]:
    """Return where a weight that starts at 2 is after each gradient."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    built = build_optimizer(optimizer, [weight])
    found = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor([gradient])
        built.step()
        found.append(weight.item())
    return found


def test_nesterov_momentum_steps_as_defined() -> None:
    expected, weight, velocity = [], 2.0, 0.0
    for gradient in GRADIENTS:
        velocity = 0.9 * velocity + gradient
        weight -= 0.1 * (gradient + 0.9 * velocity)
        expected.append(weight)
    assert steps(Optimizer(learning_rate=0.1, momentum=0.9, nesterov=True)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_steps_as_defined(name: Literal["adam", "adamw"]) -> None:
    expected, weight, first, second = [], 2.0, 0.0, 0.0
    for number, plain in enumerate(GRADIENTS, 1):
        if name == "adamw":
            weight -= 0.1 * 0.5 * weight
        gradient = plain + 0.5 * weight if name == "adam" else plain
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weight -= 0.1 * (first / (1 - 0.9**number)) / (math.sqrt(second / (1 - 0.999**number)) + 1e-8)
        expected.append(weight)
    assert steps(Optimizer(name=name, learning_rate=0.1, weight_decay=0.5)) == pytest.approx(expected)


def test_rmsprop_steps_as_defined() -> None:
    expected, weight, mean_square, velocity = [], 2.0, 0.0, 0.0
    for plain in GRADIENTS:
        gradient = plain + 0.5 * weight
        mean_square = 0.99 * mean_square + 0.01 * gradient**2
        velocity = 0.9 * velocity + gradient / (math.sqrt(mean_square) + 1e-8)
        weight -= 0.1 * velocity
        expected.append(weight)
    found = steps(Optimizer(name="rmsprop", learning_rate=0.1, momentum=0.9, weight_decay=0.5))
    assert found == pytest.approx(expected)


LOGITS = torch.tensor([[1.0, 3.0], [0.0, -2.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 0])


@pytest.mark.parametrize(
    ("name", "outputs", "expected"),
    [
        ("cross-entropy", LOGITS, (math.log(1 + math.e**2) + math.log(1 + math.e**-2)) / 2),
        ("negative-log-likelihood", LOGITS, (math.log(1 + math.e**2) + math.log(1 + math.e**-2)) / 2),
        # two classes: each picture's two errors are equal
        ("mean-squared-error", LOGITS, ((1 / (1 + math.e**-2)) ** 2 + (1 / (1 + math.e**2)) ** 2) / 2),
        ("regression", torch.tensor([[0.5], [-2.0]]), (0.5**2 + 2.0**2) / 2),
        (
            "binary-cross-entropy",
            torch.tensor([[2.0], [-1.0]]),
            (math.log(1 + math.e**2) + math.log(1 + 1 / math.e)) / 2,
        ),
    ],
)
def test_a_loss_is_as_defined(name: str, outputs: torch.Tensor, expected: float) -> None:
    loss = loss_function(Loss.model_validate({"name": name}))
    assert loss(outputs, LABELS).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["cross-entropy", "negative-log-likelihood", "mean-squared-error"])
def test_a_loss_takes_shares_of_classes(name: str) -> None:
    loss = loss_function(Loss.model_validate({"name": name}))
    logits = torch.tensor([[1.0, 3.0, 0.5], [0.0, -2.0, 1.0]])
    certain = torch.eye(3)[[2, 0]]
    assert loss(logits, certain).item() == pytest.approx(loss(logits, torch.tensor([2, 0])).item())
    shares = torch.tensor([[0.3, 0.7, 0.0], [0.0, 0.0, 1.0]])
    softmax = logits.softmax(dim=1)
    expected = -(shares * softmax.log()).sum(dim=1).mean()
    if name == "mean-squared-error":
        expected = (softmax - shares).square().mean()
    assert loss(logits, shares).item() == pytest.approx(expected.item())


WEIGHTED = Loss(class_weights="balanced")


def test_class_weights_are_those_of_scikit_learn() -> None:
    labels = np.array([2, 0, 0, 0, 1, 0, 2, 0])
    found = class_weights(WEIGHTED, labels)
    assert found is not None
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert found.tolist() == pytest.approx(expected.tolist())
    assert class_weights(Loss(), labels) is None


@pytest.mark.parametrize("name", ["cross-entropy", "negative-log-likelihood"])
def test_a_weighted_loss_is_the_weighted_mean_of_pictures(name: str) -> None:
    logits, labels = torch.tensor([[1.0, 3.0, 0.5], [0.0, -2.0, 1.0], [0.2, 0.1, 0.0]]), torch.tensor([0, 2, 2])
    weights = torch.tensor([3.0, 1.0, 0.5])
    loss = loss_function(Loss.model_validate({"name": name, "class_weights": "balanced"}), weights)
    losses = -logits.log_softmax(dim=1)[torch.arange(3), labels]
    expected = (3 * losses[0] + 0.5 * losses[1] + 0.5 * losses[2]) / 4
    assert loss(logits, labels).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_a_weighted_loss_of_shares_is_that_of_as_many_pictures_of_each_class(label_smoothing: float) -> None:
    logits, weights = torch.tensor([[1.0, 3.0, 0.5], [0.0, -2.0, 1.0]]), torch.tensor([3.0, 1.0, 0.5])
    loss = loss_function(Loss(class_weights="balanced", label_smoothing=label_smoothing), weights)
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.5, 0.5]])
    labels = torch.tensor([0, 1, 1, 1, 1, 1, 2, 2])
    expected = loss(logits.repeat_interleave(4, dim=0), labels)
    assert loss(logits, shares).item() == pytest.approx(expected.item())
    assert loss(logits, torch.eye(3)[[2, 0]]).item() == pytest.approx(loss(logits, torch.tensor([2, 0])).item())


def test_the_losses_of_one_output_tell_the_classes_apart() -> None:
    for name in ("regression", "binary-cross-entropy"):
        loss = loss_function(Loss.model_validate({"name": name}))
        outputs = torch.tensor([[3.0]])
        assert loss(outputs, torch.tensor([1])).item() != pytest.approx(loss(outputs, torch.tensor([0])).item())


def test_penalties_add_up_all_parameters_that_are_learned() -> None:
    network = torch.nn.Linear(2, 1)
    network.frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -3.0]]))
        network.bias.fill_(2.0)
    assert penalty(Loss(), network) == 0.0
    added = penalty(Loss(l1=0.5, l2=0.1), network)
    assert isinstance(added, torch.Tensor)
    assert added.item() == pytest.approx(0.5 * 6 + 0.1 * 14)


@pytest.mark.parametrize(
    ("name", "rates"),
    [("constant", [0.4, 0.4, 0.4]), ("linear", [0.4, 0.2, 0.1]), ("cosine", [0.4, 0.2, 0.2 - 0.2 / math.sqrt(2)])],
)
def test_the_learning_rate_follows_its_schedule(name: str, rates: list[float]) -> None:
    schedule = Schedule.model_validate({"name": name})
    assert [learning_rate(schedule, 0.4, step, 8) for step in (0, 4, 6)] == pytest.approx(rates)
