from typing import get_args

import pytest

from skysort.networks import families, swift
from skysort.networks.families import variants
from skysort.recipe.networks import AnyNetwork, ConvNetwork, MlpNetwork, SwiftNetwork


def test_every_network_of_a_recipe_has_a_family() -> None:
    names = {section.model_fields["name"].default for section in get_args(AnyNetwork)}
    assert names - {"backbone"} == families._FAMILIES.keys()  # a backbone is no PyTorch network


@pytest.mark.parametrize("network", [MlpNetwork(), ConvNetwork()])
def test_a_family_that_does_not_shrink_has_one_variant(network: AnyNetwork) -> None:
    assert [(variant.network, variant.least_epochs) for variant in variants(network, 32)] == [(network, 1)]


@pytest.mark.parametrize(("size", "stride"), [(32, 1), (64, 2), (224, 4)])
def test_variants_of_swift_are_multiples_of_the_stride_for_the_size(size: int, stride: int) -> None:
    chosen_before = SwiftNetwork(width=7, stride=9)
    sizes = []
    for variant in variants(chosen_before, size):
        assert isinstance(variant.network, SwiftNetwork)
        sizes.append((variant.network.stride, variant.network.width, variant.least_epochs))
        assert f"{variant.network.width} " in variant.size
        assert variant.size.endswith(f" {variant.network.stride}")
    assert sizes == [(of_size.stride * stride, of_size.width, of_size.least_epochs) for of_size in swift.SIZES]


def test_small_pictures_have_no_variant_of_a_wider_stride() -> None:
    networks = [variant.network for variant in variants(SwiftNetwork(), 15)]
    assert networks == [SwiftNetwork(width=size.width, stride=1) for size in swift.SIZES if size.stride == 1]
