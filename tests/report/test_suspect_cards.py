from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.report.suspect_cards import suspect_cards
from tests.conftest import refused


def test_cards_are_of_the_pictures_that_the_list_names() -> None:
    data = Data.find("skies:8")
    dataset = open_dataset(data, data.shape(None, None, "stretch"), SilentProgress())
    first, second = (
        SuspectLabel(path=path, label="bird", probability=0.1, likelier="airplane", likelier_probability=0.9)
        for path in dataset.listing.paths[2:4]
    )
    assert [card.suspect for card in suspect_cards([second, first], dataset)] == [second, first]
    elsewhere = first.model_copy(update={"path": "bird/elsewhere.jpg"})
    with refused("damaged-run", "bird/elsewhere.jpg"):
        suspect_cards([first, elsewhere], dataset)
