"""ONNX Runtime. No other module imports it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.damage import lacks_memory, reading, short_reason
from skysort.classifier.evidence import Evidence
from skysort.classifier.interruptible import interruptible
from skysort.classifier.proof import Logits
from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels, Shape

LOGITS, FEATURES, EVIDENCE = "logits", "features", "evidence"
"""Names of a model's outputs; every classifier has the first."""
ONLY_FATAL = 4
"""Log level of ONNX Runtime on standard error. It raises errors as well."""


def onnx_runtime() -> Any:
    """Import ONNX Runtime, which takes long, and return the module, with telemetry turned off.

    Raises:
        MemoryError: when there is too little memory to load it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at import; from version 1.29 on it would send telemetry
    try:
        import onnxruntime
    except ImportError as error:
        if lacks_memory(error):
            raise MemoryError(f"ONNX Runtime: {short_reason(error)}") from None
        raise
    # The program that uses Skysort may have imported it before.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


class OnnxModel:
    """A model on ONNX Runtime, on the CPU.

    Args:
        model: an ONNX file with one input, of (N, C, H, W) pictures.

    Raises:
        MemoryError: when there is too little memory.
        SkysortError: when ONNX Runtime cannot load the file, or it has another input.
    """

    def __init__(self, model: Path) -> None:
        self.model = model
        self.runtime = onnx_runtime()
        options = self.runtime.SessionOptions()
        options.log_severity_level = ONLY_FATAL
        # Threads that spin while they wait would take the cores from the threads that decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A model is one file, whose digest was checked. This path lies below a file, so no weights can be there.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(model / "no-folder")
        )
        with reading(model):
            self.session = self.runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            inputs = self.session.get_inputs()
            self.outputs = {output.name: output for output in self.session.get_outputs()}
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise damaged("damaged-classifier", model, "expected one input of pictures")
        self.input = inputs[0]

    def compute(self, pictures: Pixels, *outputs: str) -> list[NDArray[np.float32]]:
        """Return some of the model's outputs for (N, C, H, W) uint8 pictures, computing nothing else.

        On the main thread, Ctrl-C interrupts it.

        Raises:
            MemoryError: when there is too little memory.
            SkysortError: when ONNX Runtime cannot run the model.
        """
        options = self.runtime.RunOptions()
        options.only_execute_path_to_fetches = True

        def terminate() -> None:
            options.terminate = True

        feed = {self.input.name: pictures}
        with reading(self.model):
            computed: list[NDArray[np.float32]] = interruptible(
                lambda: self.session.run(list(outputs), feed, options), terminate
            )
        return computed


class Session(OnnxModel):
    """The model of a classifier on ONNX Runtime. Its inputs, outputs and logits are checked.

    Args:
        model: an ONNX file, from (N, C, H, W) uint8 pictures to (N, classes) float32 logits, for any N.
        shape: of the pictures that it must take.
        num_classes: the number of logits that it must give.

    Raises:
        MemoryError: when there is too little memory.
        SkysortError: when ONNX Runtime cannot load the file, or its input or output is another one.
    """

    def __init__(self, model: Path, shape: Shape, num_classes: int) -> None:
        super().__init__(model)
        self.num_classes = num_classes
        logits = self.outputs.get(LOGITS)
        if logits is None or len(logits.shape) != 2 or not self.outputs.keys() <= {LOGITS, FEATURES, EVIDENCE}:
            raise damaged("damaged-classifier", model, "expected an output of logits")
        if logits.shape[1] != num_classes:
            raise SkysortError(
                "altered-classifier",
                f"{model.parent}: classifier.json has {num_classes} classes, but the model gives"
                f" {logits.shape[1]} logits",
            )
        any_number, *given = self.input.shape
        expected = [shape.channels, shape.size, shape.size]
        if given != expected or isinstance(any_number, int) or self.input.type != "tensor(uint8)":
            raise SkysortError(
                "altered-classifier",
                f"{model.parent}: the model takes other pictures than classifier.json says: expected any number of"
                f" {expected} in uint8, found {self.input.shape} in {self.input.type}",
            )

    def run(self, pictures: Pixels) -> Logits:
        """Return (N, classes) float32 logits for (N, C, H, W) uint8 pictures.

        On the main thread, Ctrl-C interrupts it.

        Raises:
            MemoryError: when there is too little memory.
            SkysortError: when ONNX Runtime cannot run the model, or the logits are NaN or infinite.
        """
        (logits,) = self.compute(pictures, LOGITS)
        return self._checked(logits, len(pictures))

    def run_with(self, pictures: Pixels, *others: str) -> dict[str, NDArray[np.float32]]:
        """Return the logits, as `run` does, and other outputs of the model by name, from one pass.

        Raises:
            As `run`.
        """
        outputs = dict(zip((LOGITS, *others), self.compute(pictures, LOGITS, *others), strict=True))
        self._checked(outputs[LOGITS], len(pictures))
        if EVIDENCE in outputs:
            self._check_evidence(outputs[EVIDENCE], len(pictures))
        return outputs

    @property
    def num_features(self) -> int | None:
        """Number of features that the model gives; None if it gives none."""
        return self.outputs[FEATURES].shape[-1] if FEATURES in self.outputs else None

    def _checked(self, logits: Logits, num: int) -> Logits:
        expected = (num, self.num_classes)
        if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.shape != expected:
            kind = f"{logits.dtype} {logits.shape}" if isinstance(logits, np.ndarray) else type(logits).__name__
            raise damaged("damaged-classifier", self.model, f"expected float32 {expected} logits, found {kind}")
        if not np.isfinite(logits).all():
            raise SkysortError("diverged", f"{self.model} gives logits that are NaN or infinite; train it again")
        return logits

    def evidence(self, pictures: Pixels) -> Evidence:
        """Return (N, classes, h, w) float32 evidence, of a model with this output, as `run` returns logits."""
        (evidence,) = self.compute(pictures, EVIDENCE)
        self._check_evidence(evidence, len(pictures))
        return evidence

    def _check_evidence(self, evidence: Evidence, num: int) -> None:
        if evidence.ndim != 4 or evidence.shape[:2] != (num, self.num_classes):
            why = f"expected evidence for {self.num_classes} classes, found an output of shape {evidence.shape}"
            raise damaged("damaged-classifier", self.model, why)
