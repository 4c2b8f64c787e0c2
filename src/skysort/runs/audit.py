"""An audit of a watcher's decision: the journal's looks, and what trust makes of them."""

import logging
import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import SkysortError
from skysort.core.log import tell
from skysort.trust.audit import Arrivals, Audit, Verdict, audit
from skysort.trust.audit_forecast import Forecast, Mixture, looks_until_alarm
from skysort.work.alarms import Alarm
from skysort.work.answers import CANNOT_TELL
from skysort.work.coins import AuditRates, coin_of, read_seed
from skysort.work.journal import Journal
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.looks import FoundLooks, Look, find, looks

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
    """Of all arrivals under this decision, in their order."""
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
        return [look for look in self.looks if look.row.is_drawn and look.label is None]

    @property
    def stale_since(self) -> float | None:
        """When the picture arrived whose answer raised the alarm, in seconds since 1970; None without an alarm."""
        at = self.result.alarm_at
        return None if at is None else self.looks[at].row.planned


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
    arrivals = arrivals_of(of_decision, newest.keep)
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
        AuditRates(last.audit_aside, last.audit_keep),
        mixture_seen(arrivals),
        _num_wrong_coins(journal, of_decision),
        FoundLooks({}, frozenset()),
        tuple(journal.alarms.about(newest)),
    )


def judge(journal: Journal) -> AuditReport:
    """Return what the looks say, and mark the decision as stale in the journal, or lift the mark, if they say so.

    The mark stays as long as the answers that count raise the alarm, whatever arrives. Where this process may not
    write, the mark stays as it is.

    Raises:
        SkysortError: when nothing arrived under an audit, the journal is damaged, or it cannot be written now.
    """
    if not os.access(journal.folder, os.W_OK):
        return report_of(journal)
    report = _judge(journal)
    return replace(report, found=find(journal, report.due))


def _judge(journal: Journal) -> AuditReport:
    """Do the work of `judge` that no other process may disturb."""
    with journal.alarms.changing():  # or another process could take an answer back between report and mark
        report = _report_of(journal)
        at, alarm = report.result.alarm_at, report.alarm
        if at is not None and alarm is None:
            row = report.looks[at].row
            journal.alarms.raise_for(row.session, row.id)
        elif at is None and alarm is not None:
            journal.alarms.lift(alarm)
        else:
            return report
        alarms = journal.alarms.about(journal.settings(report.looks[-1].row.session))
        return replace(report, alarms=tuple(alarms))


def arrivals_of(looks: tuple[Look, ...], keep: tuple[str, ...]) -> Arrivals:
    """Return looks as arrays.

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

    return Arrivals.of(
        [look.row.action == "set-aside" or look.row.is_spared for look in looks],
        [look.row.is_drawn for look in looks],
        [answer(look.label) for look in looks],
        np.array([look.row.audit_keep if look.row.is_spared else look.row.audit_aside for look in looks], float),
        np.array([look.row.audit_keep for look in looks], float),
    )


def mixture_seen(arrivals: Arrivals) -> Mixture | None:
    """Return which pictures come, as the looks show it; None when they have shown too few to keep."""
    is_answered = arrivals.is_drawn & (arrivals.answers >= Verdict.OTHER)
    weights = is_answered / np.where(arrivals.is_aside, arrivals.rate_aside, arrivals.rate_keep)
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
    return sum(row.coin != coin_of(seed, row.id, row.digest) for row in rows)
