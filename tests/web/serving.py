"""A service in a process of its own."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import start


@contextmanager
def serving(run: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a service and its port. It must end with exit code 0."""
    process = start("serve", run, "--port", 0, *options)
    try:
        line = process.stderr.readline()
        port = re.search(r"url=http://127\.0\.0\.1:(\d+)", line)
        assert port, line + process.communicate()[1]
        yield process, int(port[1])
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        ended, log = process.wait(20), process.stderr.read()
        assert (ended, "Traceback" in log, "ending requests_to_answer=" in log) == (0, False, True)
    finally:
        process.kill()
        process.communicate()
