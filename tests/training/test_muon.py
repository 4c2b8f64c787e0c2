import pytest
import torch

from skysort.recipe.sections import Optimizer
from skysort.training.muon import NEWTON_SCHULZ_STEPS, orthogonal
from skysort.training.optimizer import build_optimizer

pytestmark = pytest.mark.usefixtures("in_float64")
MUON = Optimizer(
    name="muon",
    learning_rate=0.1,
    momentum=0.6,
    linear_learning_rate=0.5,
    bias_learning_rate=0.25,
    sgd_momentum=0.8,
)


@pytest.mark.parametrize("shape", [(8, 8), (4, 30), (30, 4)])
def test_orthogonal_keeps_the_directions_and_levels_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(1e-3 * matrix)
    assert found.shape == shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    levelled = left.T @ found @ right.T
    kept = torch.diag(levelled)[values > 0.1 * values.max()]
    assert torch.all((kept > 0.6) & (kept < 1.3))
    assert torch.allclose(levelled, torch.diag(torch.diag(levelled)), atol=1e-9)


def test_a_gradient_of_zero_gives_no_step() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_singular_values_follow_the_quintic_of_the_source() -> None:
    value = 0.3
    for _ in range(NEWTON_SCHULZ_STEPS):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    # a second singular value makes the norm one
    found = orthogonal(torch.diag(torch.tensor([0.3, (1 - 0.3**2) ** 0.5])))
    assert found[0, 0].item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (32, 288), (288, 32)])
def test_orthogonal_is_the_iteration_of_the_source_for_directions_of_all_sizes(shape: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=rng), full_matrices=False)
    matrix = left @ torch.diag(torch.logspace(0, -6, min(shape))) @ right
    expected = matrix / matrix.norm()
    for _ in range(NEWTON_SCHULZ_STEPS):
        products = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * products + 2.0315 * products @ products) @ expected
    assert torch.allclose(orthogonal(matrix), expected, atol=1e-6)


def test_filters_take_orthogonal_steps_of_the_momentum_at_a_fixed_norm() -> None:
    torch.manual_seed(0)
    filters = torch.nn.Parameter(torch.randn(6, 3, 2, 2))
    expected, buffer = filters.detach().clone(), torch.zeros(6, 3, 2, 2)
    optimizer = build_optimizer(MUON, [filters])
    for _ in range(3):
        gradient = torch.randn(6, 3, 2, 2)
        filters.grad = gradient.clone()
        optimizer.step()
        buffer = 0.6 * buffer + gradient
        expected = expected * 6**0.5 / expected.norm()
        expected -= 0.1 * orthogonal((gradient + 0.6 * buffer).view(6, 12)).view(6, 3, 2, 2)
        assert torch.allclose(filters, expected, atol=1e-9)


def test_linear_layers_and_biases_take_nesterov_steps_at_rates_of_their_own() -> None:
    weight, bias = (torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 3), (2,)))
    optimizer = build_optimizer(MUON, [weight, bias])
    velocity, expected = 0.0, [1.0, 1.0]
    for gradient in (1.0, -2.0, 0.5):
        for parameter in (weight, bias):
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        velocity = 0.8 * velocity + gradient
        expected = [
            value - rate * (gradient + 0.8 * velocity) for value, rate in zip(expected, (0.5, 0.25), strict=True)
        ]
        assert weight.detach().numpy() == pytest.approx(expected[0])
        assert bias.detach().numpy() == pytest.approx(expected[1])


def test_what_is_not_learned_is_left_out() -> None:
    kept, frozen = (torch.nn.Parameter(torch.ones(2, 1, 3, 3), requires_grad=grad) for grad in (True, False))
    (group,) = build_optimizer(MUON, [kept, frozen]).param_groups
    assert group["params"] == [kept]
    assert group["initial_lr"] == 0.1
