import pytest
import torch

from skysort.errors import SkysortError
from skysort.networks.layers import PictureNetwork, build_layers
from skysort.pictures.decode import Shape
from skysort.recipe import Recipe

RGB32, GREY28 = Shape(32, 3), Shape(28, 1)


@pytest.mark.parametrize(
    ("recipe", "shape", "num_classes", "num_parameters"),
    [
        ("mlp", RGB32, 2, 1_574_402),
        ("convnet", RGB32, 2, 18_090),
        ("lenet", RGB32, 10, 62_006),
        ("mnist-cnn", GREY28, 10, 421_642),
    ],
)
def test_a_recipe_has_its_published_number_of_parameters(
    recipe: str, shape: Shape, num_classes: int, num_parameters: int
) -> None:
    layers = build_layers(Recipe.load(recipe).network, shape, num_classes)
    assert PictureNetwork(layers, [0.5] * shape.channels, [0.5] * shape.channels).num_parameters == num_parameters


@pytest.mark.parametrize(
    ("recipe", "shape", "num_classes", "shapes"),
    [
        ("mlp", RGB32, 2, [(3072,), (512,), (512,), (2,), (2,)]),
        (
            "convnet",
            RGB32,
            2,
            [
                (16, 32, 32),
                (16, 32, 32),
                (16, 16, 16),
                (8, 16, 16),
                (8, 16, 16),
                (8, 8, 8),
                (512,),
                (32,),
                (32,),
                (2,),
                (2,),
            ],
        ),
        (
            "lenet",
            RGB32,
            10,
            [
                (6, 28, 28),
                (6, 28, 28),
                (6, 14, 14),
                (16, 10, 10),
                (16, 10, 10),
                (16, 5, 5),
                (400,),
                (120,),
                (120,),
                (84,),
                (84,),
                (10,),
                (10,),
            ],
        ),
        (
            "mnist-cnn",
            GREY28,
            10,
            [
                (32, 28, 28),
                (32, 28, 28),
                (32, 14, 14),
                (64, 14, 14),
                (64, 14, 14),
                (64, 7, 7),
                (3136,),
                (128,),
                (128,),
                (10,),
                (10,),
            ],
        ),
    ],
)
def test_every_layer_gives_the_shape_of_the_text(
    recipe: str, shape: Shape, num_classes: int, shapes: list[tuple[int, ...]]
) -> None:
    values = torch.zeros(1, shape.channels, shape.size, shape.size)
    found = []
    for layer in build_layers(Recipe.load(recipe).network, shape, num_classes):
        values = layer(values)
        found.append(tuple(values.shape[1:]))
    assert found == shapes


def test_log_softmax_ends_mlp() -> None:
    outputs = build_layers(Recipe.load("mlp").network, RGB32, 2)(torch.rand(4, 3, 32, 32))
    torch.testing.assert_close(outputs.exp().sum(dim=1), torch.ones(4))


def test_a_network_normalises_bytes_as_the_tutorials_do() -> None:
    network = PictureNetwork(torch.nn.Identity(), mean=[0.5, 0.25, 0.0], std=[0.5, 1.0, 2.0])
    pictures = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(network(pictures).flatten(), torch.tensor([-1.0, 0.75, 0.1]))


@pytest.mark.parametrize(("recipe", "smallest"), [("lenet", 16), ("convnet", 4), ("mnist-cnn", 4)])
def test_a_picture_too_small_names_the_smallest_size_that_is_not(recipe: str, smallest: int) -> None:
    network = Recipe.load(recipe).network
    with pytest.raises(SkysortError, match=f"the smallest it can take is {smallest}x{smallest} "):
        build_layers(network, Shape(smallest - 1, 3), 2)
    layers = build_layers(network, Shape(smallest, 3), 2)
    assert layers(torch.zeros(1, 3, smallest, smallest)).shape == (1, 2)
