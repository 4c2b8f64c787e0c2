"""The entries of the journal: one per picture and move, planned or done. And the settings that led to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from skysort.core.errors import SkysortError

Kind = Literal["move", "copy", "remove", "stay", "gone"]
"""`remove` undoes a copy: its source is the copy, its place the original. `stay` leaves a picture where it is.
`gone` was planned as one of the first three, but somebody took the picture away first."""

By = Literal["watch", "sort", "undo", "redo"]


SPARED = "kept: the decision is stale, and would have set it aside"
"""Reason of a picture that the watcher kept because of an alarm."""


class CellError(ValueError):
    """A cell of a journal holds an invalid value."""


class JournalError(SkysortError):
    """The journal cannot be written or read now. A move that could not be written down was not made."""


class DamagedJournalError(SkysortError):
    """The file is not a journal, is damaged, or was written by a newer Skysort. Waiting does not help."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Tells a file from another one that takes its name."""

    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Settings:
    """The rule and the folders of a session: the same for all of its entries."""

    by: By
    classifier: str = ""
    """SHA-256 of its network."""
    classes: tuple[str, ...] = ()
    decision: str | None = None
    """Name of the decision; None where the rule gives no guarantee."""
    threshold: float | None = None
    """Of the decision."""
    unknown: float | None = None
    """The score below which the classifier calls a picture unknown."""
    keep: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    unsure_below: float | None = None
    """A picture whose likeliest class has a lower probability goes to review."""
    lose_at_most: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share that the decision promises not to exceed."""
    confidence: float | None = None
    """Of the promise."""
    burst_seconds: float | None = None
    """Pictures of one folder and camera that were taken within this time of the one before are of one group; None
    if each picture counts. This and the next are of a decision that counts groups."""
    group_by: str | None = None
    """A regular expression. Pictures whose paths below the inbox match it alike are of one group."""
    inbox: str | None = None

    @property
    def promise(self) -> tuple[object, ...]:
        """Equal for sessions with the same decision. Folders and rates may differ."""
        return (
            self.classifier, self.classes, self.decision, self.threshold, self.keep, self.lose_at_most,
            self.confidence, self.burst_seconds, self.group_by,
        )  # fmt: skip


@dataclass(frozen=True)
class JournalEntry:
    """One picture and its move, planned or done."""

    kind: Kind
    source: Path
    place: Path
    """Where the picture is after the move."""
    digest: str
    file: Identity
    action: str = ""
    label: str | None = None
    probabilities: Sequence[float] = ()
    reason: str = ""
    undoes: int | None = None
    correction: str | None = None
    copied: bool = False
    """Whether a whole copy was beside the place before it was renamed into place."""
    audit_aside: float | None = None
    """Rate of looks at pictures that are set aside, when this one arrived; None for no arrival of an audit."""
    audit_keep: float | None = None
    """Rate of looks at the others."""
    coin: float | None = None
    """It is drawn for a look if this is below its rate; None until the coin is tossed."""
    coin_row: int | None = None
    """Number of the row whose coin this is: of the first attempt to move the picture, if that was not made."""
    similarity: float | None = None
    """To training pictures; None if the classifier does not say."""
    brightness: float | None = None
    sharpness: float | None = None
    taken: float | None = None
    camera: str | None = None
    """As in `skysort.data.capture.Capture`; None if unreadable, or not recorded."""
    id: int = 0
    """0 until the entry is in the journal."""
    mark: str = ""
    """Prefix of its temporary files. No other entry has it, and no other journal."""
    session: int = 0
    by: By = "watch"
    planned: float = 0.0
    done: float | None = None

    @property
    def paths(self) -> tuple[Path, Path]:
        """Source and place: while the move is unfinished, the picture may be at either."""
        return self.source, self.place

    @property
    def coin_number(self) -> int:
        """Number of the row that the coin is made of."""
        return self.id if self.coin_row is None else self.coin_row

    @property
    def is_spared(self) -> bool:
        """Whether the decision was stale and would have set it aside."""
        return self.action == "keep" and self.reason == SPARED

    @property
    def is_drawn(self) -> bool:
        """Whether a person is asked to look at it."""
        rate = self.audit_aside if self.action == "set-aside" else self.audit_keep
        return self.coin is not None and rate is not None and self.coin < rate


def replaced(entry: JournalEntry, **values: Any) -> JournalEntry:
    """Return an entry with other values; four times as fast as dataclasses.replace."""
    return JournalEntry(**vars(entry) | values)


def settings_of(session: int, text: object) -> Settings:
    """Return settings from their JSON text.

    Raises:
        CellError: when the text is damaged.
    """
    try:
        if not isinstance(text, str):
            raise ValueError(f"expected JSON, found {text!r:.80}")
        return TypeAdapter(Settings).validate_json(text, strict=True)
    except ValueError as error:
        why = " ".join(str(error).split())
        raise CellError(f"session {session!r}, column settings: {why:.200}") from None


def token_of(rows: Sequence[Sequence[object]]) -> str:
    """Return the token of a journal from the rows of its table `token`.

    Raises:
        CellError: when there is not exactly one valid token.
    """
    tokens = [cell for row in rows for cell in row]
    if len(tokens) == 1 and isinstance(token := tokens[0], str) and re.fullmatch(r"[0-9a-f]{12}", token):
        return token
    raise CellError(f"token: expected 12 hexadecimal digits, found {tokens!r:.80}")


def mark_of(token: str, number: int) -> str:
    """Return the prefix of the temporary files of an entry."""
    return f".skysort-{token}-{number}"
