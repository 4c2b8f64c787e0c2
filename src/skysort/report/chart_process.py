"""A second process that draws charts. It imports matplotlib while the first one imports other libraries.

    python -m skysort.report.chart_process

It reads pickled arguments of `charts.drawn_here` from standard input, and writes pickled `<svg>` elements to
standard output. The command that started it is at the other end of both, and nobody else.
"""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from skysort.data.parallel import num_cores

_running: list[subprocess.Popen[bytes]] = []
"""The process, while it runs."""


@contextmanager
def charts_drawn_beside() -> Iterator[None]:
    """Draw charts in a process of its own, unless matplotlib is here already or there is no second core."""
    if "matplotlib" in sys.modules or num_cores() < 2:
        yield
        return
    # -P: without it, Python would import modules from the current folder first.
    command = [sys.executable, "-P", "-m", "skysort.report.chart_process"]
    # Ctrl-C goes to both processes, and the first one reports it.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        _running.append(process)
        try:
            yield
        finally:
            _running.clear()
            process.kill()
            assert process.stdin
            with suppress(OSError):  # closing it writes what a killed process has not read
                process.stdin.close()


def is_running() -> bool:
    """Return whether the process draws the charts."""
    return bool(_running)


def drawn_there(*chart: Any) -> str | None:
    """Return what `charts.drawn_here` returns for these arguments; None if the process does not run."""
    if not _running:
        return None
    (process,) = _running
    assert process.stdin
    assert process.stdout
    pickled = pickle.dumps(chart)
    try:
        process.stdin.write(pickled)
        process.stdin.flush()
        svg: str = pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):  # it was killed
        _running.clear()
        return None
    return svg


def serve(charts: IO[bytes], svgs: IO[bytes]) -> None:
    """Draw charts until there are no more."""
    from skysort.report.charts import drawn_here, load

    load()
    with suppress(EOFError):
        while True:
            pickle.dump(drawn_here(*pickle.load(charts)), svgs)
            svgs.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
