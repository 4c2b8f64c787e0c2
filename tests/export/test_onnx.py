"""Networks as ONNX models: written directly, and equal to what PyTorch computes and what its exporter writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skysort.classifier.runtime import EVIDENCE, LOGITS, Session
from skysort.data.decode import Shape
from skysort.export import onnx, own_network
from skysort.export.layers import add, has_evidence
from skysort.networks.families import initial_network
from skysort.networks.inference import InferenceNetwork
from skysort.networks.layers import PictureNetwork
from skysort.recipe.load import recipe_names
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation

SHAPE = Shape(32, 3, "stretch")
NETWORKS = [
    *((name, ()) for name in recipe_names() if name != "photos"),
    ("convnet", ("network.pooling=average", "network.normalisation=local-response")),
    (
        "convnet",
        ("network.normalisation=batch", "network.dropout=0.5", "network.padding=same", "network.kernel=5"),
    ),
    ("swift", ("network.stride=2", "network.width=7")),
]


def network_of(name: str, settings: tuple[str, ...] = ()) -> PictureNetwork:
    """Return a network with random weights, and statistics that batch normalisation has seen something with."""
    recipe = Recipe.load(name, settings)
    num_classes = 2 if recipe.loss.has_one_output else 3
    normalisation = Normalisation(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    network = initial_network(recipe, SHAPE, num_classes, normalisation)
    torch.manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network.eval()


def logits_of(model: bytes, num_classes: int, folder: Path, pictures: np.ndarray) -> np.ndarray:
    (folder / "model.onnx").write_bytes(model)
    return Session(folder / "model.onnx", SHAPE, num_classes).run(pictures)


def classes_of(network: PictureNetwork) -> tuple[str, ...]:
    with torch.no_grad():
        num = network.head(network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))).shape[1]
    return tuple("abc"[:num])


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
@pytest.mark.parametrize(
    ("name", "settings"), NETWORKS, ids=[" ".join([name, *settings]) for name, settings in NETWORKS]
)
def test_the_model_gives_the_networks_logits(
    name: str, settings: tuple[str, ...], flip: bool, tmp_path: Path, pictures: np.ndarray
) -> None:
    network = network_of(name, settings)
    classes = classes_of(network)
    with torch.no_grad():
        expected = InferenceNetwork(network, flip=flip, temperature=0.05)(torch.from_numpy(pictures)).numpy()
    quick = InferenceNetwork(network.folded(), flip=flip, temperature=0.05)
    logits = logits_of(onnx._written(quick, SHAPE, classes), len(classes), tmp_path, pictures)
    np.testing.assert_allclose(logits, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert np.ptp(expected, axis=0).max() > 1e-2


@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy"])
@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
def test_evidence_of_swift_adds_up_to_its_logits(
    flip: bool, loss: str, tmp_path: Path, pictures: np.ndarray
) -> None:
    network = network_of("swift", (f"loss.name={loss}", "loss.label_smoothing=0"))
    classes = classes_of(network)
    quick = InferenceNetwork(network.folded(), flip=flip, temperature=0.5)
    (tmp_path / "model.onnx").write_bytes(onnx._written(quick, SHAPE, classes))
    session = Session(tmp_path / "model.onnx", SHAPE, len(classes))
    pictures[0] = 7  # all its places are equal, but at the edges
    logits, evidence = session.compute(pictures, LOGITS, EVIDENCE)
    assert evidence.shape == (5, len(classes), 3, 3)
    np.testing.assert_allclose(evidence.sum(axis=(2, 3)), 0.5 * logits, atol=1e-5 * max(1, np.abs(logits).max()))
    assert np.ptp(evidence[1:, -1], axis=(1, 2)).min() > 0.1 * np.abs(logits).mean(), "places differ"
    if flip:
        (mirrored,) = session.compute(pictures[..., ::-1].copy(), EVIDENCE)
        np.testing.assert_allclose(mirrored, evidence[..., ::-1], atol=1e-4)


def test_networks_without_maps_before_their_last_layer_have_no_evidence() -> None:
    for name in ("mlp", "lenet", "convnet", "swift"):
        assert has_evidence(network_of(name)) == (name == "swift")


@pytest.mark.parametrize("name", ["swift", "resnet-deep-shared"])
def test_the_model_gives_the_logits_of_pytorchs_exporter(name: str, tmp_path: Path, pictures: np.ndarray) -> None:
    network = InferenceNetwork(network_of(name).folded(), flip=True, temperature=0.6)
    traced, written = (
        logits_of(export(network, SHAPE, ("a", "b", "c")), 3, tmp_path, pictures)
        for export in (own_network.traced, onnx._written)
    )
    np.testing.assert_allclose(written, traced, atol=1e-5 * max(1, np.abs(traced).max()))


def test_shared_weights_are_written_once() -> None:
    shared, apart = (
        len(onnx._written(InferenceNetwork(network_of(name).folded(), flip=False), SHAPE, ("a", "b", "c")))
        for name in ("resnet-deep-shared", "resnet-deep")
    )
    assert shared < apart / 2


def test_a_layer_without_a_rule_is_an_error() -> None:
    with pytest.raises(TypeError, match="Softplus"):
        add(nn.Softplus(), None, "values")
