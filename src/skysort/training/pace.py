"""The plan of a training that has to end at a time: how many steps it takes, and how far its schedule is.

The plan is made anew after each step, from the time left and the duration of the latest steps. When other programs
take the cores, the training gets fewer steps, and the learning rate falls faster from where it is. It never jumps,
and it reaches the end of the schedule with the last step. If the computer stands still until the time is over, the
training ends where it is.
"""

from dataclasses import dataclass

STEPS_AVERAGED = 20
"""A step's duration counts 1/20 in the mean: one slow step changes the plan little, a second program soon."""


@dataclass
class Pace:
    """The plan. The checkpoint holds it, so a resumed run goes on with it."""

    until: float
    """Seconds of training, without pauses, at which it has to end."""
    per_step: float
    """Seconds per step, a moving mean."""
    per_epoch: float
    """Seconds per epoch beside its steps: the validation and the checkpoint."""
    steps_per_epoch: int
    num_steps: int = 0
    """Steps of the whole run. The last epoch may end early."""
    length: float = 0.0
    """Steps that the schedule would have if all of it had gone as fast as it goes now. Without a change of plan it
    is the number of steps."""

    def __post_init__(self) -> None:
        if not self.num_steps:
            self.num_steps = max(1, self._steps_that_fit(0, self.until))
            self.length = self.num_steps

    @property
    def num_epochs(self) -> int:
        """Epochs of the whole run, with the last one, which may end early."""
        return -(-self.num_steps // self.steps_per_epoch)

    def position(self, step: int) -> float:
        """Return where a step of the run, counted from 0, is in a schedule of `length` steps."""
        return self.length - (self.num_steps - step)

    def add_step(self, seconds: float) -> None:
        """Count the duration of a step."""
        self.per_step += (seconds - self.per_step) / STEPS_AVERAGED

    def plan(self, done: int, now: float) -> None:
        """Make the plan anew.

        Args:
            done: steps of the run that are done. After the last step of an epoch, its validation is still to come.
            now: seconds of training.
        """
        steps_left = self.num_steps - done
        if steps_left <= 0:  # the schedule is at its end
            return
        left_now = self._steps_that_fit(done, self.until - now) - done
        if left_now > 0:
            self.length *= left_now / steps_left
        self.num_steps = done + left_now

    def _steps_that_fit(self, done: int, left: float) -> int:
        """Return the steps of a run, of which some are done, that ends when `left` seconds are over."""
        num_epochs, in_epoch = divmod(done, self.steps_per_epoch)
        if done and not in_epoch:  # an epoch whose validation is still to come
            num_epochs, in_epoch = num_epochs - 1, self.steps_per_epoch
        left += in_epoch * self.per_step  # as if the current epoch began now
        seconds_per_epoch = self.steps_per_epoch * self.per_step + self.per_epoch
        whole, rest = divmod(max(0.0, left), seconds_per_epoch)
        part = int(max(0.0, rest - self.per_epoch) / self.per_step)
        steps = int(whole) * self.steps_per_epoch + min(part, self.steps_per_epoch)
        return max(done, num_epochs * self.steps_per_epoch + steps)
