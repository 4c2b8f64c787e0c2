"""The pictures that several runs share, prepared once."""

from os import PathLike

from skysort.core.progress import Progress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.sections import Pictures
from skysort.runs.advise import advise_on_name


class SharedPictures:
    """Pictures of one data set, prepared once for all runs whose recipes prepare them alike.

    Args:
        name: of the data, or a path, as a person gave it.
        data_dir: where named data is; else $SKYSORT_DATA, else the cache folder.
        progress: where to report how far it is.
    """

    def __init__(self, name: str, data_dir: str | PathLike[str] | None, progress: Progress) -> None:
        self.name, self.data, self.progress = name, Data.find(name, data_dir), progress
        advise_on_name(self.data, progress)
        self._prepared: dict[str, PreparedData] = {}

    def prepared(self, pictures: Pictures) -> PreparedData:
        """Return them as a resolved recipe wants them.

        Raises:
            SkysortError: when they are not there, cannot be read, or cannot be cut.
        """
        key = pictures.model_dump_json(exclude={"normalise"})  # which the network does
        if key not in self._prepared:
            self._prepared[key] = prepare(self.data, pictures, self.progress)
        return self._prepared[key]
