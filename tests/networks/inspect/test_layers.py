import math
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from skysort.data.decode import Shape
from skysort.networks.families import build_layers
from skysort.networks.inspect.layers import Description, describe
from skysort.recipe.load import recipe_names
from skysort.recipe.schema import Recipe
from tests.conftest import refused

RGB32, GREY28 = Shape(32, 3), Shape(28, 1)
ALL, NOT_KNOWN = math.inf, math.nan


def of_recipe(name: str, shape: Shape, num_classes: int) -> Description:
    with torch.device("meta"):
        layers = build_layers(Recipe.load(name).network, shape, num_classes)
    return describe(layers, (shape.channels, shape.size, shape.size))


def assert_facts(warnings: tuple[str, ...], *facts: list[str]) -> None:
    """Assert that each warning holds its facts, and that there is no further warning."""
    assert len(warnings) == len(facts), warnings
    for warning, some in zip(warnings, facts, strict=True):
        assert [fact for fact in some if fact not in warning] == [], warning


def of_layers(make: Callable[[], nn.Module], shape: tuple[int, int, int] = (3, 32, 32)) -> Description:
    with torch.device("meta"):
        return describe(make(), shape)


def sides(description: Description) -> list[float]:
    """Return the receptive fields, which are all squares."""
    assert all(height == width or math.isnan(height + width) for height, width in sees(description))
    return [height for height, _ in sees(description)]


def sees(description: Description) -> list[tuple[float, float]]:
    return [layer.sees for layer in description.layers]


@pytest.mark.parametrize(
    ("recipe", "shape", "num_classes", "num_parameters"),
    [
        ("mlp", RGB32, 2, 1_574_402),
        ("convnet", RGB32, 2, 18_090),
        ("lenet", RGB32, 10, 62_006),
        ("mnist-cnn", GREY28, 10, 421_642),
    ],
)
def test_parameters_are_those_published(recipe: str, shape: Shape, num_classes: int, num_parameters: int) -> None:
    description = of_recipe(recipe, shape, num_classes)
    assert description.parameters == num_parameters == sum(layer.parameters for layer in description.layers)
    assert description.warnings == ()


def test_convnet_by_hand() -> None:
    description = of_recipe("convnet", RGB32, 2)
    layers = [layer for layer in description.layers if layer.kind != "Identity"]
    multiply_adds = {
        layer.name: layer.multiply_adds for layer in layers if layer.multiply_adds
    }  # output positions x output channels x kernel x input channels
    assert multiply_adds == {"0": 32 * 32 * 16 * 9 * 3, "3": 16 * 16 * 8 * 9 * 16, "7": 512 * 32, "9": 32 * 2}
    assert [layer.sees[0] for layer in layers] == [3, 4, 4, 8, 10, 10, 10, ALL, ALL, ALL]
    assert [layer.memory for layer in layers] == [
        *(4 * 16 * 32 * 32, 4 * 16 * 16 * 16, 4 * 16 * 16 * 16),
        *(4 * 8 * 16 * 16, 4 * 8 * 8 * 8, 4 * 8 * 8 * 8),
        *(0, 4 * 32, 4 * 32, 4 * 2),
    ]
    assert description.memory == 4 * (16384 + 2 * 4096 + 2048 + 2 * 512 + 32 + 32 + 2)


def test_lenet_by_hand() -> None:
    layers = of_recipe("lenet", RGB32, 10).layers
    assert [layer.sees[0] for layer in layers[:8]] == [5, 6, 6, 14, 16, 16, 16, ALL]
    assert [layer.multiply_adds for layer in layers if layer.multiply_adds] == [
        *(28 * 28 * 6 * 25 * 3, 10 * 10 * 16 * 25 * 6, 400 * 120, 120 * 84, 84 * 10)
    ]
    assert [layer.shape for layer in layers[:7]] == [
        *((6, 28, 28), (6, 14, 14), (6, 14, 14), (16, 10, 10), (16, 5, 5), (16, 5, 5), (400,)),
    ]


@pytest.mark.parametrize("name", sorted({*recipe_names()} - {"photos"}))
def test_nothing_is_unknown_or_suspect_in_a_recipe_that_ships(name: str) -> None:
    pictures = Recipe.load(name).pictures
    description = of_recipe(name, Shape(pictures.size or 32, pictures.channels or 3), 10)
    assert not any(math.isnan(side) for field in sees(description) for side in field)
    assert description.warnings == ()


def test_what_is_not_learned_is_told_apart() -> None:
    description = of_recipe("swift", RGB32, 2)
    network = build_layers(Recipe.load("swift").network, RGB32, 2)
    learned = [parameter.numel() for parameter in network.parameters() if parameter.requires_grad]
    assert description.frozen > 0
    assert description.parameters - description.frozen == sum(learned)
    assert of_recipe("convnet", RGB32, 2).frozen == 0


def test_a_network_far_larger_than_memory_is_described_at_once() -> None:
    start = time.monotonic()
    description = of_recipe("mlp", Shape(4096, 3), 2)
    assert description.parameters == (3 * 4096**2 + 1) * 512 + 513 * 2 == 25_769_805_314
    assert time.monotonic() - start < 30  # filling 103 GB takes longer, if there are any


class Tutorial(nn.Module):
    """As the tutorials write it: activations and pooling are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 8, 3, padding=1)
        self.fc1 = nn.Linear(8 * 8 * 8, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.view(-1, 8 * 8 * 8)))
        return self.fc2(x)  # type: ignore[no-any-return]


def test_functions_count_as_modules_do() -> None:
    functions, modules = of_layers(Tutorial), of_recipe("convnet", RGB32, 2)
    kinds = ["Conv2d", "tanh", "max_pool2d", "Conv2d", "tanh", "max_pool2d", "Linear", "tanh", "Linear"]
    assert [layer.kind for layer in functions.layers] == kinds
    assert [layer.name for layer in functions.layers if layer.name] == ["conv1", "conv2", "fc1", "fc2"]
    assert sides(functions) == [3, 3, 4, 8, 8, 10, ALL, ALL, ALL]
    for total in ("parameters", "multiply_adds"):
        assert getattr(functions, total) == getattr(modules, total)


@pytest.mark.parametrize(
    ("layers", "sides_expected"),
    [
        ([nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3)], [3, 7, 15]),
        ([nn.Conv2d(3, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, dilation=4)], [5, 13]),
        ([nn.Conv2d(3, 4, 1), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3)], [1, 2, 6]),
        ([nn.MaxPool2d(3, stride=1), nn.MaxPool2d(3, stride=2, padding=1), nn.MaxPool2d(2)], [3, 5, 7]),
        ([nn.Conv2d(3, 4, 3, groups=1), nn.Conv2d(4, 4, 3, groups=4)], [3, 5]),
        ([nn.BatchNorm2d(3), nn.Dropout(), nn.GELU(), nn.Conv2d(3, 4, 3)], [1, 1, 1, 3]),
        ([nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(8), nn.Conv2d(4, 4, 3)], [3, 6, 14]),
        ([nn.AdaptiveAvgPool2d(5), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3)], [NOT_KNOWN, NOT_KNOWN, NOT_KNOWN]),
        ([nn.AdaptiveMaxPool2d(8), nn.AdaptiveAvgPool2d(1)], [4, ALL]),
        ([nn.Conv2d(3, 4, 3), nn.AvgPool2d(30)], [3, ALL]),
        ([nn.Hardswish(inplace=True), nn.PReLU(), nn.Mish(inplace=True), nn.LogSigmoid(), nn.ReLU6()], [1] * 5),
        ([nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)], [3, ALL]),
        ([nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)], [3, ALL]),
        ([nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)], [3, NOT_KNOWN, NOT_KNOWN]),
        ([nn.ConvTranspose2d(3, 4, 2, stride=2), nn.AdaptiveAvgPool2d(1)], [NOT_KNOWN, NOT_KNOWN]),
    ],
)
def test_receptive_fields_of_layers(layers: list[nn.Module], sides_expected: list[float]) -> None:
    assert sides(of_layers(lambda: nn.Sequential(*layers).to("meta"))) == pytest.approx(
        sides_expected, nan_ok=True
    )


def test_a_kernel_that_is_not_square() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, (3, 7), stride=(1, 2)), nn.Conv2d(4, 4, 3), nn.AvgPool2d((28, 1)))
    assert sees(of_layers(lambda: layers.to("meta"))) == [(3, 7), (5, 11), (ALL, 11)]


class Function(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(F.max_pool2d(x, 3, stride=2))  # (N, 3, 15, 15), sees 3


def _last_sees(function: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    return of_layers(lambda: Function(function)).layers[-1].sees


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + F.max_pool2d(x, 3, stride=1, padding=1), (7, 7)),
        (lambda x: F.max_pool2d(x, 3, stride=1, padding=1) + x, (7, 7)),
        (lambda x: torch.cat([x, F.max_pool2d(x, 5, stride=1, padding=2)], 1) * 1, (11, 11)),
        (lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), (ALL, ALL)),
        (lambda x: x.mean(3) * 1, (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: x.mean(1) * 1, (3, 3)),
        (lambda x: x.flatten(1) * 1, (3, 3)),
        (lambda x: x.permute(0, 2, 3, 1) @ torch.ones(3, 5), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: x.permute(0, 2, 3, 1) * 1, (3, 3)),
        (lambda x: F.max_pool2d(x.permute(0, 1, 3, 2), 2), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: x.flatten(2) @ torch.ones(225, 5), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.layer_norm(x, (15,)), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.linear(x, torch.ones(5, 15)), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.max_pool2d(x[:, :, ::2, ::2], 2), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.linear(x[:, :, :8].flatten(1), torch.ones(5, 360)), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 2), (5, 5)),
        (lambda x: F.pixel_shuffle(F.pad(x, (0, 0, 0, 0, 0, 1)), 2) * 1, (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: torch.roll(x, 3, 2), (NOT_KNOWN, NOT_KNOWN)),
        (lambda x: F.dropout(x, training=True), (3, 3)),
        (lambda x: torch.softmax(x.flatten(2).transpose(1, 2) @ x.flatten(2), 2), (NOT_KNOWN, NOT_KNOWN)),
    ],
)
def test_receptive_fields_of_functions(
    function: Callable[[Tensor], Tensor], expected: tuple[float, float]
) -> None:
    assert _last_sees(function) == pytest.approx(expected, nan_ok=True)


def test_what_is_written_into_a_part_is_followed_no_further() -> None:
    def write(x: Tensor) -> Tensor:
        canvas = torch.zeros_like(x)
        canvas[:, :2] = F.max_pool2d(x, 3, stride=1, padding=1)[:, :2]
        return canvas * 1

    assert _last_sees(write) == pytest.approx((NOT_KNOWN, NOT_KNOWN), nan_ok=True)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x))) + x


def test_a_block_used_ten_times_computes_ten_times_and_counts_once() -> None:
    description = of_layers(lambda: nn.Sequential(nn.Conv2d(3, 8, 1), *(10 * [Block()])))
    convolutions = [layer for layer in description.layers if layer.name.endswith("conv")]
    assert [layer.multiply_adds for layer in convolutions] == [32 * 32 * 8 * 8 * 9] * 10
    assert [(layer.parameters, layer.shared) for layer in convolutions] == [(576, False), *[(0, True)] * 9]
    assert description.parameters == 32 + 576 + 16
    assert [layer.sees[0] for layer in description.layers if layer.kind == "add"] == list(range(3, 22, 2))


def test_a_product_over_more_dimensions_has_its_own_shape_and_one_row() -> None:
    def product_of_copy(x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1).contiguous(), torch.ones(5, 3))

    (_, _, product) = of_layers(lambda: Function(product_of_copy)).layers
    assert (product.kind, product.shape, product.memory) == ("linear", (15, 15, 5), 4 * 15 * 15 * 5)
    assert product.multiply_adds == 15 * 15 * 5 * 3


def test_the_modules_mode_and_hooks_stay_as_they_were() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3))
    network[1].eval()
    describe(network, (3, 8, 8))
    assert [network.training, network[0].training, network[1].training] == [True, True, False]
    assert not torch.nn.modules.module._global_forward_hooks


class Listed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 3, 1))
        self.blocks = [nn.ReLU(), self.inner[0], (nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))]
        self.heads = {"bird": nn.Linear(3, 1)}
        self.scales = [nn.Parameter(torch.zeros(3))]
        self.blocks.append(self.blocks)  # a container may hold itself

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks[2][1](self.blocks[2][0](self.blocks[0](self.inner(x))))  # type: ignore[index,operator]
        return self.heads["bird"](x.mean((2, 3)) * self.scales[0])  # type: ignore[no-any-return]


def test_what_is_kept_in_plain_containers_is_named() -> None:
    description = of_layers(Listed)
    assert description.parameters == 12  # what an optimizer sees
    assert_facts(
        description.warnings,
        ["self.blocks ", "list", "168 ", "self.blocks[2][0]: Conv2d, self.blocks[2][1]: Conv2d", "nn.ModuleList"],
        ["self.heads ", "dict", " 4 ", "self.heads['bird']: Linear", "nn.ModuleDict"],
        ["self.scales ", "list", " 3 ", "self.scales[0]: Parameter", "nn.ParameterList"],
    )
    assert [layer.name for layer in description.layers][:4] == [
        "inner.0",
        "blocks[0]",
        "blocks[2][0]",
        "blocks[2][1]",
    ]


class Making(nn.Module):
    def __init__(self, keep: bool) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        layer = nn.Conv2d(3, 3, 3)
        if self.keep:
            self.layer = layer
        return layer(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("keep", [False, True])
def test_a_layer_made_inside_forward_is_named(keep: bool) -> None:
    description = of_layers(lambda: nn.Sequential(nn.ReLU(), Making(keep)))
    assert_facts(description.warnings, ["Conv2d", "self.1 (Making)", " 84", "__init__"])
    assert description.layers[-1].parameters == 84


def test_a_parameter_made_inside_forward_is_named() -> None:
    description = of_layers(lambda: Function(lambda x: x * nn.Parameter(torch.ones(15))))
    assert_facts(description.warnings, ["parameter", "(15,)", "forward of Function"])


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.idle = nn.Sequential(nn.Linear(3, 3))
        self.scale = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight)


def test_parameters_that_are_never_used_are_named() -> None:
    assert_facts(
        of_layers(Idle).warnings,
        ["self.scale ", "forward", "5 parameters"],
        ["self.conv.bias ", "forward", "3 parameters"],
        ["self.idle.0: Linear ", "forward", "12 parameters"],
    )


def test_a_view_that_takes_pictures_apart_is_named() -> None:
    assert_facts(
        of_layers(lambda: Function(lambda x: x.view(-1, 225))).warnings,
        ["2 pictures", "6 rows", "torch.flatten(x, 1)"],
    )


def test_multihead_attention_and_lazy_layers() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
            self.last = nn.LazyLinear(2)

        def forward(self, x: Tensor) -> Tensor:
            x = F.max_pool2d(x, 2).flatten(1).view(len(x), -1, 12)
            return self.last(self.attention(x, x, x)[0].mean(1))  # type: ignore[no-any-return]

    description = of_layers(Attending)
    assert [layer.kind for layer in description.layers] == ["max_pool2d", "MultiheadAttention", "mean", "Linear"]
    assert description.parameters == 4 * (12 * 12 + 12) + 2 * 13
    assert description.warnings == ()


class Unmet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lazy = nn.LazyLinear(3)
        self.more = [nn.LazyLinear(3)]

    def forward(self, x: Tensor) -> None:
        return None


def test_a_missing_return_and_lazy_layers_that_meet_no_picture() -> None:
    description = of_layers(Unmet)
    assert description.parameters == 0
    assert_facts(
        description.warnings[1:],
        ["self.lazy: LazyLinear ", "forward", "0 parameters"],
        ["no tensor", "return"],
    )


def test_a_forward_that_recovers_from_a_failure_is_followed() -> None:
    class Recovering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Conv2d(4, 3, 3), nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.wrong(x)  # type: ignore[no-any-return]
            except RuntimeError:
                return torch.relu(self.right(x))

    layers = of_layers(Recovering).layers
    assert [(layer.name, layer.kind) for layer in layers] == [("right", "Conv2d"), ("", "relu")]


@pytest.mark.parametrize(
    ("layers", "shape", "facts"),
    [
        (
            [nn.Conv2d(3, 4, 3), nn.Linear(8, 2)],
            (3, 8, 8),
            ["self.1 (Linear)", "(2, 4, 6, 6)", "torch.flatten(x, 1)", "nn.Linear(144, 2)"],
        ),
        (
            [nn.Flatten(), nn.Linear(100, 2)],
            (3, 8, 8),
            ["self.1 (Linear)", "(2, 192)", "100 features", "nn.Linear(192, 2)"],
        ),
        ([nn.Linear(192, 2)], (3, 8, 8), ["192 features", "torch.flatten(x, 1)"]),
        ([nn.Conv2d(3, 4, 3)], (1, 8, 8), ["self.0 (Conv2d)", "(2, 1, 8, 8)", "3 channels"]),
        ([nn.Conv2d(3, 4, 9)], (3, 8, 8), ["self.0 (Conv2d)", "(2, 3, 8, 8)"]),
    ],
)
def test_a_forward_that_fails_names_the_layer_and_what_would_do(
    layers: list[nn.Module], shape: tuple[int, int, int], facts: list[str]
) -> None:
    with refused("network-failed", *facts):
        of_layers(lambda: nn.Sequential(*layers).to("meta"), shape)


def test_a_function_that_fails_is_found_by_its_line() -> None:
    line = "x = torch.tanh(self.fc1(x.view(-1, 8 * 8 * 8)))"
    with refused("network-failed", "Tutorial ", "(2, 3, 28, 28)", line, "max_pool2d", "8x7x7", "392 "):
        of_layers(Tutorial, (3, 28, 28))


def test_a_forward_that_decides_by_numbers_cannot_be_followed() -> None:
    with refused("network-failed", "Function ", "Tensor.item()", "test_layers.py, line"):
        of_layers(lambda: Function(lambda x: x if x.max() > 0 else -x))


class HoldsItself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 2)
        self.me = self

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(x, 1))  # type: ignore[no-any-return]


def test_a_module_that_holds_itself_is_described() -> None:
    assert of_layers(HoldsItself).parameters == 3072 * 2 + 2
