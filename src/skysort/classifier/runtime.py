"""ONNX Runtime, which is imported here and nowhere else."""

from pathlib import Path
from typing import Any

from skysort.errors import SkysortError


def onnx_runtime() -> Any:
    """Import ONNX Runtime, which takes long, and return the module; it sends no telemetry."""
    import onnxruntime

    # Importing `skysort` has turned telemetry off, unless the program imported ONNX Runtime before.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def open_session(model: Path) -> Any:
    """Return a session of ONNX Runtime that runs a model on the CPU.

    Raises:
        SkysortError: when ONNX Runtime cannot run it.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; the rest is for those who build the network
    # Threads that wait in a loop for more to do take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no narrower base
        raise SkysortError(f"ONNX Runtime cannot run {model}: {error}") from None
