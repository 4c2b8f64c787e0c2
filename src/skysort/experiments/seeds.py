"""Runs of recipes with several seeds in one folder. Finished runs are not run again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skysort.classifier.format import read_table
from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.data.dataset import Data, source_name
from skysort.experiments.shared_pictures import SharedPictures
from skysort.recipe.schema import Recipe
from skysort.runs.finish import carry_out, go_on
from skysort.runs.folder import Run
from skysort.runs.plan import make_plan
from skysort.runs.reopen import check_unchanged
from skysort.runs.resolve import resolved

DEFAULT_SEEDS = 3
WHERE_IT_RUNS = ("device", "threads", "log_every")
"""Fields of `training` that do not change the results, except by rounding."""


@dataclass(frozen=True)
class Variant:
    """A recipe under a name of its own."""

    name: str
    recipe: Recipe

    def with_seed(self, seed: int) -> Recipe:
        """Return the recipe with the seed of one run."""
        return self.recipe.with_values(training={"seed": seed})


def deciding(settings: Iterable[str]) -> tuple[str, ...]:
    """Return the settings that change the results: for each field, the last one."""
    last = {field.strip(): value.strip() for field, _, value in (setting.partition("=") for setting in settings)}
    others = {f"training.{field}" for field in WHERE_IT_RUNS}
    return tuple(f"{field}={value}" for field, value in last.items() if field not in others)


def check_variants(variants: Sequence[Variant], settings: Iterable[str], output: Path) -> None:
    """Make sure that every run has its own recipe and folder, and that no setting is ignored.

    Raises:
        NotUnderstoodError: for a repeated name or recipe, or a seed among the settings.
        SkysortError: when the folder has other contents.
    """
    if any(setting.startswith("training.seed=") for setting in deciding(settings)):
        raise NotUnderstoodError(
            "options-conflict", "runs to compare have training.seed 0, 1, 2 …; set their number with --seeds"
        )
    for number, variant in enumerate(variants):
        for other in variants[:number]:
            if variant.name == other.name:
                raise NotUnderstoodError(
                    "same-twice", f"two recipes have the name '{variant.name}' (in a file, its field `name`)"
                )
            if computed(variant.recipe) == computed(other.recipe):
                raise NotUnderstoodError(
                    "same-twice",
                    f"'{other.name}' and '{variant.name}' are the same recipe with these settings;"
                    " there is nothing to compare",
                )
    if output.exists() and not (output / "runs").is_dir() and not (output.is_dir() and not any(output.iterdir())):
        raise SkysortError(
            "output-taken", f"{output} has other contents than runs to continue; choose another --output"
        )


def computed(recipe: Recipe) -> dict[str, dict[str, object]]:
    """Return the fields of a recipe that decide the results of a run, without device, threads and logging."""
    sections: dict[str, dict[str, object]] = recipe.model_dump(
        mode="json", exclude={"name", "description", "published"}
    )
    for field in WHERE_IT_RUNS:
        del sections["training"][field]
    return sections


def run_seeds(variant: Variant, pictures: SharedPictures, seeds: Iterable[int], output: Path) -> Iterator[Run]:
    """Yield one finished run per seed of a variant. Train or resume the runs that are not finished.

    Raises:
        StoppedError: when the person or the system stopped it.
        SkysortError: when a run fails, or its folder has a run of another recipe or of other pictures.
    """
    data, progress = pictures.data, pictures.progress
    for seed in seeds:
        folder = output / "runs" / f"{variant.name}-seed{seed}"
        recipe = resolved(variant.with_seed(seed), data)
        run = _started(folder, recipe, data)
        prepared = pictures.prepared(recipe.pictures)
        if run is not None and run.is_finished:
            # Its pictures, classifier and figures must still belong together.
            check_unchanged(run, prepared)
            run.check_classifier()
            yield run
            continue
        progress.say(f"{variant.name}, seed {seed}: in {folder}")
        try:
            if run is None:
                plan = make_plan(pictures.name, variant.with_seed(seed), folder, data_dir=data.data_dir)
                run = carry_out(plan, prepared, progress)
            else:
                with run.locked():
                    check_unchanged(run, prepared)
                    go_on(run, prepared, progress)
        except StoppedError as stopped:
            reason = str(stopped).partition(";")[0]
            raise StoppedError(
                "interrupted", f"{reason}, in {folder}; run the same command again to continue"
            ) from None
        yield run


def _started(folder: Path, recipe: Recipe, data: Data) -> Run | None:
    """Return the run in a folder to continue; None if there is none.

    Raises:
        SkysortError: when the folder has another run.
    """
    if not folder.exists():
        return None
    try:
        run = Run.open(folder)
    except SkysortError as error:
        raise SkysortError("output-taken", f"{error}; remove the folder, or choose another --output") from None
    if run.data.source != data.source:
        raise SkysortError(
            "output-taken", f"{folder} holds a run on {source_name(run.data.source)}; choose another --output"
        )
    before, now = computed(run.recipe), computed(recipe)
    other = [
        f"{section}.{field} = {before[section].get(field)}, not {value}"
        for section in now
        for field, value in now[section].items()
        if before[section].get(field) != value
    ]
    if other:
        raise SkysortError(
            "output-taken", f"{folder} holds a run with {', '.join(other)}; choose another --output"
        )
    return run


def made_by(runs: Iterable[Run]) -> tuple[str, dict[str, str]]:
    """Return the machines of runs, and the versions of each library."""
    tables = [read_table(run.classifier) for run in runs]
    names = sorted({name for table in tables for name in table.versions})
    versions = {name: {table.versions[name] for table in tables if name in table.versions} for name in names}
    machine = " | ".join(sorted({table.machine for table in tables}))
    return machine, {name: " and ".join(sorted(several)) for name, several in versions.items()}
