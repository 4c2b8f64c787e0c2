"""Muon: steps that are orthogonal, for the filters of convolutions.

Source: Keller Jordan and others, Muon: An optimizer for hidden layers in neural networks, 2024, in the form in
which it trains the network of networks/swift.py. PyTorch's own takes only matrices and computes in bfloat16,
which is several times slower than float32 on processors without instructions for it.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ_STEPS = 5
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration. They bring every singular value near one, those near zero quickest."""
SMALLEST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Nesterov momentum. For convolutions, each step is replaced by the nearest orthogonal matrix.

    Filters are also scaled to a fixed norm, the square root of their number, before each step. A normalisation
    follows them, so their norm only decides how far a step turns them.

    Args:
        groups: of parameters, each with `params`, `lr` and `momentum`; in those with `orthogonal` all parameters
            are filters, (outputs, inputs, height, width).
    """

    def __init__(self, groups: Iterable[dict[str, object]]) -> None:
        super().__init__(groups, {"orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                change = self._with_momentum(parameter, group["momentum"])
                if group["orthogonal"]:
                    parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
                    change = orthogonal(change.flatten(1)).view_as(parameter)
                parameter.add_(change, alpha=-group["lr"])

    def _with_momentum(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        state["momentum_buffer"].mul_(momentum).add_(gradient)
        return gradient.add(state["momentum_buffer"], alpha=momentum)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix with orthogonal rows, or columns where these are fewer.

    Singular values end between about 0.7 and 1.2, which serves as well as one and takes fewer steps. Each step of
    the iteration multiplies by a polynomial of the products of all rows. These polynomials commute, so they are
    multiplied by each other first, and the matrix once at the end. That takes half the time, because filters have
    several times as many columns as rows.

    Args:
        matrix: (M, N) float32.
    """
    is_tall = len(matrix) > matrix.shape[1]
    wide = matrix.T if is_tall else matrix
    wide = wide / (wide.norm() + SMALLEST_NORM)
    a, b, c = NEWTON_SCHULZ
    products = wide @ wide.T
    factors: list[Tensor] = []
    for _ in range(NEWTON_SCHULZ_STEPS):
        if factors:
            products = factors[-1] @ products @ factors[-1]
        factors.append(torch.addmm(products, products, products, beta=b, alpha=c))
        factors[-1].diagonal().add_(a)
    result: Tensor = torch.linalg.multi_dot([*factors, wide])
    return result.T if is_tall else result
