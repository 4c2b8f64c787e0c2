"""Does the service answer every request while clients are killed, and does its memory stay flat?

    python benchmarks/serve_long.py runs/convnet --seconds 300

Processes with several clients each post one JPEG after the other. Every few seconds one process is killed in the
middle of what it sends, and another takes its place. A process that is not killed fails unless each of its
requests is answered with 200. The memory is that of the service's process, as the system counts it (VmRSS).
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from measuring import report

NUM_PROCESSES, CLIENTS_EACH = 8, 8
SECONDS_BETWEEN_KILLS, SECONDS_OF_PROCESS = 4.0, 30.0
SECONDS_BETWEEN_LOOKS = 15.0


@dataclass
class Load:
    """Processes with clients, of which some are killed."""

    run: Path
    port: int
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    killed: int = 0
    failed: int = 0
    answered: int = 0
    """Requests of processes that were not killed, apart from those to warm up."""

    def fill(self) -> None:
        """Count what has ended, and start as many."""
        for process in [one for one in self.processes if one.poll() is not None]:
            self._count(process)
        while len(self.processes) < NUM_PROCESSES:
            command = [sys.executable, "benchmarks/serve.py", self.run, "--seconds", SECONDS_OF_PROCESS]
            words = [*map(str, command), "--load", str(self.port), str(CLIENTS_EACH)]
            self.processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))

    def kill(self) -> None:
        """Kill one."""
        process = random.choice(self.processes)
        if process.poll() is None:
            process.kill()
            process.communicate()
            self.processes.remove(process)
            self.killed += 1

    def finish(self) -> None:
        """Wait for those that run."""
        for process in list(self.processes):
            self._count(process)

    def _count(self, process: "subprocess.Popen[str]") -> None:
        out, _ = process.communicate()
        self.processes.remove(process)
        if process.returncode:
            self.failed += 1
        else:
            self.answered += round(json.loads(out)["pictures a second"] * SECONDS_OF_PROCESS)


def main() -> None:
    """Load the service until the time is over and enough requests are answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    command = [sys.executable, "-m", "skysort", "serve", str(asked.run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        found = re.search(r"url=http://127.0.0.1:(\d+)", service.stderr.readline())
        load = Load(asked.run, int(found[1]))
        memory: dict[int, int] = {}
        began = kill_at = look_at = time.monotonic()
        while time.monotonic() < began + asked.seconds or num_pictures(load.port) < asked.requests:
            load.fill()
            time.sleep(0.2)
            if time.monotonic() >= kill_at:
                kill_at += SECONDS_BETWEEN_KILLS
                load.kill()
            if time.monotonic() >= look_at:
                look_at += SECONDS_BETWEEN_LOOKS
                memory[num_pictures(load.port)] = resident_kib(service.pid)
        load.finish()
        memory[num_pictures(load.port)] = resident_kib(service.pid)
        service.terminate()
        exit_code = service.wait(60)
    figures = {
        "run": asked.run.name, "seconds": round(time.monotonic() - began), "clients": NUM_PROCESSES * CLIENTS_EACH,
        "processes killed": load.killed, "processes that missed an answer": load.failed,
        "requests answered to others": load.answered, "exit code of the service": exit_code,
        "MiB by requests answered": {num: round(kib / 1024, 1) for num, kib in memory.items()},
    }  # fmt: skip
    report("does the service answer everyone, and does its memory stay flat?", figures, asked.output)


def num_pictures(port: int) -> int:
    """Return how many pictures the service has answered."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:  # 64 clients are below its bounds
        counted = re.findall(r"^skysort_serve_pictures_total\{.*\} (\S+)$", answer.read().decode(), re.MULTILINE)
    return round(sum(map(float, counted)))


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


if __name__ == "__main__":
    main()
