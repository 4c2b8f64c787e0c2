import pytest

from skysort.data.dataset import Data
from skysort.experiments.studies import STUDIES, find_study
from skysort.networks.families import build_layers
from tests.conftest import refused


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_compares_recipes_that_fit_its_pictures(name: str) -> None:
    asked = find_study(name)
    data = Data.find(asked.data)
    assert len(asked.variants) > 1
    for variant in asked.variants:
        pictures = variant.recipe.pictures
        build_layers(variant.recipe.network, data.shape(pictures.size, pictures.channels, pictures.resize), 2)


@pytest.mark.parametrize("name", STUDIES)
def test_the_recipes_of_a_study_differ_in_what_it_is_about_alone(name: str) -> None:
    contents = [
        variant.recipe.model_dump(exclude={"name", "description", "published"})
        for variant in find_study(name).variants
    ]
    different = {
        section for section in contents[0] for other in contents if other[section] != contents[0][section]
    }
    expected = {
        "step-size": {"training"},
        "loss": {"loss"},
        "crop": {"augment"},
        "regularisation": {"network", "optimizer"},
        "depth": {"network", "optimizer"},
        # two names for one loss: each recipe has that of its text
        "translation": {"network", "loss"},
        "normalisation": {"pictures"},
    }
    assert different == expected.get(name, {"network"})


def test_settings_and_other_pictures_go_to_every_recipe() -> None:
    asked = find_study("crop", "skies:100", ("training.epochs=2",))
    assert asked.data == "skies:100"
    assert [variant.recipe.training.epochs for variant in asked.variants] == [2, 2]


def test_an_unknown_study_is_refused_with_a_suggestion() -> None:
    with refused("unknown-study", "'stepsize'", "'step-size'", exit_code=2):
        find_study("stepsize")
