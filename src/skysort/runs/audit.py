"""An audit of a watcher's decision: the journal's looks, and what trust makes of them."""

import logging
import os
import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import SkysortError
from skysort.core.log import tell
from skysort.trust.audit import Arrivals, Audit, Verdict, audit
from skysort.trust.audit_forecast import Forecast, Mixture, looks_until_alarm
from skysort.trust.audit_groups import as_groups
from skysort.work.alarms import Alarm
from skysort.work.answers import CANNOT_TELL
from skysort.work.coins import AuditRates, coin_of, read_seed
from skysort.work.journal import Journal
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.looks import FoundLooks, Look, answer_dragged, find, looks

FEWEST_PROTECTED = 5
"""Looked-at pictures to keep from which the share of such pictures is estimated."""


@dataclass(frozen=True)
class Forecasts:
    """How many looks it will probably take to notice a broken promise; None if most simulated streams never
    raise the alarm."""

    doubled: Forecast | None
    """If twice the promised share is lost."""
    tripled: Forecast | None


@dataclass(frozen=True)
class AuditReport:
    """What the looks say about the decision of the newest arrival."""

    decision: str
    keep: tuple[str, ...]
    lose_at_most: float
    result: Audit
    looks: tuple[Look, ...]
    """Of all pictures that arrived under this decision, in their order."""
    arrivals: Arrivals
    """What the result is about: pictures, or groups of them where the decision counts groups."""
    newest_looks: tuple[Look, ...]
    """The newest picture of each arrival."""
    grows_until: float | None
    """When the last group ends that more pictures may join, in seconds since 1970; None if all have ended."""
    rates: AuditRates
    """Of the newest arrival."""
    mixture: Mixture | None
    """Which pictures come; None before enough looks have shown it."""
    num_wrong_coins: int | None
    """Coins that are not those of the seed: somebody changed the journal or the seed. None without a seed."""
    found: FoundLooks
    """Where the pictures to look at are."""
    alarms: tuple[Alarm, ...]
    """About this decision, as the journal has them, oldest first."""
    num_dragged: int = 0
    """Answers that were recorded just now, of pictures that a person dragged to the folder of a class."""

    @cached_property
    def forecasts(self) -> Forecasts | None:
        """How many looks it will take to notice a broken promise, by a simulation, which takes a second."""
        return None if self.mixture is None else forecasts(self.lose_at_most, self.rates, self.mixture)

    @property
    def alarm(self) -> Alarm | None:
        """The alarm in the journal that marks the decision as stale now."""
        return next((alarm for alarm in reversed(self.alarms) if alarm.lifted is None), None)

    @property
    def due(self) -> list[Look]:
        """Arrivals that were drawn and have no answer yet, oldest first."""
        return [look for look in self.looks if look.is_drawn and look.label is None]

    @property
    def unit(self) -> str:
        """What the decision counts: `picture` or `group`."""
        return "picture" if self.looks[0].group is None else "group"

    @property
    def stale_since(self) -> float | None:
        """When the picture arrived whose answer raised the alarm, in seconds since 1970; None without an alarm."""
        at = self.result.alarm_at
        return None if at is None else self.newest_looks[at].row.planned


def report_of(journal: Journal) -> AuditReport:
    """Return what the looks in an open journal say about the promise of the decision that a watcher sorts by.

    All arrivals under the newest decision count, also those of earlier starts of the watcher with other rates.

    Raises:
        SkysortError: when nothing arrived under an audit, or the journal is damaged.
    """
    report = _report_of(journal)
    return replace(report, found=find(journal, report.due))


def _report_of(journal: Journal) -> AuditReport:
    """Return the report without the places of pictures, which takes long: every picture is read."""
    arrived = looks(journal)
    if not arrived:
        raise SkysortError(
            "no-pictures",
            f"nothing has arrived under an audit beside {journal.folder}; run skysort watch with --audit 5%",
        )
    settings = {number: journal.settings(number) for number in {look.row.session for look in arrived}}
    newest = settings[arrived[-1].row.session]
    of_decision = tuple(look for look in arrived if settings[look.row.session].promise == newest.promise)
    groups, ends = _groups_of(of_decision)
    now = time.time()
    arrivals = pictures_of(of_decision, newest.keep)
    if newest.burst_seconds is not None:
        arrivals = as_groups(arrivals, groups, ends <= now)
    last = arrived[-1].row
    decision, lose_at_most = newest.decision, newest.lose_at_most
    if decision is None or lose_at_most is None or last.audit_aside is None or last.audit_keep is None:
        raise DamagedJournalError(
            "damaged-journal",
            f"{journal.folder}: session {last.session} has an audit and no promise. Restore it from a backup",
        )
    return AuditReport(
        decision,
        newest.keep,
        lose_at_most,
        audit(arrivals, lose_at_most),
        of_decision,
        arrivals,
        tuple(dict(zip(groups.tolist(), of_decision, strict=True)).values()),
        max(ends) if max(ends) > now else None,
        AuditRates(last.audit_aside, last.audit_keep),
        mixture_seen(arrivals),
        _num_wrong_coins(journal, of_decision),
        FoundLooks({}, {}),
        tuple(journal.alarms.about(newest)),
    )


def judge(journal: Journal) -> AuditReport:
    """Return what the looks say, and mark the decision as stale in the journal, or lift the mark, if they say so.

    Drawn pictures that a person dragged to the folder of a class are answered by that first.

    The mark stays as long as the answers that count raise the alarm, whatever arrives. Where this process may not
    write, the mark stays as it is.

    Raises:
        SkysortError: when nothing arrived under an audit, the journal is damaged, or it cannot be written now.
    """
    if not os.access(journal.folder, os.W_OK):
        return report_of(journal)
    report = _judge(journal)
    found = find(journal, report.due)
    if num := answer_dragged(journal, found.dragged):
        report = replace(_judge(journal), num_dragged=num)
        found = found.of({look.row.id for look in report.due})
    return replace(report, found=found)


def _judge(journal: Journal) -> AuditReport:
    """Do the work of `judge` that no other process may disturb."""
    with journal.alarms.changing():  # or another process could take an answer back between report and mark
        report = _report_of(journal)
        at, alarm = report.result.alarm_at, report.alarm
        if at is not None and alarm is None:
            row = report.newest_looks[at].row
            journal.alarms.raise_for(row.session, row.id)
        elif at is None and alarm is not None:
            journal.alarms.lift(alarm)
        else:
            return report
        alarms = journal.alarms.about(journal.settings(report.looks[-1].row.session))
        return replace(report, alarms=tuple(alarms))


def _groups_of(looks: tuple[Look, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the number of each look's group, from 0 in the order of first pictures, and when each group ends.

    A picture without a group is one of its own, which has ended.
    """
    numbers: dict[int, int] = {}
    firsts = (look.row.id if look.group is None else look.group.first.id for look in looks)
    groups = np.array([numbers.setdefault(first, len(numbers)) for first in firsts], np.int64)
    ends = np.zeros(len(numbers))
    for group, look in zip(groups, looks, strict=True):
        ends[group] = 0.0 if look.group is None else look.group.ends
    return groups, ends


def pictures_of(looks: tuple[Look, ...], keep: tuple[str, ...]) -> Arrivals:
    """Return looks as arrays, one value per picture.

    A picture that was kept because the decision is stale counts as set aside: the promise is about what the
    decision says. It was drawn with the rate of kept pictures.

    Args:
        looks: of the arrivals under one decision, in their order.
        keep: classes that it protects.
    """

    def answer(label: str | None) -> Verdict:
        if label is None:
            return Verdict.NONE
        if label == CANNOT_TELL:
            return Verdict.CANNOT_TELL
        return Verdict.PROTECTED if label in keep else Verdict.OTHER

    firsts = [look.row if look.group is None else look.group.first for look in looks]  # with the rates
    return Arrivals.of(
        [look.row.action == "set-aside" or look.row.is_spared for look in looks],
        [look.is_drawn for look in looks],
        [answer(look.label) for look in looks],
        np.array(
            [
                first.audit_keep if look.row.is_spared else first.audit_aside
                for look, first in zip(looks, firsts, strict=True)
            ],
            float,
        ),
        np.array([first.audit_keep for first in firsts], float),
    )


def mixture_seen(arrivals: Arrivals) -> Mixture | None:
    """Return which pictures come, as the looks show it; None when they have shown too few to keep."""
    is_answered = arrivals.is_drawn & (arrivals.answers >= Verdict.OTHER)
    weights = is_answered / arrivals.rate
    is_protected = arrivals.answers == Verdict.PROTECTED
    if (is_answered & is_protected).sum() < FEWEST_PROTECTED:
        return None
    others = weights[~is_protected].sum()
    aside = weights[~is_protected & arrivals.is_aside].sum()
    return Mixture(float(weights[is_protected].sum() / weights.sum()), float(aside / others) if others else 0.0)


def forecasts(lose_at_most: float, rates: AuditRates, mixture: Mixture) -> Forecasts:
    """Return how many looks it will probably take to notice a doubled and a tripled loss."""
    doubled, tripled = (
        looks_until_alarm(min(1.0, times * lose_at_most), lose_at_most, rates.aside, rates.keep, mixture)
        for times in (2, 3)
    )
    return Forecasts(doubled, tripled)


def mixture_of(decision: Decision) -> Mixture:
    """Return which pictures the calibration part holds."""
    others = decision.set_aside
    num = decision.calibration.pictures
    return Mixture(num / (num + others.pictures), others.share) if others else Mixture(1.0, 0.0)


def log_forecasts(classifier: Classifier, decision: str, audit: str) -> None:
    """Log how many looks it will probably take to notice a broken promise.

    Args:
        classifier: has the decision.
        decision: its name.
        audit: rates of looks, such as `5%` or `aside=10%,keep=2%`.

    Raises:
        NotUnderstoodError: when there is no such decision, or the rates are out of range.
    """
    rates, promise = AuditRates.parse(audit), classifier.decision(decision)
    expected = forecasts(promise.lose_at_most, rates, mixture_of(promise))
    for times, forecast in (("doubled", expected.doubled), ("tripled", expected.tripled)):
        if forecast:
            tell(
                logging.INFO, f"the audit probably notices a {times} loss after", looks=forecast.looks,
                pictures=forecast.arrivals, loss=round(forecast.loss, 6),
                assuming="pictures come as in calibration",
            )  # fmt: skip
        else:
            tell(
                logging.WARNING,
                f"the audit would hardly notice a {times} loss; raise the rates of --audit, or wait longer",
            )


def _num_wrong_coins(journal: Journal, looks: tuple[Look, ...]) -> int | None:
    seed = read_seed(journal.folder)
    if seed is None:
        return None
    rows = [look.row for look in looks if look.row.coin is not None]
    return sum(row.coin != coin_of(seed, row.coin_number, row.digest) for row in rows)
