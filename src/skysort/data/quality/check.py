"""Checks of pictures before training. Each finding has one of three severities.

- `makes figures lie`: an accuracy measured on these pictures would not hold for new pictures like them, whatever
  the network. This happens when test pictures are among the training pictures, when one picture has two labels,
  when the test split lacks a class, or when so many pictures are unreadable that the others are a biased sample.
- `stops training`: the pictures cannot be cut into splits.
- `worth a look`: Skysort can handle it, or only a person can tell whether it is intended.
"""

from typing import Literal, Self, get_args

from skysort.core.errors import SkysortError
from skysort.core.models import FrozenModel
from skysort.data.cut import Indices, Protocol, cut
from skysort.data.dataset import Dataset
from skysort.data.exif import MetadataTable
from skysort.data.quality.findings import (
    LIES,
    LOOK,
    STOPS,
    Finding,
    Severity,
    as_findings,
    num_readable,
    odd_sizes,
    quick_findings,
)
from skysort.data.quality.suspect_labels import SuspectLabel, suspect_findings


class CheckResult(FrozenModel):
    """The content of check.json."""

    format: Literal[1] = 1
    source: str
    """Name of a built-in data set, or an absolute path."""
    pictures: int
    classes: dict[str, int]
    """Number of readable pictures per class."""
    findings: tuple[Finding, ...]
    """Findings that stop training come first, then those that make figures lie."""
    suspect_labels: tuple[SuspectLabel, ...] | None = None
    """Labels that are likely wrong, the most suspicious first; None if the check did not look for them."""

    @property
    def stops(self) -> bool:
        """Whether training would stop."""
        return any(finding.severity == STOPS for finding in self.findings)

    @property
    def lies(self) -> list[str]:
        """Names of the findings that make figures lie."""
        return [finding.name for finding in self.findings if finding.severity == LIES]

    def with_labels_not_checked(self, error: SkysortError) -> Self:
        """Return the result with a finding that the labels could not be checked."""
        advice = f"Suspect labels were not looked for: {error}. Add pictures, or leave out --labels."
        return self.model_copy(
            update={"findings": (*self.findings, *as_findings("labels-not-checked", LOOK, 1, [], advice))}
        )

    def with_suspect_labels(self, suspects: tuple[SuspectLabel, ...]) -> Self:
        """Return the result with labels that are likely wrong, and a finding about them."""
        findings = (*self.findings, *suspect_findings(suspects))
        return self.model_copy(update={"suspect_labels": suspects, "findings": findings})


def check(
    source: str, dataset: Dataset, groups: Indices, metadata: MetadataTable | None, protocol: Protocol
) -> CheckResult:
    """Run all checks.

    Args:
        source: name or path of the data.
        dataset: the decoded pictures.
        groups: (N,) numbers that are equal for pictures to keep together; -1 for unreadable ones.
        metadata: sizes from the image files; None if the data has no image files.
        protocol: that training would use.
    """
    listing = dataset.listing
    findings = [*_untrainable(dataset, groups, protocol), *quick_findings(dataset, groups)]
    if metadata is not None:
        findings += odd_sizes(dataset, metadata.sizes[dataset.rows])
    return CheckResult(
        source=source,
        pictures=len(listing),
        classes=dict(zip(listing.classes, num_readable(dataset).tolist(), strict=True)),
        findings=tuple(sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity))),
    )


def summary(findings: list[Finding]) -> str:
    """Return findings in one line; empty if there are none."""
    parts = []
    for severity in (LIES, LOOK):
        names = [f"{finding.name} ({finding.count:,})" for finding in findings if finding.severity == severity]
        parts += [f"{severity}: {', '.join(names)}"] if names else []
    return "; ".join(parts)


def _untrainable(dataset: Dataset, groups: Indices, protocol: Protocol) -> list[Finding]:
    """Return a finding with the error that training would raise, or nothing."""
    try:
        cut(dataset.listing, groups, protocol, seed=0)
    except SkysortError as error:
        return as_findings("untrainable", STOPS, 1, [], f"Training would stop with an error: {error}.")
    return []
