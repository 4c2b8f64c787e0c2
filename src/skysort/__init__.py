"""Skysort teaches a small network to sort pictures, and says how far to trust it.

    import skysort

    run = skysort.train("birds-vs-airplanes", recipe="convnet")
    classifier = skysort.load(run.classifier)
    classifier.predict(["bird.jpg"])

These names are public: each function does what the command of its name does. All else is private and may change.
Names are fetched when they are first used, and importing this package changes nothing of the process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysort.classifier.classifier import Classifier, load, predict
    from skysort.core.errors import NotUnderstoodError, SkysortError
    from skysort.experiments.by_name import compare
    from skysort.experiments.reproduce import reproduce
    from skysort.recipe.schema import Recipe
    from skysort.runs.check import check
    from skysort.runs.decide import decide
    from skysort.runs.evaluate import evaluate
    from skysort.runs.folder import Run
    from skysort.runs.improve import improve
    from skysort.runs.train import resume, train
    from skysort.work.sort import sort
    from skysort.work.watch import watch

    __version__: str

__all__ = [
    "Classifier",
    "NotUnderstoodError",
    "Recipe",
    "Run",
    "SkysortError",
    "check",
    "compare",
    "decide",
    "evaluate",
    "improve",
    "load",
    "predict",
    "reproduce",
    "resume",
    "sort",
    "train",
    "watch",
]

_HOMES = {
    "Classifier": "skysort.classifier.classifier",
    "NotUnderstoodError": "skysort.core.errors",
    "Recipe": "skysort.recipe.schema",
    "Run": "skysort.runs.folder",
    "SkysortError": "skysort.core.errors",
    "check": "skysort.runs.check",
    "compare": "skysort.experiments.by_name",
    "decide": "skysort.runs.decide",
    "evaluate": "skysort.runs.evaluate",
    "improve": "skysort.runs.improve",
    "load": "skysort.classifier.classifier",
    "predict": "skysort.classifier.classifier",
    "reproduce": "skysort.experiments.reproduce",
    "resume": "skysort.runs.train",
    "sort": "skysort.work.sort",
    "train": "skysort.runs.train",
    "watch": "skysort.work.watch",
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
