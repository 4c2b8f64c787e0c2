from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from skysort.classifier.proof import LARGEST_DIFFERENCE
from skysort.data.decode import Shape
from skysort.networks.convnet import ResidualBlock
from skysort.networks.convolution import Conv2d
from skysort.networks.families import build_layers, check_classes, initial_network
from skysort.networks.layers import LogitOfOne, PictureNetwork, ShareOfOne
from skysort.recipe.load import recipe_names
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Loss, Normalisation
from tests.conftest import refused

RGB32, GREY28 = Shape(32, 3), Shape(28, 1)
PARAMETERS = {
    "mlp": 1_574_402,
    "mlp-single-sample": 1_574_402,
    "mlp-full-batch": 1_574_402,
    "mlp-deep": 3_737_474,
    "mlp-mse": 1_574_402,
    "mlp-regression": 1_573_889,
    "mlp-bce": 1_573_889,
    "mlp-crop": 1_574_402,
    "mlp-small": 6_152,
    "convnet": 18_090,
    "convnet-wide": 38_386,
    "convnet-l2": 38_386,
    "convnet-dropout": 38_386,
    "convnet-batchnorm": 38_482,
    "convnet-residual": 16_130,
    "resnet-deep-shared": 75_810,
    "resnet-deep": 159_330,
    "lenet": 62_006,
    "lenet-wide": 256_830,
    "mnist-cnn": 421_642,
}
HALF = {channels: Normalisation(mean=(0.5,) * channels, std=(0.5,) * channels) for channels in (1, 3)}
CLASSES = {"lenet": 10, "lenet-wide": 10, "mnist-cnn": 10}


def of_recipe(name: str) -> tuple[PictureNetwork, Shape, int]:
    """Return a recipe's network as on the data its text speaks of, with that data's shape and classes."""
    recipe = Recipe.load(name)
    shape, num_classes = GREY28 if name == "mnist-cnn" else RGB32, CLASSES.get(name, 2)
    return initial_network(recipe, shape, num_classes, HALF[shape.channels]), shape, num_classes


def test_every_recipe_of_a_text_is_held_to_its_parameters() -> None:
    assert {name for name in recipe_names() if Recipe.load(name).published} == PARAMETERS.keys()


@pytest.mark.parametrize("recipe", PARAMETERS)
def test_a_recipe_has_its_published_number_of_parameters_and_gives_logits(recipe: str) -> None:
    network, shape, num_classes = of_recipe(recipe)
    assert network.num_parameters == PARAMETERS[recipe]
    pictures = torch.randint(0, 256, (3, shape.channels, shape.size, shape.size), dtype=torch.uint8)
    assert network.head(network(pictures)).shape == (3, num_classes)


@pytest.mark.parametrize(
    ("recipe", "shapes"),
    [
        ("mlp", [(3072,), (512,), (512,), (2,)]),
        ("mlp-bce", [(3072,), (512,), (512,), (1,)]),
        ("mlp-deep", [(3072,), (1024,), (1024,), (512,), (512,), (128,), (128,), (2,)]),
        (
            "convnet",
            [
                (16, 32, 32),
                (16, 16, 16),
                (16, 16, 16),
                (8, 16, 16),
                (8, 8, 8),
                (8, 8, 8),
                (512,),
                (32,),
                (32,),
                (2,),
            ],
        ),
        (
            "convnet-residual",
            [
                (32, 32, 32),
                *[(32, 16, 16)] * 2,
                (16, 16, 16),
                *[(16, 8, 8)] * 3,
                (16, 4, 4),
                (256,),
                (32,),
                (32,),
                (2,),
            ],
        ),
        (
            "resnet-deep-shared",
            [(32, 32, 32), (32, 16, 16), (32, 16, 16), (32, 16, 16), (32, 8, 8), (2048,), (32,), (32,), (2,)],
        ),
        (
            "lenet",
            [
                (6, 28, 28),
                *[(6, 14, 14)] * 2,
                (16, 10, 10),
                *[(16, 5, 5)] * 2,
                (400,),
                *[(120,)] * 2,
                *[(84,)] * 2,
                (10,),
            ],
        ),
        (
            "mnist-cnn",
            [(32, 28, 28), *[(32, 14, 14)] * 2, (64, 14, 14), *[(64, 7, 7)] * 2, (3136,), (128,), (128,), (10,)],
        ),
    ],
)
def test_every_layer_gives_the_shape_of_the_text(recipe: str, shapes: list[tuple[int, ...]]) -> None:
    network, shape, _ = of_recipe(recipe)
    assert isinstance(network.layers, nn.Sequential)
    values = torch.zeros(1, shape.channels, shape.size, shape.size)
    found = []
    for layer in network.layers:
        values = layer(values)
        found.append(tuple(values.shape[1:]))
    assert found == shapes


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [
        ("network.pooling=average", [Conv2d, nn.Tanh, nn.AvgPool2d]),
        ("network.normalisation=local-response", [Conv2d, nn.Tanh, nn.LocalResponseNorm, nn.MaxPool2d]),
        ("network.normalisation=batch", [Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.Tanh]),
        ("network.dropout=0.4", [Conv2d, nn.MaxPool2d, nn.Tanh, nn.Dropout2d]),
    ],
)
def test_an_option_puts_its_layer_where_the_texts_have_it(setting: str, kinds: list[type[nn.Module]]) -> None:
    layers = build_layers(Recipe.load("convnet", [setting]).network, RGB32, 2)
    assert [type(layer) for layer in layers][: len(kinds)] == kinds


def test_padding_the_same_keeps_the_size() -> None:
    layers = build_layers(Recipe.load("lenet", ["network.padding=same"]).network, RGB32, 2)
    assert layers[0](torch.zeros(1, 3, 32, 32)).shape == (1, 6, 32, 32)


def test_dropout_of_a_fully_connected_network_follows_its_hidden_layers() -> None:
    layers = build_layers(Recipe.load("mlp-deep", ["network.dropout=0.2"]).network, RGB32, 2)
    assert [type(layer) for layer in layers][:4] == [nn.Flatten, nn.Linear, nn.Tanh, nn.Dropout]


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_pooling_before_a_monotone_activation_gives_the_same_values_and_gradients(
    activation: Callable[[Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    first, second = (torch.randn(4, 3, 8, 8).mul(5).requires_grad_() for _ in range(2))
    second.data.copy_(first.data)
    pooled_last = functional.max_pool2d(activation(first), 2)
    pooled_first = activation(functional.max_pool2d(second, 2))
    weights = torch.randn_like(pooled_last)
    (pooled_last * weights).sum().backward()  # type: ignore[no-untyped-call]
    (pooled_first * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(pooled_first, pooled_last, rtol=0, atol=1e-9)
    torch.testing.assert_close(second.grad, first.grad, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("in_float64")
def test_a_shared_block_is_met_as_often_as_blocks_of_their_own() -> None:
    shared = of_recipe("resnet-deep-shared")[0].layers
    own = of_recipe("resnet-deep")[0].layers
    for layers in (shared, own):
        assert isinstance(layers, nn.Sequential)
        layers.eval()
    blocks = [layer for layer in own.modules() if isinstance(layer, ResidualBlock)]
    assert len(blocks) == 10
    (block,) = (layer for layer in shared.modules() if isinstance(layer, ResidualBlock))
    for other in blocks:
        other.load_state_dict(block.state_dict())
    values = torch.rand(2, 32, 16, 16)
    torch.testing.assert_close(shared[3](values), own[3](values), rtol=1e-9, atol=1e-9)  # type: ignore[index]


def test_a_residual_block_starts_as_its_text_says() -> None:
    (block,) = (m for m in of_recipe("resnet-deep-shared")[0].modules() if isinstance(m, ResidualBlock))
    assert block.convolution.bias is None
    assert isinstance(block.normalisation, nn.BatchNorm2d)
    assert set(block.normalisation.weight.tolist()) == {0.5}
    assert set(block.normalisation.bias.tolist()) == {0.0}
    # Kaiming-normal: sqrt(2 / (32 channels of 3x3)), of 9,216 draws
    assert block.convolution.weight.std().item() == pytest.approx((2 / 288) ** 0.5, rel=0.05)


def test_one_output_becomes_the_logits_of_two_classes() -> None:
    logit = torch.tensor([[0.0], [2.0], [-30.0]])
    torch.testing.assert_close(LogitOfOne()(logit).softmax(dim=1)[:, 1:], torch.sigmoid(logit))
    share = torch.tensor([[0.25], [0.75], [1.5], [-3.0]])
    torch.testing.assert_close(
        ShareOfOne()(share).softmax(dim=1)[:, 1], torch.tensor([0.25, 0.75, 0.99, 0.01]), rtol=0, atol=1e-6
    )


def test_rounding_of_a_share_stays_within_what_a_proof_allows() -> None:
    share = torch.linspace(-0.1, 1.1, 1001)[:, None]
    logits, rounded = ShareOfOne()(share), ShareOfOne()(share + 2e-6)
    assert (logits - rounded).abs().max() < LARGEST_DIFFERENCE


def test_a_loss_for_two_classes_is_refused_for_more() -> None:
    with refused("options-conflict", "'regression'", " 3", exit_code=2):
        check_classes(Loss(name="regression"), 3)
    check_classes(Loss(name="regression"), 2)
    check_classes(Loss(), 3)


def test_a_network_normalises_bytes_as_the_tutorials_do() -> None:
    network = PictureNetwork(nn.Identity(), nn.Identity(), mean=[0.5, 0.25, 0.0], std=[0.5, 1.0, 2.0])
    pictures = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(network(pictures).flatten(), torch.tensor([-1.0, 0.75, 0.1]))


@pytest.mark.parametrize(
    ("recipe", "smallest"), [("lenet", 16), ("convnet", 4), ("mnist-cnn", 4), ("convnet-residual", 8)]
)
def test_a_picture_too_small_names_the_smallest_size_that_is_not(recipe: str, smallest: int) -> None:
    network = Recipe.load(recipe).network
    with refused("pictures-too-small", f"{smallest - 1}x{smallest - 1}", f"--set pictures.size={smallest})"):
        build_layers(network, Shape(smallest - 1, 3), 2)
    layers = build_layers(network, Shape(smallest, 3), 2)
    assert layers(torch.zeros(1, 3, smallest, smallest)).shape == (1, 2)
