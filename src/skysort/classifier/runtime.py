"""ONNX Runtime, which is imported here and nowhere else."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from skysort.classifier.damage import lacks_memory, reading, short_reason
from skysort.classifier.interruptible import interruptible
from skysort.classifier.proof import Logits
from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels, Shape

ONLY_FATAL = 4
"""What ONNX Runtime writes to standard error itself; errors are raised as well."""


def onnx_runtime() -> Any:
    """Import ONNX Runtime, which takes long, and return the module; it sends no telemetry.

    Raises:
        MemoryError: when its library does not fit into the memory that this process may use.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by the import: from 1.29 on it sends telemetry otherwise
    try:
        import onnxruntime
    except ImportError as error:
        if lacks_memory(error):
            raise MemoryError(f"ONNX Runtime: {short_reason(error)}") from None
        raise
    # It may have been imported before, by the program that uses Skysort.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


class Session:
    """A model on ONNX Runtime, on the CPU, whose answers are checked.

    Args:
        model: an ONNX file, from (N, C, H, W) uint8 pictures to (N, classes) float32 logits, N any number.
        shape: of the pictures that it must take.
        num_classes: that it must tell apart.

    Raises:
        MemoryError: when there is too little memory for it.
        SkysortError: when ONNX Runtime cannot load the file, or it takes or gives something else.
    """

    def __init__(self, model: Path, shape: Shape, num_classes: int) -> None:
        self.model, self.num_classes = model, num_classes
        self.runtime = onnx_runtime()
        options = self.runtime.SessionOptions()
        options.log_severity_level = ONLY_FATAL
        # Threads that wait in a loop for more to do take the cores from those that decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A model is one file, whose digest was checked. Below a file there is no folder to take weights from.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(model / "no-folder")
        )
        with reading(model):
            self.session = self.runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 2:
            raise SkysortError(
                "damaged-classifier",
                f"{model} is damaged: expected one input of pictures and one output of logits",
            )
        self.input = inputs[0].name
        if outputs[0].shape[1] != num_classes:
            raise SkysortError(
                "altered-classifier",
                f"{model.parent}: classifier.json names {num_classes} classes,"
                f" the model tells {outputs[0].shape[1]} apart",
            )
        any_number, *given = inputs[0].shape
        expected = [shape.channels, shape.size, shape.size]
        if given != expected or isinstance(any_number, int) or inputs[0].type != "tensor(uint8)":
            raise SkysortError(
                "altered-classifier",
                f"{model.parent}: the model does not take the pictures that classifier.json describes:"
                f" expected any number of {expected} in uint8,"
                f" found {inputs[0].shape} in {inputs[0].type}",
            )

    def run(self, pictures: Pixels) -> Logits:
        """Return (N, classes) float32 logits for (N, C, H, W) uint8 pictures.

        On the main thread, Ctrl-C ends it.

        Raises:
            MemoryError: when there is too little memory for it.
            SkysortError: when ONNX Runtime cannot run the model, or its answers are no finite logits.
        """
        options = self.runtime.RunOptions()

        def terminate() -> None:
            options.terminate = True

        with reading(self.model):
            (logits,) = interruptible(lambda: self.session.run(None, {self.input: pictures}, options), terminate)
        expected = (len(pictures), self.num_classes)
        if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.shape != expected:
            found = f"{logits.dtype} {logits.shape}" if isinstance(logits, np.ndarray) else type(logits).__name__
            raise SkysortError(
                "damaged-classifier",
                f"{self.model} is damaged: expected float32 {expected} logits, found {found}",
            )
        if not np.isfinite(logits).all():
            raise SkysortError("diverged", f"{self.model} gives logits that are not finite; train it anew")
        return logits
