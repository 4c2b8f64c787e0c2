"""A whole training: epochs, history, checkpoints, and a stop by signal."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from skysort.core.deadline import Deadline
from skysort.core.errors import StoppedError
from skysort.core.progress import Progress, Tell, span
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.training.batches import SplitPictures
from skysort.training.checkpoint import State, load_checkpoint, save_checkpoint
from skysort.training.history import History, HistoryRow
from skysort.training.loop import Task, evaluate, train_epoch
from skysort.training.optimizer import build_optimizer, class_weights, loss_function
from skysort.training.pace import Pace
from skysort.training.step_results import StepResults, Sums

SECONDS_BETWEEN_CHECKPOINTS = 120.0
SECONDS_BETWEEN_TELLS = 0.05
SHORTEST_SECONDS = 1e-9
STEPS_TO_WARM_UP = 3
FEWEST_STEPS_TIMED = 5
SECONDS_TIMED = 1.0
"""Steps are timed for so long before the run prints how long it will take."""


def fit(
    network: PictureNetwork,
    recipe: Recipe,
    train: SplitPictures,
    validation: SplitPictures | None,
    folder: Path,
    progress: Progress,
    deadline: Deadline | None = None,
) -> State:
    """Train a network, from the run folder's checkpoint where there is one.

    Args:
        network: with its initial weights; trained in place.
        recipe: resolved, so its device and threads are known.
        train: pictures to train on.
        validation: pictures to measure on after each epoch.
        folder: of the run; gets history.csv and checkpoint/.
        progress: shows how far the training is.
        deadline: when the training has to end; None to train for the recipe's epochs. A checkpoint keeps it,
            counted in seconds of training.

    Returns:
        The state at the end, with the number of epochs and the seconds of training since the start of the run.

    Raises:
        DivergedError: when a loss is not finite.
        StoppedError: on SIGINT or SIGTERM, after a checkpoint.
        SkysortError: when the checkpoint cannot be resumed or a file cannot be written.
    """
    device = torch.device(recipe.training.device)
    # Convolutions are quicker when the channels of a pixel lie side by side. Other layers are not affected.
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    weights = class_weights(recipe.loss, train.labels)
    loss = loss_function(recipe.loss, None if weights is None else weights.to(device))
    task = Task(network, optimizer, loss, recipe, train, device)
    state = load_checkpoint(folder / "checkpoint", task)
    if deadline and not state.tensors:
        until = deadline.at - time.perf_counter()
        task.pace = state.pace = Pace(until, deadline.per_step, deadline.per_epoch, task.steps_per_epoch)
    num_done = (state.epoch - 1) * train.num_pictures + state.epoch_sums.pictures
    num_in_all = task.num_epochs * train.num_pictures
    with (
        _stop_signals() as stop,
        closing(History(folder / "history.csv", state.history_bytes)) as history,
        progress.step("Training", num_in_all, done=num_done) as tell,
    ):
        session = _Session(task, validation, state, history, folder / "checkpoint", stop, tell, progress.say)
        if state.pace and not state.tensors:
            session.save()  # so that a resume knows the time, whenever the run is killed
        while state.epoch <= task.num_epochs:
            session.finish_epoch()
    return state


@dataclass
class _Stop:
    """Whether a signal has requested a stop.

    No threading.Event: its lock may be held by the very thread that the signal interrupts.
    """

    requested: bool = False


class _Session:
    """The part of a training that one process does, up to its end or a stop."""

    def __init__(
        self,
        task: Task,
        validation: SplitPictures | None,
        state: State,
        history: History,
        checkpoint: Path,
        stop: _Stop,
        tell: Tell,
        say: Callable[[str], None],
    ) -> None:
        self.task, self.validation, self.state = task, validation, state
        self.history, self.checkpoint, self.stop, self.tell, self.say = history, checkpoint, stop, tell, say
        self.log_every = task.recipe.training.log_every
        self.results = StepResults(task.device, self._count)
        self.num_steps, self.seconds_timed = 0, 0.0
        self.has_said_how_long = state.pace is not None  # a budget says it before
        self.seconds_before = state.seconds
        self.num_untold = 0
        self.seconds_to_save = 0.0
        self.started = self.saved = self.counted = self.told = time.perf_counter()

    def finish_epoch(self) -> None:
        """Train the rest of the current epoch, then measure, log and save."""
        state, pace = self.state, self.state.pace
        self.counted = time.perf_counter()
        train_epoch(self.task, state.epoch, state.step, self.results, self._after_step)
        self.results.read_all()
        self._tell()
        began = self._seconds()
        self._add_row("epoch", state.epoch_sums, self._validated())
        if pace:  # before the checkpoint, so that a resume ends where this run would
            pace.per_epoch = self._seconds() - began + self.seconds_to_save
            pace.plan((state.epoch - 1) * pace.steps_per_epoch + state.step, began)
        state.epoch, state.step = state.epoch + 1, 0
        state.epoch_sums, state.window_sums = Sums(), Sums()
        self.save()
        self._stop_if_requested()

    def _count(self, loss: float, correct: int, pictures: int) -> None:
        self.state.epoch_sums.add(loss, correct, pictures)
        self.state.window_sums.add(loss, correct, pictures)
        self.num_untold += pictures

    def _after_step(self, step: int) -> bool:
        state, log_every = self.state, self.log_every
        now = time.perf_counter()
        seconds, self.counted = now - self.counted, now
        state.step = step
        state.epoch_sums.seconds += seconds
        state.window_sums.seconds += seconds
        if not self.has_said_how_long:
            self._say_how_long(seconds)
        if now - self.told > SECONDS_BETWEEN_TELLS:
            self._tell()
        if log_every and step % log_every == 0:
            self.results.read_all()
            self._add_row("steps", state.window_sums)
            state.window_sums = Sums()
        if self.stop.requested or now - self.saved > SECONDS_BETWEEN_CHECKPOINTS:
            self.results.read_all()
            self.save()
            self._stop_if_requested()
        if pace := state.pace:
            pace.add_step(seconds)
            done = (state.epoch - 1) * pace.steps_per_epoch + step
            pace.plan(done, self._seconds())
            return done >= pace.num_steps
        return False

    def _tell(self) -> None:
        state, self.told = self.state, time.perf_counter()
        if self.num_untold:
            note = f"epoch {state.epoch}/{self.task.num_epochs}, loss {state.epoch_sums.mean_loss:.4f}"
            self.tell(self.num_untold, note)
            self.num_untold = 0

    def _say_how_long(self, seconds: float) -> None:
        """Print how long the rest of the training will take, once the first steps have been timed."""
        self.num_steps += 1
        num_timed = self.num_steps - STEPS_TO_WARM_UP
        if num_timed > 0:
            self.seconds_timed += seconds
        if num_timed < FEWEST_STEPS_TIMED or self.seconds_timed < SECONDS_TIMED:
            return
        self.has_said_how_long = True
        state, epochs = self.state, self.task.num_epochs
        num_left = (epochs - state.epoch + 1) * self.task.steps_per_epoch - state.step
        seconds_per_step = self.seconds_timed / num_timed
        self.say(
            f"training to epoch {epochs} will take about {span(seconds_per_step * num_left)}:"
            f" {num_left:,} steps of {1000 * seconds_per_step:.0f} ms"
        )

    def _validated(self) -> Sums | None:
        if self.validation is None:
            return None
        return evaluate(self.task.network, self.validation, self.task.loss_function, self.task.device)

    def _add_row(self, kind: Literal["epoch", "steps"], sums: Sums, validation: Sums | None = None) -> None:
        state = self.state
        self.history.add(
            HistoryRow(
                kind=kind,
                epoch=state.epoch,
                step=state.step,
                train_loss=sums.mean_loss,
                train_accuracy=sums.accuracy,
                validation_loss=validation.mean_loss if validation else None,
                validation_accuracy=validation.accuracy if validation else None,
                learning_rate=self.task.learning_rate(state.epoch, state.step - 1),
                seconds=self._seconds(),
                pictures_per_second=sums.pictures / max(sums.seconds, SHORTEST_SECONDS),
            )
        )

    def save(self) -> None:
        """Write a checkpoint."""
        self.state.seconds = self._seconds()
        self.state.history_bytes = self.history.sync()
        save_checkpoint(self.checkpoint, self.state, self.task)
        self.saved = self.counted = time.perf_counter()
        self.seconds_to_save = self._seconds() - self.state.seconds

    def _stop_if_requested(self) -> None:
        if self.stop.requested:
            raise StoppedError("interrupted", f"stopped in epoch {self.state.epoch}, after step {self.state.step}")

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    """Note the first SIGINT or SIGTERM; a second one has the effect it had before.

    A signal that is ignored stays ignored: a shell sets Ctrl-C so for commands in the background.
    """
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals are the main thread's
        return
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: object) -> None:
        stop.requested = True
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
