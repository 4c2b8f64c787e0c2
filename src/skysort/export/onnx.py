"""From the trained network to the classifier folder: the one bridge between the wings."""

import io
import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from safetensors.torch import save
from torch import Tensor

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import (
    DIGESTED,
    MODEL,
    PROOF,
    README,
    WEIGHTS,
    ClassifierTable,
    OodThreshold,
    PictureFormat,
)
from skysort.classifier.proof import write_proof
from skysort.classifier.readme import readme
from skysort.classifier.runtime import Session
from skysort.core.environment import described_machine, versions
from skysort.core.errors import SkysortError
from skysort.core.files import sha256, whole_folder, write_whole
from skysort.data.decode import Pixels, Shape
from skysort.networks.inference import InferenceNetwork, folded
from skysort.networks.inspect.user_network import NUM_PICTURES_TRIED, source_line
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe


def write_classifier(
    folder: Path,
    network: PictureNetwork,
    recipe: Recipe,
    classes: tuple[str, ...],
    shape: Shape,
    proof_pictures: Pixels,
    data: dict[str, str],
    seconds: float,
    fitted: tuple[float, str],
    set_unknown: Callable[[Classifier], OodThreshold | None],
) -> None:
    """Write a classifier folder, and prove that ONNX Runtime gives what PyTorch gives.

    Args:
        folder: appears whole, or not at all.
        network: trained; it is moved to the CPU and into evaluation mode.
        recipe: that it was trained with.
        classes: in the order of the logits.
        shape: of its pictures.
        proof_pictures: (N, C, H, W) uint8, kept in the folder.
        data: source and fingerprint of what it learned from.
        seconds: of training.
        fitted: the temperature that the logits are divided by, inside model.onnx, and where it comes from.
        set_unknown: from the classifier, as it is but for that, to its threshold for unknown pictures.

    Raises:
        SkysortError: when ONNX Runtime's logits differ by too much, or a file cannot be written.
    """
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    temperature, reason = fitted
    flip = recipe.augment.test_time_flip is True
    with torch.no_grad():
        logits = InferenceNetwork(network, flip=flip, temperature=temperature)(
            torch.from_numpy(proof_pictures)
        ).numpy()
    table = ClassifierTable(
        classes=classes,
        pictures=PictureFormat(size=shape.size, channels=shape.channels, fit=shape.fit),
        network=recipe.network.model_dump(mode="json"),
        recipe=recipe.name,
        test_time_flip=flip,
        parameters=network.num_parameters,
        temperature=temperature,
        temperature_reason=reason,
        data=data,
        seconds={"training": seconds},
        files={},
        versions=versions(),
        machine=described_machine(recipe.training.device, recipe.training.threads),
    )
    with whole_folder(folder) as beside:
        write_whole(beside / WEIGHTS, save(network.tensors()))
        write_whole(
            beside / MODEL,
            _onnx(InferenceNetwork(folded(network), flip=flip, temperature=temperature), shape, classes),
        )
        write_whole(beside / README, readme(folder.name, classes, table.pictures))

        def write_proved(table: ClassifierTable) -> None:
            write_proof(beside / PROOF, proof_pictures, logits, table.meaning)
            table.model_copy(update={"files": {name: sha256(beside / name) for name in DIGESTED}}).write(beside)

        write_proved(table)
        made = Classifier(beside)
        write_proved(table.model_copy(update={"proof_difference": made.difference, "unknown": set_unknown(made)}))


def check_own(network: PictureNetwork, shape: Shape, classes: tuple[str, ...]) -> None:
    """Make sure, before a person's own network is trained, that it gives logits and can be exported.

    Args:
        network: of a person's own, not to be used afterwards.
        shape: of its pictures.
        classes: in the order of the logits.

    Raises:
        SkysortError: when it does not, or cannot be.
    """
    with torch.no_grad():
        for is_training in (True, False):
            network.train(is_training)(_black(NUM_PICTURES_TRIED, shape))
    logging.disable()  # PyTorch logs and prints how far it came, which takes pages
    try:
        with redirect_stderr(io.StringIO()):
            model = _onnx(InferenceNetwork(network, flip=False), shape, classes)
    finally:
        logging.disable(logging.NOTSET)
    with tempfile.TemporaryDirectory() as folder:
        write_whole(Path(folder) / MODEL, model)
        Session(Path(folder) / MODEL, shape, len(classes))  # which refuses what ONNX Runtime cannot compute


def _black(num: int, shape: Shape) -> Tensor:
    return torch.zeros(num, shape.channels, shape.size, shape.size, dtype=torch.uint8)


def _onnx(network: InferenceNetwork, shape: Shape, classes: tuple[str, ...]) -> bytes:
    """Return the network as an ONNX model from uint8 pictures, any number, to logits; it names the classes."""
    try:
        program = torch.onnx.export(
            network.eval(),
            (_black(2, shape),),  # since an exporter may take a batch of one for a constant
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
            "\n  what decides by the numbers in its tensors, or by how many pictures come, cannot be exported",
        ) from error
    assert program is not None  # as it is whenever no file is asked for
    ClearMetadataAndDocStringPass()(program.model)  # which quote code, with the folders of this computer
    program.model.metadata_props["classes"] = json.dumps(classes)
    serialized: bytes = program.model_proto.SerializeToString()
    return serialized


def _reason(error: BaseException) -> str:
    """Return what stands behind an error, and the line of the person's own where it came up."""
    chain = [error]
    while before := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(before)
    first, *_ = (str(chain[-1]) or type(chain[-1]).__name__).splitlines()
    lines = next(filter(None, map(source_line, reversed(chain))), [])
    return "\n  ".join([first, *lines])
