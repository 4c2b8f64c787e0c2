"""Export of a user's own network: PyTorch's exporter traces it into an ONNX model. It takes seconds to load."""

import io
import json
import logging
import tempfile
from contextlib import redirect_stderr
from pathlib import Path

import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor

from skysort.classifier.format import MODEL
from skysort.classifier.runtime import Session
from skysort.core.errors import SkysortError
from skysort.core.files import write_whole
from skysort.data.decode import Shape
from skysort.networks.inference import InferenceNetwork
from skysort.networks.inspect.user_network import NUM_PICTURES_TRIED, source_line
from skysort.networks.layers import PictureNetwork


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
            model = traced(InferenceNetwork(network, flip=False), shape, classes)
    finally:
        logging.disable(logging.NOTSET)
    with tempfile.TemporaryDirectory() as folder:
        write_whole(Path(folder) / MODEL, model)
        Session(Path(folder) / MODEL, shape, len(classes))  # raises if ONNX Runtime cannot compute it


def _black(num: int, shape: Shape) -> Tensor:
    return torch.zeros(num, shape.channels, shape.size, shape.size, dtype=torch.uint8)


def traced(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
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
