"""audit.html for a decision in use: the audit, the drift, and the journal joined."""

from pathlib import Path

from skysort.core.log import short_time
from skysort.core.text import counted, printable
from skysort.report.audit_page import AuditPage, Event, LookCounts, LossChart, write_audit_page
from skysort.runs.audit import AuditReport
from skysort.runs.audit_text import loss_sentence, promise_sentence
from skysort.runs.drift import DriftReport
from skysort.runs.drift_page import loud_cards
from skysort.runs.drift_text import drift_sentence, fault_sentence
from skysort.trust.audit import loss_over_time
from skysort.work.journal import Journal

MOST_UNDONE = 20


def write_page_of(journal: Journal, report: AuditReport, drift: DriftReport, path: Path) -> None:
    """Write a page about a decision in use.

    Args:
        journal: for the moves that were undone and the answers that were taken back.
        report: of the audit.
        drift: of the same watcher.
        path: the file to write.

    Raises:
        SkysortError: when the file cannot be written, or the journal is damaged.
    """
    points = loss_over_time(report.arrivals)
    undone = _undone(journal, report)
    page = AuditPage(
        decision=report.decision,
        headline=f"The promise of {report.decision} is {promise_sentence(report)}.",
        facts=_facts(report),
        loss=_sentence(loss_sentence(report)),
        loss_chart=LossChart(report.lose_at_most, points, report.result.alarm_at, report.unit) if points else None,
        looks=_look_counts(report),
        alarms=_alarms(report),
        drift=_sentence(drift_sentence(drift)),
        faults=[fault_sentence(fault) for fault in drift.faults],
        cards=loud_cards(drift.loudest),
        drift_result=drift.result,
        undone=undone[:MOST_UNDONE],
        more_undone=max(0, len(undone) - MOST_UNDONE),
    )
    write_audit_page(path, page)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _facts(report: AuditReport) -> dict[str, str]:
    rates = report.rates
    return {
        "Promise": f"at most {100 * report.lose_at_most:g} % of {' and '.join(report.keep)} is set aside",
        "Looks": f"{report.result.done:,} of {_drawn(report)} done",
        "Rates now": f"{100 * rates.aside:g} % of those set aside, {100 * rates.keep:g} % of others",
        "First picture": short_time(report.looks[0].row.planned),
        "Newest picture": short_time(report.looks[-1].row.planned),
    }


def _drawn(report: AuditReport) -> str:
    num = report.result.drawn
    return f"{num:,}" if report.unit == "picture" else counted(num, "group")


def _look_counts(report: AuditReport) -> list[LookCounts]:
    """Return the looks at pictures set aside, at others, and at all."""
    kinds = {"set aside": [True], "kept or to review": [False], "all": [True, False]}
    counts = []
    for name, is_aside in kinds.items():
        looks = [look for look in report.looks if (look.row.action == "set-aside") in is_aside]
        drawn = [look for look in looks if look.is_drawn]
        num_done = sum(look.label is not None for look in drawn)
        counts.append(LookCounts(name, len(looks), len(drawn), num_done, len(drawn) - num_done))
    return counts


def _alarms(report: AuditReport) -> list[Event]:
    return [
        Event(
            short_time(alarm.raised),
            "raised; it holds" if alarm.lifted is None else f"raised, and lifted {short_time(alarm.lifted)}",
        )
        for alarm in report.alarms
    ]


def _undone(journal: Journal, report: AuditReport) -> list[Event]:
    """Return undone and redone moves of the decision's pictures, and answers taken back, newest first."""
    sessions = {look.row.session for look in report.looks}
    events = []
    for row in journal.undoing():
        if row.session in sessions:
            note = f", remembered as {row.correction}" if row.correction else ""
            events.append((row.planned, f"{row.by}: {row.source} -> {row.place}{note}"))
    places = {look.row.id: look.place for look in report.looks}
    events += [
        (answer.undone, f"answer taken back: {answer.label} for {places[answer.row]}")
        for answer in journal.answers.all()
        if answer.undone is not None and answer.row in places
    ]
    return [Event(short_time(time), printable(text)) for time, text in sorted(events, reverse=True)]
