"""Skysort teaches a small network to sort pictures, and says how far to trust it.

    import skysort

    run = skysort.train("birds-vs-airplanes", recipe="convnet")
    classifier = skysort.load(run.classifier)
    classifier.predict(["bird.jpg"])

The command line imports this package for every verb, so names are fetched when they are first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysort.classifier.classifier import Classifier, load
    from skysort.core.errors import NotUnderstoodError, SkysortError
    from skysort.recipe.schema import Recipe
    from skysort.runs.decide import decide
    from skysort.runs.evaluate import evaluate
    from skysort.runs.folder import Run
    from skysort.runs.train import resume, train

    __version__: str

# Read by ONNX Runtime when it is imported, here or in a library: from 1.29 on it sends telemetry otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = [
    "Classifier",
    "NotUnderstoodError",
    "Recipe",
    "Run",
    "SkysortError",
    "decide",
    "evaluate",
    "load",
    "resume",
    "train",
]

_HOMES = {
    "Classifier": "skysort.classifier.classifier",
    "NotUnderstoodError": "skysort.core.errors",
    "Recipe": "skysort.recipe.schema",
    "load": "skysort.classifier.classifier",
    "Run": "skysort.runs.folder",
    "SkysortError": "skysort.core.errors",
    "decide": "skysort.runs.decide",
    "evaluate": "skysort.runs.evaluate",
    "resume": "skysort.runs.train",
    "train": "skysort.runs.train",
}


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # takes longer than all else that is imported here

        return version("skysort")
    if name not in _HOMES:
        raise AttributeError(f"module 'skysort' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
