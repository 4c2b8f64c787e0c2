from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from efficientnet_lite_pytorch import EfficientNet

from skysort.classifier.evidence import relative_map
from skysort.classifier.runtime import FEATURES, OnnxModel
from skysort.transfer.backbones import Backbone, Proof, added_folder, find_backbone, find_weights, shipped
from skysort.transfer.efficientnet_lite import efficientnet_lite
from skysort.transfer.network import LinearHead, add_backbone, backbone_model, proof_picture, whole_model
from skysort.transfer.pickled_weights import read_pickled_weights
from tests.conftest import refused
from tests.transfer.conftest import weights_file


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def oracle(backbone: Backbone, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features and maps as the published PyTorch class computes them."""
    network = EfficientNet.from_name(backbone.name)
    network.load_state_dict(torch.load(weights_file(backbone), weights_only=True))
    with torch.no_grad():
        maps = network.eval().extract_features((torch.from_numpy(pictures).float() - 127) / 128)
    return maps.mean((2, 3)).numpy(), maps.numpy()


def test_features_are_those_of_the_published_network(lite0: Backbone, pictures: np.ndarray) -> None:
    features, maps = OnnxModel(backbone_model(lite0)).compute(pictures, FEATURES, "map")
    expected, expected_maps = oracle(lite0, pictures)
    np.testing.assert_allclose(features, expected, atol=2e-5)
    np.testing.assert_allclose(maps, expected_maps, atol=2e-4)
    assert expected.std() > 0.1


def test_the_proof_is_of_the_published_network(lite0: Backbone) -> None:
    features, _ = oracle(lite0, proof_picture(lite0.size))
    np.testing.assert_allclose(features.reshape(16, -1).mean(axis=1), lite0.proof.features, atol=1e-5)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_graph_of_each_size(name: str) -> None:
    """With random weights, so that it takes no package: shapes, padding and the number of multiply-adds."""
    backbone = shipped()[name]
    torch.manual_seed(0)
    network = EfficientNet.from_name(name).eval()
    tensors = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    model = efficientnet_lite(tensors, width=backbone.width, depth=backbone.depth, size=backbone.size)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, backbone.size, backbone.size), dtype=np.uint8)
    path = Path(str(added_folder().parent / f"random-{name}.onnx"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    with torch.no_grad():
        expected = network.extract_features((torch.from_numpy(pixels).float() - 127) / 128).mean((2, 3)).numpy()
    (features,) = OnnxModel(path).compute(pixels, FEATURES)
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())
    assert sum(multiply_adds(model)) == backbone.multiply_adds


def multiply_adds(model: object) -> Iterator[int]:
    import onnx

    typed = onnx.shape_inference.infer_shapes(model)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in typed.graph.value_info
    }
    shapes |= {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in typed.graph.output
    }
    weights = {constant.name: constant.dims for constant in typed.graph.initializer}
    for node in typed.graph.node:
        if node.op_type == "Conv":
            yield int(np.prod(weights[node.input[1]])) * int(np.prod(shapes[node.output[0]][2:]))


def test_other_weights_are_refused(
    lite0: Backbone, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    content = weights_file(lite0).read_bytes()
    monkeypatch.setenv("SKYSORT_BACKBONES", str(folder))
    for damaged in (content[:-1], content[:1000], b"", content[:-1] + b"x"):
        (folder / lite0.file_name).write_bytes(damaged)
        with refused("damaged-backbone", folder / lite0.file_name, lite0.sha256):
            backbone_model(lite0)
    assert not any((own_cache / "backbones").glob("*"))


def test_missing_weights_are_named(own_cache: Path) -> None:
    lite2 = shipped()["efficientnet-lite2"]
    assert find_weights(lite2) is None
    with refused("missing-backbone", lite2.package, lite2.file_name, "SKYSORT_BACKBONES"):
        backbone_model(lite2)


def test_weights_of_another_network_are_refused(lite0: Backbone) -> None:
    tensors = dict(read_pickled_weights(weights_file(lite0)))
    with refused("damaged-backbone", "_blocks.3._depthwise_conv.weight", "[144, 1, 3, 3]", "[144, 1, 5, 5]"):
        efficientnet_lite(tensors, width=1.1, depth=1.2, size=260)
    tensors["_bn1.bias"] = np.full_like(tensors["_bn1.bias"], np.nan)
    with refused("damaged-backbone", "_bn1.bias", "NaN"):
        efficientnet_lite(tensors, width=1.0, depth=1.0, size=224)


def test_a_proof_that_fails_leaves_nothing(lite0: Backbone, own_cache: Path) -> None:
    wrong = lite0.model_copy(update={"proof": Proof(features=(0.5,) * 16)})
    with refused("damaged-backbone", lite0.name):
        backbone_model(wrong)
    assert not any((own_cache / "backbones").glob("*"))


def test_a_damaged_cache_is_made_again(lite0: Backbone, own_cache: Path) -> None:
    model = backbone_model(lite0)
    content = model.read_bytes()
    model.write_bytes(content[:-5])
    assert backbone_model(lite0).read_bytes() == content
    (model.parent / "digests.json").unlink()
    assert backbone_model(lite0).read_bytes() == content


def test_add_weights_of_your_own(lite0: Backbone, own_cache: Path, tmp_path: Path) -> None:
    tensors = dict(read_pickled_weights(weights_file(lite0)))
    file = tmp_path / "mine.safetensors"
    safetensors.numpy.save_file(tensors, file)
    added = add_backbone(file, "efficientnet-lite0")
    file.unlink()
    assert find_backbone("mine") == added
    pixels = proof_picture(224)
    mine, published = (OnnxModel(backbone_model(one)).compute(pixels, FEATURES)[0] for one in (added, lite0))
    np.testing.assert_array_equal(mine, published)


def test_refuse_to_add(own_cache: Path, tmp_path: Path) -> None:
    with refused("path-not-found", "none.safetensors", exit_code=2):
        add_backbone(tmp_path / "none.safetensors", "efficientnet-lite0")
    other = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, other)
    with refused("damaged-backbone", "_conv_stem.weight"):
        add_backbone(other, "efficientnet-lite0")
    with refused("unknown-backbone", "efficientnet-lite0", exit_code=2):
        add_backbone(other, "efficientnet-light0")
    other.write_bytes(b"no tensors")
    with refused("damaged-backbone", other):
        add_backbone(other, "efficientnet-lite0")
    with refused("wrong-value", ".safetensors", exit_code=2):
        add_backbone(Path(__file__), "efficientnet-lite0")
    taken = tmp_path / "efficientnet-lite0.safetensors"
    taken.write_bytes(b"")
    with refused("name-taken", "efficientnet-lite0", exit_code=2):
        add_backbone(taken, "efficientnet-lite0")
    assert not added_folder().exists()


@pytest.mark.parametrize("flip", [False, True])
def test_backbone_and_head_as_one(lite0: Backbone, pictures: np.ndarray, tmp_path: Path, flip: bool) -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 1280)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    path = tmp_path / "model.onnx"
    path.write_bytes(whole_model(backbone_model(lite0), LinearHead(weight, bias, 2.0), list("abcde"), flip=flip))
    assert path.stat().st_size < 15e6
    logits, features, evidence = OnnxModel(path).compute(pictures, "logits", "features", "evidence")
    views = [pictures, pictures[..., ::-1].copy()] if flip else [pictures]
    each = [oracle(lite0, view) for view in views]
    expected = np.mean([features for features, _ in each], axis=0)
    np.testing.assert_allclose(features, expected, atol=2e-5)
    np.testing.assert_allclose(logits, (expected @ weight.T + bias) / 2, atol=1e-3)
    maps = [each[0][1], each[1][1][..., ::-1]] if flip else [each[0][1]]
    places = np.einsum("nchw,kc->nkhw", np.mean(maps, axis=0), weight) / 49
    np.testing.assert_allclose(evidence, places, atol=1e-3)
    np.testing.assert_allclose(evidence.sum(axis=(2, 3)) + bias, 2 * logits, atol=1e-3)


def test_evidence_comes_from_the_head_and_turns_with_the_picture(
    lite0: Backbone, pictures: np.ndarray, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    models = []
    for name in ("one", "other"):
        head = LinearHead(rng.normal(size=(5, 1280)).astype(np.float32), np.zeros(5, np.float32))
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(whole_model(backbone_model(lite0), head, list("abcde"), flip=True))
        models.append(OnnxModel(path))
    (evidence,), (others,) = (model.compute(pictures, "evidence") for model in models)
    places, other_places = (
        np.array([relative_map(of_picture, 2) for of_picture in maps]).ravel() for maps in (evidence, others)
    )
    assert np.abs(places - other_places).mean() > np.abs(places).mean()
    (mirrored,) = models[0].compute(pictures[..., ::-1].copy(), "evidence")
    np.testing.assert_allclose(mirrored, evidence[..., ::-1], atol=1e-4)
    assert np.abs(mirrored - evidence).max() > 0.01
