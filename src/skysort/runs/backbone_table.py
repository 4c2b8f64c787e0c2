"""classifier.json of a head on a backbone."""

from typing import TYPE_CHECKING

from skysort.classifier.format import ClassifierTable, PictureFormat, Temperature, UsedBackbone
from skysort.core.environment import machine_description, versions
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.transfer.backbones import Backbone

if TYPE_CHECKING:
    from skysort.transfer.head import FittedHead


def backbone_table(
    recipe: Recipe,
    prepared: PreparedData,
    backbone: Backbone,
    fitted: "FittedHead",
    temperature: Temperature,
    seconds: dict[str, float],
) -> ClassifierTable:
    """Return the table without the digests of files, which are not written yet.

    Args:
        recipe: recipe of the run.
        prepared: pictures of the run.
        backbone: its weights are a part of the model.
        fitted: the head.
        temperature: divisor of the head's logits.
        seconds: of computing features and of learning.
    """
    shape = prepared.shape
    return ClassifierTable(
        classes=prepared.dataset.listing.classes,
        pictures=PictureFormat(size=shape.size, channels=shape.channels, resize=shape.resize),
        network=recipe.network.model_dump(mode="json"),
        backbone=UsedBackbone(
            name=backbone.name,
            sha256=backbone.sha256,
            licence=backbone.licence.name,
            penalty=fitted.strength,
        ),
        recipe=recipe.name,
        test_time_flip=recipe.transfer.flip,
        parameters=fitted.linear.weight.size + fitted.linear.bias.size,
        temperature=temperature.value,
        temperature_reason=temperature.reason,
        data={"source": prepared.data.name, "fingerprint": prepared.dataset.fingerprint()},
        seconds=seconds,
        files={},
        versions=versions(),
        machine=machine_description(recipe.training.device, recipe.training.threads),
    )
