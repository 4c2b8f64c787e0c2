"""A check of pictures before training: the function of `skysort check`."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError, require
from skysort.core.files import write_whole
from skysort.core.progress import Progress, SilentProgress
from skysort.data.cut import Indices, cut, protocol_for
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.exif import open_metadata
from skysort.data.quality import check as quality
from skysort.data.quality.check import CheckResult
from skysort.data.quality.grouping import groups_of
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.data.splits import PreparedData
from skysort.recipe.load import DEFAULT_RECIPE, RECIPE_FOR_PHOTOGRAPHS
from skysort.recipe.schema import Recipe
from skysort.report.check_page import write_check_page
from skysort.runs.learner import backbone_learner
from skysort.runs.plan import default_recipe
from skysort.runs.resolve import check_network, shape_of


def check(
    data: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    group_by: str | None = None,
    label_by: str | None = None,
    settings: Sequence[str] = (),
    labels: bool = False,
    output: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Find problems in pictures that would distort the figures or stop training.

    Args:
        data: pictures, named as for `train`.
        group_by: a regular expression on paths. Pictures with the same match stay in one split.
        label_by: a regular expression that finds the label in a path.
        settings: fields of the section `pictures` of a recipe to override, such as `pictures.size=64`.
            With `labels`, fields of `transfer` too.
        labels: whether to look for labels that are likely wrong. This needs the extra `photos`, a backbone's
            weights and three pictures of each class. Pictures are decoded to the backbone's size.
        output: folder for check.json and check.html, a page of thumbnails; None for no files.
        data_dir: folder of built-in data, also for downloads; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a missing path.
        SkysortError: when the pictures cannot be opened; with `labels`, also when the weights are missing or
            damaged.
    """
    if output is not None:
        require("a page of thumbnails", "photos" if labels else "train", "jinja2")
    progress = progress or SilentProgress()
    patterns = {"group_by": group_by, "label_by": label_by}
    fields = {name: pattern for name, pattern in patterns.items() if pattern}
    _check_settings(settings, labels=labels)
    recipe = Recipe.load(RECIPE_FOR_PHOTOGRAPHS if labels else DEFAULT_RECIPE, settings)
    recipe = recipe.with_values(pictures=fields)
    pictures = recipe.pictures
    sources = [data] if isinstance(data, str | PathLike) else data
    named = Data.find([str(source) for source in sources], data_dir)
    shape = shape_of(recipe, named)
    if labels:
        check_network(recipe, named)
    dataset = open_dataset(named, shape, progress, pictures.label_by)
    groups = groups_of(dataset, pictures, progress)
    protocol = pictures.protocol or "four-way"
    if pictures.protocol is None and default_recipe(named, (), pictures.label_by).name == RECIPE_FOR_PHOTOGRAPHS:
        protocol = protocol_for(dataset.listing, groups)
    result = quality.check(named.name, dataset, groups, open_metadata(dataset.source, progress), protocol)
    if labels:
        try:
            result = result.with_suspect_labels(_suspect_labels(recipe, named, shape, dataset, groups, progress))
        except SkysortError as error:
            if error.code not in ("class-too-small", "too-few-classes"):
                raise
            result = result.with_labels_not_checked(error)
    if output is not None:
        page = Path(output)
        page.mkdir(parents=True, exist_ok=True)
        write_check_page(page / "check.html", result, dataset)
        write_whole(page / "check.json", result.to_json())
    return result


def _check_settings(settings: Sequence[str], *, labels: bool) -> None:
    """Make sure that every setting has an effect: a check trains nothing.

    Raises:
        NotUnderstoodError: for a field of another section.
    """
    sections = ("pictures", "transfer") if labels else ("pictures",)
    for setting in settings:
        field = setting.partition("=")[0].strip()
        if field.partition(".")[0] not in sections:
            takes = " and ".join(sections) if labels else "pictures, and with --labels of transfer"
            raise NotUnderstoodError("invalid-recipe", f"check takes fields of {takes}; found '{field}'")


def _suspect_labels(
    recipe: Recipe, data: Data, shape: Shape, dataset: Dataset, groups: Indices, progress: Progress
) -> tuple[SuspectLabel, ...]:
    """Return the labels that are likely wrong among all pictures, whatever split the data declares."""
    rows = cut(dataset.listing, groups, "folds", recipe.pictures.seed)
    return backbone_learner().suspects(recipe, PreparedData(data, shape, dataset, groups, rows, "folds"), progress)
