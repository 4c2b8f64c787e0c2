"""Tries faults of the C library's calls on what Skysort does with files, and says what came of them.

    python -m tests.faults.campaign                                  # every fault: over 40 minutes on two cores
    python -m tests.faults.campaign --draw 200                       # so many of each scene, always the same
    python -m tests.faults.campaign --only 'undo, two file systems' --fault 'rename number 2: fail (EIO)'

In a trial one call goes wrong in a process of its own. Then the same work is done again without a fault. After
that every picture must be there exactly once, undo must bring all back, and nothing of ours may be left behind.
"""

import argparse
import gc
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from skysort.core.errors import SkysortError
from tests.faults.injector import Fault, arm, build, counts, faults_of
from tests.faults.scenes import SCENES, Resuming, Scene

MEMORY = Path("/dev/shm")
SECONDS = 60
"""After which a trial has ended for good."""
ENDED_WELL, ENDED_WITH_AN_ERROR, BROKE = range(3)


@dataclass(frozen=True)
class Place:
    """Where the two folders of a scene are."""

    name: str
    near: Path
    far: Path


class Trial(NamedTuple):
    """A scene, where it is played, and what goes wrong."""

    scene: type[Scene]
    place: Place
    fault: Fault

    @property
    def where(self) -> str:
        return f"{self.scene.verb}, {self.place.name}"


def made(scene: type[Scene], place: Place) -> Scene:
    """Return a scene in empty folders of this process."""
    folders = [top / f"{which}-{os.getpid()}" for which, top in (("near", place.near), ("far", place.far))]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    return scene(*folders)


def forked(work: Callable[[], None], fault: Fault | None = None, scene: Scene | None = None) -> tuple[int, str]:
    """Do something in a process of its own, with the injector on the scene's folders if there is one.

    Returns:
        How it ended, and with which error; -9 when it was killed.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        code, message = ENDED_WELL, ""
        try:
            if scene:
                arm(fault, scene.folders)
            work()
        except (SkysortError, OSError) as error:
            code, message = ENDED_WITH_AN_ERROR, f"{type(error).__name__}: {error}"
        except BaseException:
            code, message = BROKE, traceback.format_exc()
        if scene:
            arm(None, ())
        os.write(writing, message.encode("utf-8", "replace")[:60_000])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        message = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), message


def counted(scene: Scene) -> dict[str, int]:
    """Return how many calls of each kind a scene's work makes when nothing goes wrong."""
    must_end_well(forked(scene.prepare), "at the start")
    path = scene.near.with_name("counts")

    def work() -> None:
        scene.work()
        found = counts()
        arm(None, ())
        path.write_text(repr(found), "utf-8")

    must_end_well(forked(work, None, scene), "without a fault")
    must_end_well(forked(scene.check), "without a fault, checked")
    found: dict[str, int] = eval(path.read_text("utf-8"))
    return found


def must_end_well(end: tuple[int, str], when: str) -> None:
    code, message = end
    if code:
        raise AssertionError(f"{when}, it ended with {code}: {message.strip()}")


def problem_of(trial: Trial) -> str:
    """Return what was wrong after a trial; nothing if all was right."""
    scene = made(trial.scene, trial.place)
    try:
        must_end_well(forked(scene.prepare), "at the start")
        code, message = forked(scene.work, trial.fault, scene)
        if code not in (ENDED_WELL, ENDED_WITH_AN_ERROR, -signal.SIGKILL):
            return f"with the fault, it ended with {code}: {message.strip()}"
        must_end_well(forked(scene.work_and_check), f"after the fault ({message or code}), done again")
    except AssertionError as error:
        return str(error)
    return ""


@contextmanager
def places(skipped: list[str]) -> Iterator[list[Place]]:
    """Make the folders that scenes are played in: on one file system, on two, on FUSE."""
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as near, tempfile.TemporaryDirectory() as far:
        found = [Place("one file system", Path(near), Path(near))]
        if Path(near).stat().st_dev != Path(far).stat().st_dev:
            found.append(Place("two file systems", Path(near), Path(far)))
        else:
            skipped.append("two file systems: /dev/shm and the folder for temporary files are one")
        plain, fuse = Path(far, "plain"), Path(far, "fuse")
        plain.mkdir()
        fuse.mkdir()
        mounted = shutil.which("bindfs") and subprocess.run(["bindfs", plain, fuse], capture_output=True)
        if mounted and not mounted.returncode:
            found.append(Place("FUSE", Path(near), fuse))
        else:
            skipped.append("FUSE: bindfs is not installed, or may not mount")
        try:
            yield found
        finally:
            if os.path.ismount(fuse):
                subprocess.run(["umount", fuse], check=True)


def trials_of(scene: type[Scene], where: list[Place]) -> Iterator[Trial]:
    """Yield every trial of a scene; a run is in one folder, so that resuming has one place."""
    for place in where[:1] if scene is Resuming else where:
        yield from (Trial(scene, place, fault) for fault in faults_of(counted(made(scene, place))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", type=int, metavar="N", help="try so many faults of each scene, drawn from all")
    parser.add_argument("--only", default="", metavar="TEXT", help="in scenes whose name has this in it")
    parser.add_argument("--fault", default="", metavar="TEXT", help="faults whose name has this in it")
    asked = parser.parse_args()
    logging.disable()
    skipped: list[str] = []
    num_trials, num_failed = Counter[str](), Counter[str]()
    num_faults = 0
    with places(skipped) as where:
        for scene in SCENES:
            here = [place for place in where if asked.only in f"{scene.verb}, {place.name}"]
            if not here:
                continue
            scene.get_ready()
            gc.freeze()  # a fork then copies less memory
            trials = [trial for trial in trials_of(scene, here) if asked.fault in str(trial.fault)]
            num_faults += len(trials)
            if asked.draw and asked.draw < len(trials):
                trials = random.Random(0).sample(trials, asked.draw)
            with ProcessPoolExecutor(os.cpu_count()) as pool:
                for trial, problem in zip(trials, pool.map(problem_of, trials), strict=True):
                    for name in (trial.where, trial.fault.call):
                        num_trials[name] += 1
                        num_failed[name] += bool(problem)
                    if problem:
                        print(f"FAILED --only '{trial.where}' --fault '{trial.fault}'\n    {problem}", flush=True)
    print(f"\n{num_trials.total() // 2:,} of {num_faults:,} faults tried")
    print(f"{'':30}{'trials':>8}{'failures':>10}")
    for name, num in num_trials.items():
        print(f"{name:30}{num:8,}{num_failed[name]:10,}")
    for reason in skipped:
        print(f"skipped: {reason}")
    return int(num_failed.total() > 0)


if __name__ == "__main__":
    if "injector.so" not in os.environ.get("LD_PRELOAD", ""):
        with tempfile.TemporaryDirectory() as built:
            environment = {**os.environ, "LD_PRELOAD": str(build(Path(built))), "OMP_NUM_THREADS": "1"}
            again = [sys.executable, "-m", __spec__.name, *sys.argv[1:]]
            sys.exit(subprocess.run(again, env=environment).returncode)
    sys.exit(main())
