import math

import pytest
import torch

from skysort.recipe import Loss, Optimizer, Schedule
from skysort.training.optimizer import build_optimizer, learning_rate, loss_function


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


def test_negative_log_likelihood_is_the_mean_of_minus_the_true_outputs() -> None:
    outputs = torch.tensor([[-0.1, -2.0], [-3.0, -0.05]])
    loss = loss_function(Loss(name="negative-log-likelihood"))(outputs, torch.tensor([0, 0]))
    assert loss.item() == pytest.approx((0.1 + 3.0) / 2)


def test_cross_entropy_is_minus_the_log_of_the_true_softmax() -> None:
    loss = loss_function(Loss())(torch.tensor([[1.0, 3.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + math.e**3)))


@pytest.mark.parametrize(
    ("name", "rates"),
    [("constant", [0.4, 0.4, 0.4]), ("linear", [0.4, 0.2, 0.1]), ("cosine", [0.4, 0.2, 0.2 - 0.2 / math.sqrt(2)])],
)
def test_the_learning_rate_follows_its_schedule(name: str, rates: list[float]) -> None:
    schedule = Schedule.model_validate({"name": name})
    assert [learning_rate(schedule, 0.4, step, 8) for step in (0, 4, 6)] == pytest.approx(rates)
