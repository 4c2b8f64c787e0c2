"""Only `network_learner` takes PyTorch, and only when it is needed."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import skysort.experiments
import skysort.runs

MODULES = [
    module.name
    for package in (skysort.runs, skysort.experiments)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if module.name not in ("skysort.runs.network_learner", "skysort.runs.backbone_learner")
]


def test_no_module_of_runs_and_experiments_loads_torch_when_it_is_imported() -> None:
    assert {"skysort.runs.train", "skysort.runs.learner", "skysort.experiments.train_mode"} <= set(MODULES)
    script = f"import sys, {', '.join(MODULES)}; print({{'torch', 'onnx'}} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


@pytest.mark.parametrize(
    ("call", "is_loaded"),
    [("learner", False), ("learner(Recipe.load('photos'))", False), ("learner(Recipe.load('swift'))", True)],
)
def test_torch_is_loaded_by_the_first_call_that_needs_it(call: str, is_loaded: bool) -> None:
    imports = "from skysort.recipe.schema import Recipe; from skysort.runs.learner import learner"
    script = f"import sys; {imports}; {call}; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{is_loaded}\n"


def test_training_loads_neither_the_compiler_nor_the_exporter_of_pytorch(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
import matplotlib.figure
import skysort
matplotlib.figure.Figure.draw = lambda figure, renderer: None
for recipe, optimizer in (("swift", "muon"), ("mlp", "sgd"), ("mlp", "adamw"), ("mlp", "rmsprop")):
    settings = ("training.epochs=1", f"optimizer.name={optimizer}")
    skysort.train("skies:60", recipe, Path(sys.argv[1]) / optimizer, settings=settings)
print({"torch._dynamo", "onnx_ir"} & sys.modules.keys())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.stdout == "set()\n", ended.stderr
