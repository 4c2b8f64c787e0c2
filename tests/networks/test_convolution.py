import pytest
import torch
from torch import nn

from skysort.networks.convolution import Conv2d

pytestmark = pytest.mark.usefixtures("in_float64")


def made(kind: type[nn.Conv2d], **options: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return kind(3, 8, 3, **options).to(memory_format=torch.channels_last)


def gradients(layer: nn.Conv2d, values: torch.Tensor) -> list[torch.Tensor | None]:
    layer(values).square().mean().backward()
    return [parameter.grad for parameter in (layer.weight, layer.bias)] + [values.grad]


@pytest.mark.parametrize("num_pictures", [2, 90])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2}, {"stride": 2, "padding": 2}])
@pytest.mark.parametrize("learns_filters", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_it_is_pytorchs_own(num_pictures: int, options: dict[str, int], learns_filters: bool, first: bool) -> None:
    own, plain = made(Conv2d, **options), made(nn.Conv2d, **options)
    values = torch.randn(num_pictures, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    values = values.contiguous(memory_format=torch.channels_last)
    assert torch.equal(own(values), plain(values))
    assert torch.equal(own.eval()(values), plain(values))
    own.train()
    found = []
    for layer in (own, plain):
        layer.weight.requires_grad = learns_filters
        found.append(gradients(layer, values.clone().requires_grad_(not first)))
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_filters_that_do_not_learn_have_no_gradient_computed() -> None:
    layer = made(Conv2d)
    layer.weight.requires_grad = False
    with torch.profiler.profile() as profile:
        layer(torch.randn(90, 3, 11, 11)).sum().backward()
    names = {event.key for event in profile.key_averages()}
    assert "aten::sum" in names
    assert not names & {"aten::convolution_backward", "aten::mkldnn_convolution_backward"}
