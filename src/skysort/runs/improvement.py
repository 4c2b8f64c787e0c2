"""improvement.json: the answers that an improved run was made from, and how it compares with the run before."""

from typing import Literal

from skysort.core.models import FrozenModel
from skysort.trust.comparison import PairedComparison
from skysort.trust.improvement import Advice


class RemadeDecision(FrozenModel):
    """A decision of the old classifier, made anew from audited pictures if there were enough."""

    name: str
    keep: tuple[str, ...]
    lose_at_most: float
    confidence: float
    num: int
    """Audited calibration pictures of the classes to keep, or groups of them, without leaks."""
    needed: int | None = None
    """How many would be enough; None for a decision that was made."""
    to_come: int | None = None
    """How many pictures of these classes must come until there are enough, in the mean; None if it was made, or
    there is no audit."""


class Outcome(FrozenModel):
    """The new classifier beside the old one."""

    decisions: tuple[RemadeDecision, ...]
    used: dict[str, int]
    """Number of audited pictures that calibrate, and of those that test, without leaks."""
    labels: PairedComparison | None
    """Which groups of audited test pictures are labelled right, first by the old classifier: all pictures of the
    group. None without test pictures."""
    set_aside: PairedComparison | None
    """Which groups of test pictures of other classes are set aside as a whole, by thresholds from the same
    calibration pictures; None without any, or without enough calibration pictures."""
    lost: PairedComparison | None
    """Which groups of test pictures to keep are set aside, or one of their pictures is."""
    leaks: int
    """Audited pictures that are not used, because an identical or similar picture trains or calibrates."""
    advice: Advice


class Improvement(FrozenModel):
    """The content of improvement.json."""

    format: Literal[1] = 1
    run: str
    """Absolute path of the run before."""
    classifier: str
    """SHA-256 of its model.onnx."""
    aside: str
    """Absolute path of the folder whose journal has the answers."""
    journal: str
    """Tells that journal from others."""
    date: str
    decision: str | None
    """Name of the decision that the watcher sorts by; None without one."""
    is_stale: bool
    """Whether this decision breaks its promise, and is one of the run before."""
    folders: dict[str, str]
    """The watcher's folders, by the option that names them."""
    rate: float | None
    """The lower rate of the audit; None without one."""
    corrections: int
    """Pictures to learn from."""
    new_corrections: int
    """Those of them that the run before did not learn from, or with another label."""
    audited: dict[str, int]
    """Number of audited pictures for `calibration` and for `test`."""
    left_out: dict[str, int]
    """Number of pictures that are not used, by the reason."""
    gone: tuple[str, ...]
    """Where answered pictures were that are not there any more."""
    new_classes: tuple[str, ...]
    unused_classes: dict[str, int]
    """Number of answers with a new class that has too few corrections to learn from, or of too few groups."""
    outcome: Outcome | None = None
    """None until the new classifier is learned."""
