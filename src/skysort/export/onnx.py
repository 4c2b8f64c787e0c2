"""Export of a trained network into a classifier folder: the one bridge from PyTorch to files for use."""

import io
import json
import logging
import tempfile
from contextlib import redirect_stderr
from pathlib import Path

import torch
from onnx import helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from safetensors.torch import save
from torch import Tensor

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import MODEL, WEIGHTS, ClassifierTable
from skysort.classifier.graph import PICTURES, Graph
from skysort.classifier.proof import Logits
from skysort.classifier.runtime import LOGITS, Session
from skysort.core.errors import SkysortError
from skysort.core.files import write_whole
from skysort.data.decode import Pixels, Shape
from skysort.export.layers import add_network
from skysort.networks.inference import InferenceNetwork
from skysort.networks.inspect.user_network import NUM_PICTURES_TRIED, source_line
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
    write_whole(folder / MODEL, _traced(quick, shape, classes) if network.own else _written(quick, shape, classes))
    return Classifier.unproved(folder, table), logits


def check_own(network: PictureNetwork, shape: Shape, classes: tuple[str, ...]) -> None:
    """Make sure, before training, that a user's own network returns logits and can be exported.

    Args:
        network: the user's own. Do not use it afterwards.
        shape: of its pictures.
        classes: in the order of the logits.

    Raises:
        SkysortError: when it does not return logits or cannot be exported.
    """
    with torch.no_grad():
        for is_training in (True, False):
            network.train(is_training)(_black(NUM_PICTURES_TRIED, shape))
    logging.disable()  # PyTorch logs and prints pages of progress
    try:
        with redirect_stderr(io.StringIO()):
            model = _traced(InferenceNetwork(network, flip=False), shape, classes)
    finally:
        logging.disable(logging.NOTSET)
    with tempfile.TemporaryDirectory() as folder:
        write_whole(Path(folder) / MODEL, model)
        Session(Path(folder) / MODEL, shape, len(classes))  # raises if ONNX Runtime cannot compute it


def _written(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
    """Return a network of one of Skysort's families as an ONNX model, which names the classes."""
    graph = Graph()
    pictures = graph.views(shape.size) if network.flip else PICTURES
    logits = add_network(network.network, graph, pictures)
    if network.flip:
        logits = graph.mean_of_views(logits, len(classes))
    graph.node("Div", logits, graph.number(network.temperature), output=LOGITS)
    model = graph.model({PICTURES: (shape.channels, shape.size, shape.size)}, {LOGITS: (len(classes),)})
    helper.set_model_props(model, {"classes": json.dumps(classes)})
    content: bytes = model.SerializeToString()
    return content


def _black(num: int, shape: Shape) -> Tensor:
    return torch.zeros(num, shape.channels, shape.size, shape.size, dtype=torch.uint8)


def _traced(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
    """Return the network as an ONNX model from any number of uint8 pictures to logits, with the class names."""
    try:
        program = torch.onnx.export(
            network.eval(),
            (_black(2, shape),),  # an exporter may treat a batch of one as a constant
            input_names=["pictures"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    except Exception as error:
        own = network.network.own
        if not own or isinstance(error, MemoryError):
            raise
        raise SkysortError(
            "network-failed",
            f"{own.target} cannot be exported to ONNX, which a classifier needs: {_reason(error)}"
            "\n  the code must not depend on values in its tensors or on the size of the batch",
        ) from error
    assert program is not None  # it is None only when written to a file
    ClearMetadataAndDocStringPass()(program.model)  # they quote code and paths of this computer
    program.model.metadata_props["classes"] = json.dumps(classes)
    serialized: bytes = program.model_proto.SerializeToString()
    return serialized


def _reason(error: BaseException) -> str:
    """Return the first cause of an error, and the line of the user's own code that raised it."""
    chain = [error]
    while before := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(before)
    first, *_ = (str(chain[-1]) or type(chain[-1]).__name__).splitlines()
    lines = next(filter(None, map(source_line, reversed(chain))), [])
    return "\n  ".join([first, *lines])
