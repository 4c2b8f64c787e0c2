import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import skysort
from skysort.cli import main
from skysort.core.log import log
from skysort.work.journal import Journal
from tests.commands.improving import FOLDERS, NUM, NUM_CORRECTED, answer, copied, watch
from tests.conftest import SharedFolder

ROOT = Path(__file__).parents[2]
NEEDED = ("src", "tests", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str | None:
        """The error's code at the end of standard error; None where there is no error."""
        found = re.search(r"^skysort: .*\[([a-z-]+)\]\n\Z", self.err, flags=re.MULTILINE | re.DOTALL)
        return found and found[1]

    def check_refused(self, code: int, error: str, *facts: object) -> None:
        """Assert that it ended with an error whose message holds facts, and gave no answer."""
        assert (self.code, self.error, self.out) == (code, error, ""), self.err
        assert [fact for fact in map(str, facts) if fact not in self.err] == [], self.err


@pytest.fixture
def skysort_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line in this process, which has loaded the large libraries already."""
    monkeypatch.setattr(log, "handlers", [])  # `watch` adds one for the standard error of this test

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["skysort", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(code, out, err)

    return run


@pytest.fixture(scope="session")
def built(shared_folder: SharedFolder) -> Path:
    """A folder with the wheel and the source distribution."""
    return shared_folder("dist", build)


def build(folder: Path) -> None:
    """Build from a copy, because a checkout may hold anything."""
    source = folder / "source"
    for name in NEEDED:
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(path, source / name)
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def linked_environment(built: Path, extra: str, folder: Path) -> Path:
    """Return a Python with Skysort and an extra: the wheel, and of these tests' libraries those that it requires.

    A folder that holds one already gets the extra as well.

    Args:
        built: the folder of the fixture of this name.
        extra: such as `watch`, or nothing.
        folder: for the environment.
    """
    python = bare_environment(folder)
    done = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    packages = Path(done.stdout.strip())
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (metadata,) = packages.glob("skysort-*.dist-info")
    for library in libraries_of(Distribution.at(metadata), extra):
        for file in library.files or ():
            source, link = Path(str(library.locate_file(file))), packages / file
            if ".." not in file.parts and source.exists() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)
    return python


def libraries_of(program: Distribution, *extras: str) -> list[Distribution]:
    """Return the libraries that a program requires, and those that they require, as they are installed here."""
    found: dict[str, Distribution] = {}
    lines = [(line, extras) for line in program.requires or ()]
    asked = set(lines)
    while lines:
        line, extras = lines.pop()
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            continue
        library = found[requirement.name] = distribution(requirement.name)
        assert requirement.specifier.contains(library.version, prereleases=True), f"{line}: {library.version}"
        needed = {(line, tuple(sorted(requirement.extras))) for line in library.requires or ()}
        lines += needed - asked
        asked |= needed
    return list(found.values())


def bare_environment(folder: Path) -> Path:
    """Return a Python that has no libraries, unless the folder holds an environment already."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def installed_environment(built: Path, extra: str, folder: Path, *options: object) -> Path:
    """Return a Python with Skysort and an extra, from the package registry; skip where that is out of reach.

    A folder that holds one already gets the extra as well.

    Where SKYSORT_REGISTRY is set, as by `.ci/run`, it has to be within reach.

    Args:
        built: the folder of the fixture of this name.
        extra: such as `watch`, or nothing.
        folder: for the environment.
        options: of pip.
    """
    python = bare_environment(folder)
    # Most modules of the libraries are never imported here, and to compile them all takes longer than the tests.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    (wheel,) = built.glob("*.whl")
    name = f"{wheel}[{extra}]" if extra else str(wheel)
    command = [*pip, "--disable-pip-version-check", name, *options]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        unreachable = "No matching distribution" in installed.stderr or "Connection" in installed.stderr
        if unreachable and not os.environ.get("SKYSORT_REGISTRY"):
            pytest.skip("the package registry is out of reach")
        pytest.fail(installed.stderr)
    return python


@pytest.fixture(scope="session")
def answered_once(finished_run: Path, session_cache: Path, shared_folder: SharedFolder) -> Path:
    """A watcher's folders. All pictures were drawn and answered, but for some corrections. Not to be changed."""

    def fill(top: Path) -> None:
        skysort.decide(shutil.copytree(finished_run, top / "run"), "bird", 0.2, 0.9)
        watch(top, range(NUM), "100%")
        answer(top, "bird", "airplane")
        watch(top, range(NUM, NUM + NUM_CORRECTED), None)
        with Journal(top / "aside") as journal:
            rows = [row for row in journal.classifications() if not row.is_drawn]
            journal.answers.add([(row.id, row.source.stem.split("-")[0]) for row in rows], "me")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        return shared_folder("answered", fill)


@pytest.fixture
def answered(answered_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of these folders, with a journal that knows of no test."""
    return copied(answered_once, tmp_path_factory.mktemp("copy"), *FOLDERS)


@pytest.fixture(scope="session")
def improved(answered_once: Path, session_cache: Path, shared_folder: SharedFolder) -> Path:
    """The improved run, beside the journal that it learned from. Not to be changed: copy it first."""

    def fill(top: Path) -> None:
        copied(answered_once, top, *FOLDERS)
        skysort.improve(top / "run", top / "aside", top / "run2")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        return shared_folder("improved", fill) / "run2"
