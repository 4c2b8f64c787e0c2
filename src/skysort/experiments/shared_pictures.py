"""The pictures that several runs share, prepared once."""

from os import PathLike

from skysort.core.progress import Progress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.sections import Pictures
from skysort.runs.advise import advise_on_name


class SharedPictures:
    """Pictures of one data set. Runs whose recipes prepare them in the same way share the result.

    Args:
        name: name or path of the data, as the caller passed it.
        data_dir: folder of built-in data; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress.
    """

    def __init__(self, name: str, data_dir: str | PathLike[str] | None, progress: Progress) -> None:
        self.name, self.data, self.progress = name, Data.find(name, data_dir), progress
        advise_on_name(self.data, progress)
        self._prepared: dict[str, PreparedData] = {}

    def prepared(self, pictures: Pictures) -> PreparedData:
        """Return the pictures, prepared by this section of a resolved recipe.

        Raises:
            SkysortError: when the pictures are missing, cannot be read, or cannot be split.
        """
        key = pictures.model_dump_json(exclude={"normalise"})  # the network normalises
        if key not in self._prepared:
            self._prepared[key] = prepare(self.data, pictures, self.progress)
        return self._prepared[key]
