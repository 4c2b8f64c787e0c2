"""What would a user otherwise pick: held-out accuracy after the same minutes on the same folder of pictures.

    python benchmarks/peers.py --minutes 3

The tutorials' plain loop, Lightning, fastai and Ultralytics, each as its own documentation starts with (see
benchmarks/peers/), all from random weights, since nothing is downloaded while they are measured, and skysort train
with its default recipe. The folder is birds-vs-airplanes, looked for and downloaded as in skysort train, as PNG
files: 10,000 to train on, and 2,000 held out that each looks at once, at its end. The minutes are those of the
whole command, imports and that look included. Each finds out for itself how much training that allows, and may
round it to whole epochs, so that the seconds it took stand beside. The peers live in an environment of their own,
which the first run makes and --environment names, with the PyTorch that Skysort has. What is not done after thrice
its minutes, and some, has failed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import report, write_pictures

from skysort.data.builtin.registry import NAMED
from skysort.data.decode import Shape

HERE = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "lightning", "fastai", "ultralytics")
TORCH = f"torch=={version('torch').partition('+')[0]}"  # a build as +cpu is no other version
PEERS = ("lightning", "fastai", "ultralytics")
DATA = "birds-vs-airplanes"
SECONDS_TO_START_AND_END = 300.0


def main() -> None:
    """Make environment and folder; run one after the other, since each may take all cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--only", nargs="+", choices=("plain", *PEERS, "skysort"), help="[all of them]")
    parser.add_argument("--environment", type=Path, default=Path("runs/peers-environment"))
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    chosen = asked.only or ("plain", *PEERS, "skysort")
    python = made_environment(asked.environment) if set(chosen) & set(PEERS) else Path(sys.executable)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_pictures(
            DATA, Shape(NAMED[DATA].size, NAMED[DATA].channels), Path(temporary) / "pictures", ".png"
        )
        found: dict[str, Mapping[str, Any]] = {}
        for name in chosen:
            try:
                if name == "skysort":
                    found[name] = skysort_run(folder, asked.minutes)
                else:
                    own = Path(sys.executable) if name == "plain" else python
                    found[name] = peer_run(own, name, folder, asked.minutes)
            except subprocess.TimeoutExpired as error:
                found[name] = {"failed": f"not done after {error.timeout:.0f} s"}
            print(name, found[name], flush=True)
    report(
        "What would a user otherwise pick: held-out accuracy after the same minutes",
        {"minutes": asked.minutes, "packages": packages_of(python), "found": found},
        asked.output,
    )


def made_environment(folder: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """Return the Python of an environment of packages, after making that if it is not there."""
    python = folder.absolute() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    whole = folder / f"installed-{TORCH}"
    if not whole.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", TORCH, *packages], check=True)
        whole.touch()
    return python


def packages_of(python: Path) -> dict[str, str]:
    """Return the versions that were measured."""
    told = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, encoding="utf-8"
    )
    return {line["name"]: line["version"] for line in json.loads(told.stdout) if line["name"] in PACKAGES}


def finished(
    command: Sequence[object], minutes: float, environment: Mapping[str, str], place: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a command to its end; return what it said, and the seconds it took.

    Raises:
        TimeoutExpired: when it is not done after thrice its minutes, and some.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=place,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=3 * 60 * minutes + SECONDS_TO_START_AND_END,
    )
    return done, time.perf_counter() - started


def peer_run(python: Path, name: str, folder: Path, minutes: float) -> Mapping[str, Any]:
    """Run a peer's script; return what its last line says."""
    settings = folder.parent / "settings"
    settings.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),  # for the plain loop
        "YOLO_CONFIG_DIR": str(settings),
        "YOLO_OFFLINE": "true",  # neither fonts nor weights are fetched, and nothing is sent
        "MPLBACKEND": "agg",
    }
    if name == "plain":
        environment["PYTHONPATH"] += os.pathsep + str(HERE.parent / "src")
    command = [python, HERE / "peers" / f"{name}_run.py", folder, str(minutes)]
    run, seconds = finished(command, minutes, environment, settings)
    if run.returncode:
        return {"failed": run.stderr[-1000:]}
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return {**figures, "seconds": seconds}


def skysort_run(folder: Path, minutes: float) -> Mapping[str, Any]:
    """Train with the default recipe and a budget, from a cache that is empty."""
    place = folder.parent / "skysort"
    environment = {**os.environ, "SKYSORT_CACHE": str(folder.parent / "cache")}
    protocol = "pictures.protocol=tutorial"  # no picture kept for validation, as with the others
    command = [sys.executable, "-m", "skysort", "train", folder, "--budget", f"{round(60 * minutes)}s"]
    run, seconds = finished([*command, "--run", place, "--set", protocol], minutes, environment)
    if run.returncode:
        return {"failed": run.stderr[-1000:]}
    metrics = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
    return {"accuracy": metrics["splits"]["test"]["accuracy"], "seconds": seconds}


if __name__ == "__main__":
    main()
