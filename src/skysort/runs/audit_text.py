"""The report of an audit as text for a person, and as JSON for programs."""

import json

from skysort.core.log import iso_time
from skysort.core.text import counted, printable
from skysort.runs.audit import AuditReport
from skysort.trust.audit import DELTA
from skysort.trust.audit_forecast import Forecast

MOST_LISTED = 10


def as_json(report: AuditReport) -> str:
    """Return the report as one JSON object."""
    result, loss = report.result, report.result.loss
    forecasts = report.forecasts
    return json.dumps(
        {
            "decision": report.decision,
            "keep": report.keep,
            "lose_at_most": report.lose_at_most,
            "stale": result.is_alarm,
            "stale_since": None if report.stale_since is None else iso_time(report.stale_since),
            "alarms": [
                {
                    "raised": iso_time(alarm.raised),
                    "lifted": None if alarm.lifted is None else iso_time(alarm.lifted),
                }
                for alarm in report.alarms
            ],
            "unit": report.unit,
            "pictures": len(report.looks),
            "grows_until": None if report.grows_until is None else iso_time(report.grows_until),
            "arrivals": result.arrivals,
            "drawn": result.drawn,
            "done": result.done,
            "cannot_tell": result.cannot_tell,
            "due": result.due,
            "protected": result.protected,
            "lost": result.lost,
            "loss": loss and {"estimate": loss.estimate, "interval95": [loss.low, loss.high]},
            "evidence": result.wealth,
            "evidence_of_an_alarm": 1 / DELTA,
            "looks_to_notice": forecasts
            and {"doubled": _looks(forecasts.doubled), "tripled": _looks(forecasts.tripled)},
            "wrong_coins": report.num_wrong_coins,
            "to_look_at": [
                {
                    "number": look.row.id,
                    "path": str(report.found.places.get(look.row.id, look.place)),
                    "arrived": iso_time(look.row.planned),
                    "there": look.row.id in report.found.places,
                }
                for look in report.due
            ],
        },
        indent=2,
    )


def _looks(forecast: Forecast | None) -> int | None:
    return None if forecast is None else forecast.looks


def as_text(report: AuditReport) -> str:
    """Return the report as text for a person."""
    result = report.result
    kept = " and ".join(report.keep)
    lines = [
        f"decision {report.decision}: at most {_percent(report.lose_at_most)} of {kept} is set aside",
        f"looks: {result.done:,} of {result.drawn:,} done, {_to_do(report)}, drawn from {_arrivals(report)}",
    ]
    if report.grows_until is not None:
        lines.append(f"       groups that may still grow count from {iso_time(report.grows_until)} on")
    if result.cannot_tell:
        lines.append(f"       {result.cannot_tell:,} without a clear answer; they count in favour of the promise")
    lines.append(f"loss: {loss_sentence(report)}")
    if result.done:
        lines += [f"evidence against the promise: {result.wealth:.3g} of the {1 / DELTA:.0f} that break it"]
    lines += [*_verdict(report), *_forecasts(report)]
    if report.num_wrong_coins:
        lines.append(
            f"problem: {counted(report.num_wrong_coins, 'coin')} do not match the seed: somebody changed the"
            " journal or its seed"
        )
    return "\n".join(map(printable, [*lines, *_to_look_at(report)]))


def loss_sentence(report: AuditReport) -> str:
    """Return the loss so far with its interval."""
    kept, result = " and ".join(report.keep), report.result
    loss = result.loss
    if loss is None:
        return f"unknown until you have looked at a {report.unit} of {kept}"
    return (
        f"{_percent(loss.estimate)}, 95 % interval {_percent(loss.low)} to {_percent(loss.high)}, if it was the"
        f" same all the time ({result.lost:,} of {result.protected:,} looked-at {report.unit}s of {kept} were set"
        f" aside{_or_spared(report)})"
    )


def promise_sentence(report: AuditReport) -> str:
    """Return whether the promise is broken."""
    if report.stale_since is not None:
        return f"BROKEN, by the looks up to the picture of {iso_time(report.stale_since)}"
    if not report.result.done:
        return "not tested yet"
    if report.result.loss is not None and report.result.loss.estimate > report.lose_at_most:
        return "not broken yet; the loss so far is above it, and chance alone can explain that"
    return "not broken, by the looks so far"


def _to_do(report: AuditReport) -> str:
    num = f"{report.result.due:,} to do"
    return num if report.unit == "picture" else f"{num} with {counted(len(report.due), 'picture')}"


def _arrivals(report: AuditReport) -> str:
    num, pictures = report.result.arrivals, counted(len(report.looks), "picture")
    return pictures if report.unit == "picture" else f"{counted(num, 'group')} of {pictures}"


def _or_spared(report: AuditReport) -> str:
    return ", or would have been" if any(look.row.is_spared for look in report.looks) else ""


def _verdict(report: AuditReport) -> list[str]:
    """Return whether the promise is broken, what to do next, and which alarms were lifted."""
    lines = [
        f"an alarm of {iso_time(alarm.raised)} was lifted {iso_time(alarm.lifted)}: an answer was taken back"
        for alarm in report.alarms
        if alarm.lifted is not None
    ]
    lines += [f"promise: {promise_sentence(report)}"]
    if report.stale_since is None:
        return lines
    if report.alarm:
        lines += [
            f"alarm: raised {iso_time(report.alarm.raised)}; skysort watch sets nothing aside by this decision"
            " any more, unless it has --when-stale go-on"
        ]
    lines += [
        "next: go on answering, make the decision anew from newer pictures (skysort improve RUN --from ASIDE --run"
        " NEW_RUN), and start skysort watch with the new run"
    ]
    return lines


def _forecasts(report: AuditReport) -> list[str]:
    """Return how many looks a broken promise takes, and why a watcher's start may have said another number."""
    if report.result.is_alarm or report.forecasts is None:
        return []
    return [
        "from now on, if pictures come as the looks show them (skysort watch expects those of calibration):",
        *(
            f"  a {times} loss takes about {counted(forecast.looks, 'look')} to notice"
            f" ({counted(forecast.arrivals, 'picture')})"
            if forecast
            else f"  a {times} loss is hard to notice with these rates; raise --audit of skysort watch, or wait"
            for times, forecast in (("doubled", report.forecasts.doubled), ("tripled", report.forecasts.tripled))
        ),
    ]


def _to_look_at(report: AuditReport) -> list[str]:
    found = report.found
    there = [found.places[look.row.id] for look in report.due if look.row.id in found.places]
    lines = ["to look at:", *(f"  {path}" for path in there[:MOST_LISTED])] if there else []
    if len(there) > MOST_LISTED:
        lines.append(f"  and {len(there) - MOST_LISTED:,} more; --format csv lists all of them")
    if num := report.num_dragged:
        lines.append(
            f"{counted(num, 'drawn picture')} {'was' if num == 1 else 'were'} dragged to the folder of a class:"
            " recorded as an answer. skysort audit --undo takes it back"
        )
    if num := len(found.dragged):
        lines.append(f"{counted(num, 'drawn picture')} in the folder of another class: not answered by that")
    if num := len(report.due) - len(there):
        lines.append(
            f"{counted(num, 'drawn picture')} {'is' if num == 1 else 'are'} not where the journal says. Until you"
            f" answer, {'it counts' if num == 1 else 'they count'} in favour of the promise"
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
