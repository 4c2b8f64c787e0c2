"""The report of a drift as text for a person, and as JSON for programs."""

import json
import math

from skysort.core.log import iso_time, short_time
from skysort.core.text import counted, printable
from skysort.runs.drift import CameraFault, DriftReport
from skysort.trust.drift import DELTA


def as_json(report: DriftReport) -> str:
    """Return the report as one JSON object."""
    rows, result = report.rows, report.result
    return json.dumps(
        {
            "look": report.says_look,
            "drift": result.is_alarm,
            "changed": _time(report.changed),
            "noticed": _time(report.noticed),
            "directions": report.directions,
            "scores": report.scores,
            "reference": min(report.num_reference, len(rows)),
            "arrivals": result.arrivals,
            "pictures": report.num_pictures,
            "log10_evidence": result.log_wealth[-1] / math.log(10) if result.arrivals else 0.0,
            "log10_evidence_to_look": -math.log10(DELTA),
            "faults": [
                {
                    "name": fault.name,
                    "pictures": fault.pictures,
                    "first": iso_time(fault.first.planned),
                    "last": iso_time(fault.last.planned),
                    "first_path": str(fault.first.place),
                }
                for fault in report.faults
            ],
            "loudest": [
                {"number": loud.row.id, "path": str(loud.path), "arrived": iso_time(loud.row.planned)}
                for loud in report.loudest
            ],
        },
        indent=2,
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso_time(seconds)


def as_text(report: DriftReport) -> str:
    """Return the report as text for a person."""
    num = min(report.num_reference, len(report.rows))
    lines = [
        f"reference: {counted(num, 'picture')}, {short_time(report.rows[0].planned)} to"
        f" {short_time(report.rows[num - 1].planned)}; {report.result.arrivals:,} since{_bursts(report)}",
        f"drift: {drift_sentence(report)}",
        *(f"camera: {fault_sentence(fault)}" for fault in report.faults),
    ]
    if report.loudest:
        lines += ["pictures that differ most:", *(f"  {loud.path}" for loud in report.loudest)]
    if report.says_look:
        lines += ["next: look at them. If all is well, compare with the pictures since a day: --since 2026-11-20"]
    return "\n".join(map(printable, lines))


def _bursts(report: DriftReport) -> str:
    more = report.num_pictures - len(report.rows)
    return f"; {more:,} more in bursts, which count once" if more else ""


def drift_sentence(report: DriftReport) -> str:
    """Return whether to look at the pictures since the reference, and why."""
    if report.is_early:
        return (
            f"too early to tell; the first {counted(report.num_reference, 'picture')} are the reference, and"
            f" {len(report.rows):,} have arrived"
        )
    if report.changed is None or report.noticed is None:
        return f"nothing to look at, by {' and '.join(report.scores)}"
    at = report.result.alarm_at or 0
    num = at - (report.result.change_at or 0) + 1
    went = " and ".join(f"{score} {direction}" for score, direction in report.directions.items())
    return (
        f"look; pictures differ from earlier ones since about {short_time(report.changed)}"
        f"{f' ({went})' if went else ''}, noticed {short_time(report.noticed)}, after {counted(num, 'picture')}"
    )


def fault_sentence(fault: CameraFault) -> str:
    """Return which fault there is, since when, and in how many pictures."""
    since = short_time(fault.first.planned)
    if fault.name == "no pictures":
        return f"no pictures since {since}, for more than three times the longest gap before"
    return f"{fault.name}, {counted(fault.pictures, 'picture')}, first {since}: {fault.first.place}"
