"""What `make demo` runs: two of the tutorials' networks, and the fast one, on birds and airplanes that are drawn.

It uses what anybody can: skysort.train, skysort.load and predict.
"""

import shutil
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

import skysort
from skysort.cli.progress import progress_on_stderr
from skysort.data.builtin import skies

FOLDER = Path("runs/demo")
RECIPES = ("mlp", "convnet", "swift")
# A larger step that falls to nothing takes the recipes in 12 epochs to where theirs takes them in some 40.
SETTINGS = ("training.epochs=12", "optimizer.learning_rate=0.05", "schedule.name='linear'")
BUDGET = "40s"
"""Time for swift, which plans its own epochs."""
NUM_PREDICTED = 6
FIRST_UNSEEN = 1_000_000
"""The runs draw fewer skies than this, so pictures from here on are new to them."""


def main() -> None:
    """Train, compare, predict, and say where everything is."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    console = Console(highlight=False)
    progress = progress_on_stderr(quiet=False)
    runs = []
    for recipe in RECIPES:
        console.print(f"[bold]{recipe}[/]: {skysort.Recipe.load(recipe).description}", soft_wrap=True)
        how = {"budget": BUDGET} if recipe == "swift" else {"settings": SETTINGS}
        runs.append(skysort.train("skies", recipe, FOLDER / recipe, progress=progress, **how))
    console.print()
    console.print(_table(runs))
    console.print()
    _predict(runs[-1], console)
    console.print()
    for run in runs:
        console.print(f"{run.recipe.name}: run {run.path}, report {run.report}", soft_wrap=True)


def _table(runs: list[skysort.Run]) -> Table:
    table = Table("network", title="What they make of birds and airplanes they have not seen", box=None)
    for heading in ("parameters", "training accuracy", "test accuracy", "95 % interval", "seconds"):
        table.add_column(heading, justify="right")
    for run in runs:
        metrics = run.metrics
        test = metrics.splits["test"]
        low, high = test.interval95
        table.add_row(
            run.recipe.name,
            f"{metrics.parameters:,}",
            f"{metrics.splits['train'].accuracy:.3f}",
            f"{test.accuracy:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{sum(metrics.seconds.values()):.0f}",
        )
    return table


def _predict(run: skysort.Run, console: Console) -> None:
    folder = FOLDER / "unseen"
    folder.mkdir()
    for number in range(FIRST_UNSEEN, FIRST_UNSEEN + NUM_PREDICTED):
        name = skies.CLASSES[number % len(skies.CLASSES)]
        Image.fromarray(skies.draw(number, 224)).save(folder / f"{name}-{number}.png")
    console.print(f"{run.recipe.name} on {NUM_PREDICTED} new ones, drawn larger:")
    for prediction in skysort.load(run.path).predict(folder):
        console.print(f"  {prediction.label:<9} {prediction.confidence:.3f}  {prediction.path}")


if __name__ == "__main__":
    try:
        main()
    except skysort.SkysortError as error:  # Ctrl-C, for instance
        raise SystemExit(f"demo: {error}") from None
