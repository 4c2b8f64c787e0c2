"""A backbone as an ONNX model, made once and kept in the cache; a backbone and a head as one model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import onnx
import safetensors.numpy
import tomli_w
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from skysort.classifier.graph import PICTURES, VIEWS, Graph
from skysort.classifier.runtime import EVIDENCE, FEATURES, LOGITS, OnnxModel
from skysort.core.cache import cache_folder
from skysort.core.damage import damaged
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import sha256, whole_folder, write_whole, writing
from skysort.data.decode import Pixels
from skysort.transfer.backbones import AUTO, Backbone, Licence, added_folder, checked_weights, find_backbone, known
from skysort.transfer.efficientnet_lite import efficientnet_lite
from skysort.transfer.pickled_weights import Tensors, read_pickled_weights

FORMAT = 1
VIEW = "view/"
HEAD_WEIGHT, HEAD_BIAS = "head.weight", "head.bias"
MODEL, TENSORS, DIGESTS = "backbone.onnx", "backbone.safetensors", "digests.json"
LARGEST_DIFFERENCE = 1e-3
"""Of a mean of features of the proof's picture. Features are up to 6, and rounding stays below 1e-5."""
NUM_MEANS = 16
"""Means of features in a proof, each of 80 of the 1,280."""


def backbone_model(backbone: Backbone) -> Path:
    """Return the ONNX file of a backbone. The first call makes it, and its weights as safetensors, in the cache.

    Raises:
        SkysortError: when the weights are missing, damaged, of another file or of another network, or do not give
            the features of the backbone's proof; or the cache cannot be written.
    """
    folder = cache_folder() / "backbones" / f"{backbone.name}-{backbone.sha256[:16]}-{backbone.size}-{FORMAT}"
    if _is_whole(folder):
        return folder / MODEL
    weights = checked_weights(backbone)
    tensors = _read(weights)
    model = efficientnet_lite(tensors, width=backbone.width, depth=backbone.depth, size=backbone.size)
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()
    with whole_folder(folder) as beside:
        write_whole(beside / MODEL, model.SerializeToString())
        _prove(backbone, beside / MODEL)
        write_whole(beside / TENSORS, safetensors.numpy.save(dict(tensors)))
        digests = {name: sha256(beside / name) for name in (MODEL, TENSORS)}
        write_whole(beside / DIGESTS, json.dumps(digests, indent=2) + "\n")
    return folder / MODEL


def add_backbone(file: Path, like: str) -> Backbone:
    """Keep weights of a person's own in the cache, under the name of their file.

    Args:
        file: a .safetensors file with the tensors of a known backbone, by their names.
        like: that backbone's name.

    Raises:
        NotUnderstoodError: when there is no such file or backbone, or the file's name is not one for a backbone.
        SkysortError: when the file is damaged, no .safetensors file, or holds another network's tensors.
    """
    model = find_backbone(like)
    if not file.is_file():
        raise NotUnderstoodError("path-not-found", f"{file}: no such file")
    if file.suffix != ".safetensors":
        raise NotUnderstoodError(
            "wrong-value", f"expected a .safetensors file, which cannot run code when it is read; found {file}"
        )
    if file.stem in (*known(), AUTO):
        raise NotUnderstoodError("name-taken", f"'{file.stem}' is the name of a backbone; rename the file")
    try:
        backbone = model.model_copy(
            update={
                "name": file.stem,
                "source": f"a file of your own, like {like}",
                "package": None,
                "file": file.name,
                "sha256": sha256(file),
                "licence": Licence(name="unknown", allows_commercial_use=None, evidence="the file states none"),
                "proof": None,
            }
        )
        Backbone.model_validate(backbone.model_dump())
    except ValueError:
        raise NotUnderstoodError(
            "wrong-value", f"'{file.stem}' cannot name a backbone; use letters, digits, dots and hyphens"
        ) from None
    efficientnet_lite(_read(file), width=model.width, depth=model.depth, size=model.size)
    folder = added_folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / file.name, file.read_bytes())
    write_whole(folder / f"{file.stem}.toml", tomli_w.dumps(backbone.model_dump(mode="json", exclude_none=True)))
    return backbone


def _is_whole(folder: Path) -> bool:
    """Tell whether a folder of the cache is whole; caches are cleaned and copied by tools."""
    try:
        digests = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        return all(sha256(folder / name) == digests[name] for name in (MODEL, TENSORS))
    except (OSError, ValueError, KeyError):
        return False


def _read(weights: Path) -> Tensors:
    if weights.suffix != ".safetensors":
        return read_pickled_weights(weights)
    try:
        return safetensors.numpy.load_file(weights)
    except OSError as error:
        raise damaged("damaged-backbone", weights, error) from None
    except Exception:  # safetensors raises errors of its own kind
        why = "it is cut short, or not a file in the format safetensors"
        raise damaged("damaged-backbone", weights, why) from None


def proof_picture(size: int) -> Pixels:
    """Return (1, 3, size, size) uint8 slopes, which every computer draws alike."""
    row, column = np.indices((size, size))
    channels = [row * 255 // (size - 1), column * 255 // (size - 1), (row * column) % 256]
    return np.stack(channels).astype(np.uint8)[None]


def _prove(backbone: Backbone, model: Path) -> None:
    if backbone.proof is None:
        return
    (features,) = OnnxModel(model).compute(proof_picture(backbone.size), FEATURES)
    difference = np.abs(features.reshape(NUM_MEANS, -1).mean(axis=1) - np.array(backbone.proof.features)).max()
    if not difference <= LARGEST_DIFFERENCE:
        raise SkysortError(
            "damaged-backbone",
            f"the backbone '{backbone.name}' does not give the features of its proof on this computer: they differ"
            f" by {difference:.3g}, at most {LARGEST_DIFFERENCE} is allowed",
        )


@dataclass(frozen=True)
class LinearHead:
    """What turns features into logits."""

    weight: NDArray[np.float32]
    """(classes, D), of features as they are: standardisation is folded in."""
    bias: NDArray[np.float32]
    """(classes,)."""
    temperature: float = 1.0
    """Logits are divided by it."""

    def cooled(self, temperature: float) -> Self:
        """Return the head with a temperature."""
        return replace(self, temperature=temperature)


def whole_model(backbone: Path, head: LinearHead, classes: Sequence[str], *, flip: bool) -> bytes:
    """Return a backbone and a head as one ONNX model.

    Args:
        backbone: its ONNX file.
        head: fitted to its features.
        classes: in the order of the logits; the model names them.
        flip: whether features are the means of a picture's and of its mirror image's.

    Returns:
        The model, from `pictures` (N, 3, size, size) uint8 to `logits` (N, classes), `features` (N, D) and
        `evidence` (N, classes, h, w), all float32. A class's evidence adds up, over places, to its logit times the
        temperature, less its bias.
    """
    model = onnx.load(str(backbone))
    side = model.graph.output[1].type.tensor_type.shape.dim[2].dim_value
    size = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    model = onnx.compose.add_prefix(model, VIEW, rename_inputs=flip)
    outputs = [f"{VIEW}{FEATURES}", f"{VIEW}map"]
    if flip:
        io_map = [(VIEWS, f"{VIEW}{PICTURES}")]
        model = onnx.compose.merge_models(_views(size), model, io_map=io_map, outputs=outputs)
    io_map = [(name, name) for name in outputs]
    whole = onnx.compose.merge_models(model, _head(head, side, flip=flip), io_map=io_map)
    onnx.checker.check_model(whole)
    helper.set_model_props(whole, {"classes": json.dumps(list(classes))})
    content: bytes = whole.SerializeToString()
    return content


def head_of(model: Path) -> LinearHead:
    """Return the head of a model that `whole_model` made, its temperature applied to weights and bias."""
    constants = {constant.name: constant for constant in onnx.load(str(model)).graph.initializer}
    weight, bias = (numpy_helper.to_array(constants[name]) for name in (HEAD_WEIGHT, HEAD_BIAS))
    return LinearHead(weight, bias)


def _views(size: int) -> onnx.ModelProto:
    """Return the model that puts the mirror images of pictures after the pictures."""
    graph = Graph()
    graph.views(size)
    shape = (3, size, size)
    return graph.model({PICTURES: shape}, {VIEWS: shape})


def _head(head: LinearHead, side: int, *, flip: bool) -> onnx.ModelProto:
    """Return the model from the features and maps of all views to a classifier's outputs."""
    graph = Graph()
    features, maps = f"{VIEW}{FEATURES}", f"{VIEW}map"
    num_classes, num_features = head.weight.shape
    map_shape = (num_features, side, side)
    if flip:
        graph.mean_of_views(features, num_features, output=FEATURES)
        maps = graph.mean_of_mirrored_maps(maps, num_features, side)
    else:
        graph.node("Identity", features, output=FEATURES)
    weight = graph.constant(HEAD_WEIGHT, head.weight / np.float32(head.temperature))
    bias = graph.constant(HEAD_BIAS, head.bias / np.float32(head.temperature))
    graph.node("Gemm", FEATURES, weight, bias, output=LOGITS, transB=1)
    kernel = graph.constant("head.kernel", head.weight[:, :, None, None] / np.float32(side * side))
    graph.node("Conv", maps, kernel, output=EVIDENCE)
    return graph.model(
        {f"{VIEW}{FEATURES}": (num_features,), f"{VIEW}map": map_shape},
        {LOGITS: (num_classes,), FEATURES: (num_features,), EVIDENCE: (num_classes, side, side)},
    )
