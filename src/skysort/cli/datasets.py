"""skysort datasets: the built-in data sets by name."""

from pathlib import Path

from skysort.cli.console import show_names
from skysort.cli.options import DataDir
from skysort.core.errors import SkysortError
from skysort.data.builtin.download import is_offline
from skysort.data.builtin.registry import NAMED, MissingDataError, data_folder

EXAMPLES = """\
skysort datasets
skysort datasets --data-dir /mnt/data
"""


def datasets(data_dir: DataDir = None) -> None:
    """List the built-in data sets. In a pipe, print only their names, one per line."""
    rows = ((name, f"{data.description} [{_state(name, data_dir)}]") for name, data in NAMED.items())
    show_names("data set", rows)


def _state(name: str, data_dir: Path | None) -> str:
    """Return whether a data set can be used now."""
    data = NAMED[name]
    try:
        data.open(data_folder(data_dir), data.size)
    except MissingDataError:
        if data.published is None or is_offline():
            return f"not in {data_folder(data_dir)}"
        return f"to be downloaded, {data.published.num_bytes / 1e6:,.0f} MB"
    except SkysortError as error:
        return str(error)
    return "ready"
