"""Export of a trained network into a classifier folder: the one bridge from PyTorch to files for use."""

import json
from pathlib import Path

import torch
from onnx import helper
from safetensors.torch import save
from torch import Tensor, nn

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import MODEL, WEIGHTS, ClassifierTable
from skysort.classifier.graph import PICTURES, Graph
from skysort.classifier.proof import Logits
from skysort.classifier.runtime import EVIDENCE, LOGITS
from skysort.core.files import write_whole
from skysort.data.decode import Pixels, Shape
from skysort.export.layers import add_evidence, add_network, has_evidence
from skysort.networks.inference import InferenceNetwork
from skysort.networks.layers import PictureNetwork


def export_classifier(
    folder: Path, network: PictureNetwork, table: ClassifierTable, proof_pictures: Pixels
) -> tuple[Classifier, Logits]:
    """Write the weights and the ONNX model of a trained network into a new classifier folder.

    Args:
        folder: of the classifier.
        network: trained. It is moved to the CPU and switched to evaluation mode.
        table: of the classifier. Its temperature and test-time flip become a part of the model.
        proof_pictures: (N, C, H, W) uint8.

    Returns:
        The classifier on ONNX Runtime, to complete with `Classifier.write`, and the (N, classes) logits that
        PyTorch computes for the proof pictures.

    Raises:
        SkysortError: when the network cannot be exported, or a file cannot be written.
    """
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    flip, temperature = table.test_time_flip, table.temperature
    with torch.no_grad():
        whole = InferenceNetwork(network, flip=flip, temperature=temperature)
        logits = whole(torch.from_numpy(proof_pictures)).numpy()
    write_whole(folder / WEIGHTS, save(network.tensors()))
    quick = InferenceNetwork(network.folded(), flip=flip, temperature=temperature)
    shape, classes = table.pictures.shape(), table.classes
    write_whole(folder / MODEL, _model(quick, shape, classes))
    return Classifier.unproved(folder, table), logits


def _model(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
    if not network.network.own:
        return _written(network, shape, classes)
    from skysort.export.own_network import traced  # loads PyTorch's exporter, which no other network needs

    return traced(network, shape, classes)


def _written(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
    """Return a network of one of Skysort's families as an ONNX model, which names the classes."""
    graph, num_classes = Graph(), len(classes)
    pictures = graph.views(shape.size) if network.flip else PICTURES
    logits, values = add_network(network.network, graph, pictures)
    if network.flip:
        logits = graph.mean_of_views(logits, num_classes)
    graph.node("Div", logits, graph.number(network.temperature), output=LOGITS)
    outputs: dict[str, tuple[int, ...]] = {LOGITS: (num_classes,)}
    if has_evidence(network.network):
        side = _side_of_last_map(network.network, shape)
        evidence = add_evidence(network.network, graph, values)
        if network.flip:
            graph.mean_of_mirrored_maps(evidence, num_classes, side, output=EVIDENCE)
        else:
            graph.node("Identity", evidence, output=EVIDENCE)
        outputs[EVIDENCE] = (num_classes, side, side)
    model = graph.model({PICTURES: (shape.channels, shape.size, shape.size)}, outputs)
    helper.set_model_props(model, {"classes": json.dumps(classes)})
    content: bytes = model.SerializeToString()
    return content


def _side_of_last_map(network: PictureNetwork, shape: Shape) -> int:
    assert isinstance(network.layers, nn.Sequential)
    with torch.no_grad():
        values: Tensor = network.layers[:-1](torch.zeros(1, shape.channels, shape.size, shape.size))
    return values.shape[-1]
