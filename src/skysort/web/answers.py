"""The JSON that the service answers with. OpenAPI describes it from these classes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Action, Decision
from skysort.classifier.format import Headline, OodThreshold, PictureFormat
from skysort.classifier.predictions import Prediction
from skysort.core.models import FrozenModel


class Row(FrozenModel):
    """The prediction for one picture, with the columns of `skysort predict`."""

    path: str
    """The file name that the request gave."""
    label: str | None
    """The likeliest class; null unless the status is `ok`."""
    confidence: float | None
    """Probability of the label."""
    status: Literal["ok", "unknown", "unreadable"]
    reason: str
    """Why there is no label; empty if there is one."""
    probabilities: dict[str, float]
    """By class; empty for an unreadable picture."""
    similarity: float | None
    """To training pictures; null where the classifier does not tell it."""
    actions: dict[str, Action]
    """What to do with the picture, by decision of the classifier."""


class Answer(FrozenModel):
    """One prediction per picture of a request, in order."""

    model: str
    """SHA-256 of the model that answered."""
    predictions: list[Row]


class ClassifierFacts(FrozenModel):
    """The classifier that answers now."""

    model: str
    """SHA-256 of its model."""
    recipe: str
    classes: tuple[str, ...]
    pictures: PictureFormat
    decisions: tuple[Decision, ...]
    unknown: OodThreshold | None
    """The threshold below which a picture is unknown; null where every picture gets a class."""
    figures: Headline | None
    """Of the test split; null until it is measured."""


class ErrorDetail(FrozenModel):
    """What went wrong."""

    code: str
    """The kind of error. Programs go by it."""
    message: str
    """For a person."""


class ErrorBody(FrozenModel):
    """An error, as `skysort … --format json` prints it."""

    error: ErrorDetail


class State(FrozenModel):
    """The state of the service."""

    status: Literal["ok"]


def answer_to(classifier: Classifier, predictions: list[Prediction]) -> Mapping[str, object]:
    """Return the content of an `Answer`."""
    decisions = classifier.table.decisions
    rows = [
        asdict(prediction) | {"actions": {one.name: one.action(prediction) for one in decisions}}
        for prediction in predictions
    ]
    return {"model": classifier.digest, "predictions": rows}


def facts_of(classifier: Classifier) -> ClassifierFacts:
    """Return the facts about a classifier that clients may know: no paths, and nothing about the computer."""
    table = classifier.table
    return ClassifierFacts(
        model=classifier.digest,
        recipe=table.recipe,
        classes=table.classes,
        pictures=table.pictures,
        decisions=table.decisions,
        unknown=table.unknown,
        figures=table.figures,
    )
