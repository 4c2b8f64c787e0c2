"""The pieces of work that faults are tried on, each with what must be true after a fault and a clean restart."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from skysort.classifier.classifier import Classifier
from skysort.work.classify import LabelRule
from skysort.work.coins import AuditRates, coin_of, read_seed
from skysort.work.journal import Journal
from skysort.work.moves import moving
from skysort.work.sort import sort_pictures
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import Stop, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.work.making import FirstPixel, check_that_nothing_is_lost, files_below, picture

FIRST_PIXEL = cast(Classifier, FirstPixel())
AIRPLANES = {"a.png": picture(10), "sub/a.png": picture(11)}
BIRDS = {"b.png": picture(200)}
BROKEN = {"sub/broken.png": b"no picture"}
PICTURES = {**AIRPLANES, **BIRDS, **BROKEN}
THERE = {"a.png": b"was there before"}


class Scene(ABC):
    """A piece of work in folders of its own."""

    verb: str

    def __init__(self, near: Path, far: Path) -> None:
        self.near, self.far = near, far

    @classmethod  # noqa: B027
    def get_ready(cls) -> None:
        """Load and compute what all trials need, once, before processes are forked."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """All that it works on."""
        return (self.near, self.far)

    @abstractmethod
    def prepare(self) -> None:
        """Make what there is at the start, in empty folders."""

    @abstractmethod
    def work(self) -> None:
        """Do what faults are tried on; ends with an error of ours or the system's when it failed."""

    @abstractmethod
    def check(self) -> None:
        """Make sure of what must be, after a fault and work done again without one."""

    def work_and_check(self) -> None:
        """Do it again, and check."""
        self.work()
        self.check()


class _Moving(Scene):
    @property
    def inbox(self) -> Path:
        return self.near / "inbox"

    @property
    def target(self) -> Path:
        """That the journal is of."""
        return self.far / "aside"

    def prepare(self) -> None:
        for folder, files in ((self.inbox, PICTURES), (self.target, THERE)):
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)

    def undo_all(self) -> None:
        with Journal(self.target) as journal:
            with moving(journal):
                pass  # what was interrupted is finished
            problems = [
                taken.problem for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest())
            ]
        if any(problems):
            raise OSError(f"undo: {problems}")

    def check_well_placed(self, placed: Mapping[str, Mapping[str, bytes]]) -> None:
        """Every picture is there once, in its folder, and the journal says so."""
        contents = [content for files in placed.values() for content in files.values()]
        check_that_nothing_is_lost(contents, self.target, *(self.far / name for name in placed), self.inbox)
        for name, files in placed.items():
            found = Counter(files_below(self.far / name).values())
            assert found == Counter(files.values()), f"{name} holds {found}"

    def check_as_before(self) -> None:
        for folder, files in ((self.inbox, PICTURES), (self.target, THERE)):
            found = {str(path.relative_to(folder)): content for path, content in files_below(folder).items()}
            assert found == files, f"{folder.name} after undo holds {sorted(found)}"
        strays = [path for path in files_below(self.near, self.far) if path.name.endswith(".partial")]
        assert not strays, f"left behind: {strays}"
        num = len(files_below(self.near, self.far)) - len(files_below(self.target.with_name("aside.journal")))
        assert num == len(PICTURES) + len(THERE), f"{num} files are left"


class Watching(_Moving):
    """`skysort watch --once`."""

    verb = "watch"

    def work(self) -> None:
        keep, review = self.far / "keep", self.far / "review"
        options = WatchOptions(
            self.inbox, self.target, keep, review, once=True, settle=0.0, stuck=0.0, audit=AuditRates(1.0, 0.5)
        )
        watch_inbox(FIRST_PIXEL, LabelRule(("bird",)), options, Stop())

    def check(self) -> None:
        self.check_well_placed(
            {"aside": {**AIRPLANES, "was there": THERE["a.png"]}, "keep": BIRDS, "review": BROKEN}
        )
        self.check_coins()
        self.undo_all()
        self.check_as_before()

    def check_coins(self) -> None:
        """Every readable picture has the coin that the seed gives it."""
        with Journal(self.target) as journal:
            seed = read_seed(journal.folder)
            rows = [row for row in journal.rows() if row.by == "watch"]
        assert seed and [row.coin for row in rows if row.label] == [
            coin_of(seed, row.coin_number, row.digest) for row in rows if row.label
        ]


class Undoing(Watching):
    """`skysort undo --all`, after a watcher."""

    verb = "undo"

    def prepare(self) -> None:
        super().prepare()
        Watching.work(self)

    def work(self) -> None:
        self.undo_all()

    def check(self) -> None:
        with Journal(self.target) as journal:
            assert journal.unfinished() == []
        self.check_as_before()


class Sorting(_Moving):
    """`skysort sort --move`."""

    verb = "sort"
    move = True

    def work(self) -> None:
        outcomes = list(sort_pictures(FIRST_PIXEL, self.inbox, self.target, move=self.move))
        if errors := [outcome.error for outcome in outcomes if outcome.end != "done"]:
            raise OSError(f"sort: {errors}")

    def check(self) -> None:
        sorted_ = Counter([*AIRPLANES.values(), *BIRDS.values(), *THERE.values()])
        assert Counter(files_below(self.target).values()) == sorted_
        left = BROKEN if self.move else PICTURES
        assert Counter(files_below(self.inbox).values()) == Counter(left.values())
        with Journal(self.target) as journal:
            assert journal.unfinished() == []
        self.undo_all()
        self.check_as_before()


class SortingCopies(Sorting):
    """`skysort sort`."""

    verb = "sort copies"
    move = False


class Resuming(Scene):
    """Training that is resumed, beside files of a person's own."""

    verb = "resume"
    OWN: Mapping[str, bytes] = {
        "checkpoint/mine.txt": b"mine",
        "checkpoint/sub/mine.safetensors": b"my own",
        "x": b"",
    }

    weights: Mapping[str, Any]
    expected: Mapping[str, Any]
    """After a training that nothing happens to."""

    @classmethod
    def get_ready(cls) -> None:
        with TemporaryDirectory() as folder:
            cls.expected = cls._trained(Path(folder))

    @staticmethod
    def _trained(folder: Path) -> Mapping[str, Any]:
        # PyTorch would make every fork of the other scenes take several times as long.
        from skysort.recipe.schema import Recipe
        from tests.training.test_fit import SETTINGS, trained

        return trained(Recipe.load("mlp-small", [*SETTINGS, "training.epochs=2"]), folder)

    def prepare(self) -> None:
        for name, content in self.OWN.items():
            (self.near / name).parent.mkdir(parents=True, exist_ok=True)
            (self.near / name).write_bytes(content)

    def work(self) -> None:
        self.weights = self._trained(self.near)

    def check(self) -> None:
        self.work()  # once more: what is finished stays as it is
        assert self.weights.keys() == self.expected.keys()
        same = [bool((self.weights[name] == weights).all()) for name, weights in self.expected.items()]
        assert all(same), "other weights"
        found = {str(path.relative_to(self.near)): content for path, content in files_below(self.near).items()}
        assert {name: found.get(name) for name in self.OWN} == self.OWN, "a person's file was touched"
        ours = {name for name in found if name not in self.OWN and not name.endswith(".safetensors")}
        assert ours == {"history.csv", "checkpoint/state.json"}, f"left behind: {sorted(ours)}"
        tensors = [name for name in found if name not in self.OWN and name.endswith(".safetensors")]
        assert len(tensors) == 1, f"left behind: {tensors}"


SCENES: tuple[type[Scene], ...] = (Watching, Undoing, Sorting, SortingCopies, Resuming)
