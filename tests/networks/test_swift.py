import math

import pytest
import torch
from torch import nn

from skysort.data.decode import Shape
from skysort.networks.families import build_layers, initial_network
from skysort.networks.inference import InferenceNetwork
from skysort.networks.layers import PictureNetwork
from skysort.networks.swift import Group, Whitening
from skysort.recipe.networks import SwiftNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation
from tests.conftest import refused

HALF = Normalisation(mean=(0.5,) * 3, std=(0.5,) * 3)


def network(recipe: str = "swift", *settings: str, num_steps: int = 2) -> PictureNetwork:
    """Return a network in float64 whose normalisations have seen some batches, in training mode."""
    made = initial_network(Recipe.load(recipe, settings), Shape(32, 3), 3, HALF).double()
    with torch.no_grad():
        for seed in range(num_steps):
            made(pictures(16, seed))
    return made


def pictures(num: int, seed: int = 0, size: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("size", "channels", "num_groups", "stride", "last"),
    [(8, 3, 1, 1, 3), (28, 1, 3, 1, 3), (32, 3, 3, 1, 3), (64, 3, 3, 2, 3), (224, 3, 4, 4, 3), (5, 1, 1, 1, 2)],
)
def test_depth_follows_the_size(size: int, channels: int, num_groups: int, stride: int, last: int) -> None:
    layers = build_layers(SwiftNetwork(width=4), Shape(size, 1 if channels == 1 else 3), 5)
    groups = [layer for layer in layers if isinstance(layer, Group)]
    assert [group.second.out_channels for group in groups] == [4 * 2**number for number in range(num_groups)]
    whitening = layers[0]
    assert isinstance(whitening, Whitening)
    assert whitening.stride == (stride, stride)
    values = torch.zeros(2, channels, size, size)
    for layer in layers[:-1]:
        values = layer(values)
    assert values.shape[2:] == (last, last)
    assert layers(torch.zeros(2, channels, size, size)).shape == (2, 5)


def test_a_picture_too_small_names_the_smallest() -> None:
    with refused("pictures-too-small", "2x2", "--set pictures.size=5)"):
        build_layers(SwiftNetwork(), Shape(2, 3), 2)
    with refused("pictures-too-small", "8x8", "--set pictures.size=20)"):
        build_layers(SwiftNetwork(stride=4), Shape(8, 3), 2)


def test_whitened_patches_have_variance_one_and_no_correlation() -> None:
    whitening = Whitening(3, 2, 2)
    torch.manual_seed(0)
    with torch.no_grad():
        mixed = torch.randn(200, 3, 16, 16) @ torch.randn(16, 16) + 0.1 * torch.randn(200, 3, 16, 16)
        whitening.init_from_data(mixed)
        outputs = whitening(mixed).transpose(0, 1).flatten(1)  # (24, N * positions)
    num = len(outputs) // 2
    second_moments = outputs[:num] @ outputs[:num].T / outputs.shape[1]
    assert torch.allclose(second_moments, torch.eye(num), atol=0.05)
    assert torch.equal(outputs[num:], -outputs[:num])


def test_the_filters_of_whitening_are_not_learned_and_its_biases_are() -> None:
    made = network()
    learned = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    assert "layers.0.weight" not in learned
    assert "layers.0.bias" in learned
    assert not {name for name in learned if "normalisation.weight" in name}


def test_looking_at_pictures_sets_the_filters_of_a_whitening_layer_alone() -> None:
    made = network(num_steps=0)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made.init_from_data(pictures(64))
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"layers.0.weight"}
    plain = initial_network(Recipe.load("convnet"), Shape(32, 3), 2, HALF)
    plain.init_from_data(pictures(4))  # nothing to do


@pytest.mark.parametrize("recipe", ["swift", "convnet-batchnorm", "resnet-deep", "resnet-deep-shared", "mlp"])
def test_folding_keeps_the_answers(recipe: str) -> None:
    made = network(recipe)
    whole = made.eval()
    with torch.no_grad():
        expected, found = whole(pictures(8, 9)), made.folded()(pictures(8, 9))
    assert torch.allclose(found, expected, atol=1e-9)
    assert not [module for module in made.folded().modules() if isinstance(module, nn.BatchNorm2d)]


def test_folding_leaves_the_network_as_it_was() -> None:
    made = network()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made.folded()
    assert made.training
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_with_flips_the_logits_are_the_mean_of_both_views() -> None:
    made = network().eval()
    some = pictures(5, 3)
    with torch.no_grad():
        expected = (made(some) + made(some.flip(3))) / 2
        found = InferenceNetwork(made, flip=True)(some)
    assert torch.allclose(found, expected, atol=1e-9)
    assert torch.allclose(InferenceNetwork(made, flip=True)(some.flip(3)), found, atol=1e-9)
    assert math.isfinite(found.sum().item())
