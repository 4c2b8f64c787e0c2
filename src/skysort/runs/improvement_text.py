"""The outcome of an improvement as text for a person."""

import shlex
from pathlib import Path

from skysort.core.text import counted, printable
from skysort.runs.improvement import Improvement, Outcome, RemadeDecision
from skysort.trust.comparison import PairedComparison

MOST_LISTED = 5
LEFT_OUT = {
    "before_alarm": "arrived before the alarm",
    "not_uniform": "drawn only by a higher rate than the lowest",
    "unanswered": "without an answer",
    "cannot_tell": "answered with ?",
    "other": "answered with other",
    "tested_before": "tested a classifier before",
    "wrong_coin": "with a coin that does not match the seed",
}
"""Reasons for which audited pictures are not used, in words."""


def improvement_text(improvement: Improvement, run: Path) -> str:
    """Return what was learned and measured, and one sentence that says whether to switch.

    Args:
        improvement: finished, so it has an outcome.
        run: folder of the improved run.
    """
    lines = [*improvement_lines(improvement), f"run: {run}", f"report: {run / 'report.html'}"]
    if improvement.outcome and improvement.outcome.advice == "switch" and improvement.decision:
        lines += [printable(_how_to_switch(improvement, run))]
    return "\n".join(lines)


def improvement_lines(improvement: Improvement) -> list[str]:
    """Return what was learned and measured, and whether to switch, one line each.

    Args:
        improvement: finished, so it has an outcome.
    """
    outcome = improvement.outcome
    assert outcome
    lines = [_learned(improvement), *_audited(improvement, outcome), *_left_out(improvement)]
    lines += [*map(_decided, outcome.decisions), *_unanswered(improvement, outcome)]
    return [printable(line) for line in (*lines, *_compared(outcome), _advice(improvement, outcome))]


def _learned(improvement: Improvement) -> str:
    num, num_new = improvement.corrections, improvement.new_corrections
    new = f", {num_new:,} of them new" if num_new < num else ""
    text = f"learned from {counted(num, 'correction')}{new}, beside the pictures of {improvement.run}"
    if names := improvement.new_classes:
        text += f"; new: {', '.join(names)}"
    return text


def _audited(improvement: Improvement, outcome: Outcome) -> list[str]:
    nums, left_out = outcome.used, improvement.left_out
    lines = [
        f"audited: {counted(sum(nums.values()), 'picture')}, of which {nums['calibration']:,} calibrate and"
        f" {nums['test']:,} test"
    ]
    unused = [f"{left_out[key]:,} {words}" for key, words in LEFT_OUT.items() if left_out[key]]
    unused += [f"{outcome.leaks:,} like one that trains or calibrates"] if outcome.leaks else []
    return lines + ([f"         not used: {', '.join(unused)}"] if unused else [])


def _left_out(improvement: Improvement) -> list[str]:
    lines = [
        f"left out: {counted(num, 'answer')} with the class {name}, which takes at least three corrections of"
        " different pictures"
        for name, num in improvement.unused_classes.items()
    ]
    if gone := improvement.gone:
        places = ", ".join(gone[:MOST_LISTED])
        more = f" and {len(gone) - MOST_LISTED:,} more" if len(gone) > MOST_LISTED else ""
        lines += [f"left out: {counted(len(gone), 'answered picture')} that are gone: {places}{more}"]
    return lines


def _decided(decision: RemadeDecision) -> str:
    name, kept = decision.name, " or ".join(decision.keep)
    if decision.needed is None:
        return (
            f"{name}: made anew from {counted(decision.num, 'audited picture')} of {kept}; at most"
            f" {_percent(decision.lose_at_most)} is set aside, with {_percent(decision.confidence)} confidence"
        )
    text = f"{name}: not made: needs {decision.needed:,} audited pictures of {kept}, has {decision.num:,}"
    if decision.to_come is None:
        return f"{text}. Start skysort watch with --audit 5%"
    return f"{text}. About {decision.to_come:,} more pictures of {kept} must come, at this rate of looks"


def _unanswered(improvement: Improvement, outcome: Outcome) -> list[str]:
    """Return a warning if the drawn pictures without an answer are a larger share than a promise may lose."""
    left_out = improvement.left_out
    num = left_out["unanswered"] + left_out["cannot_tell"]
    num_drawn = num + sum(improvement.audited.values()) + left_out["other"] + left_out["tested_before"]
    promised = [decision.lose_at_most for decision in outcome.decisions if decision.needed is None]
    if not promised or num <= min(promised) * num_drawn:
        return []
    return [
        f"warning: {num:,} of {counted(num_drawn, 'drawn picture')} have no answer, or the answer ?. The promise"
        f" is about pictures like those that you answered. Answer the others: skysort audit {improvement.aside}"
    ]


def _compared(outcome: Outcome) -> list[str]:
    lines = []
    for what, comparison in (
        ("labelled right", outcome.labels),
        ("set aside of other classes", outcome.set_aside),
        ("lost of the classes to keep", outcome.lost),
    ):
        if comparison:
            lines.append(f"  {what}: {_shares(comparison)}")
    num_groups, num = outcome.labels.num if outcome.labels else 0, outcome.used["test"]
    of_groups = f", one result per group of similar pictures: {num_groups:,} groups" if num_groups < num else ""
    return [f"old and new on the same {counted(num, 'test picture')}{of_groups}:", *lines] if lines else []


def _shares(comparison: PairedComparison) -> str:
    num = comparison.num
    old, new = comparison.both + comparison.only_first, comparison.both + comparison.only_second
    return (
        f"{old:,} and {new:,} of {num:,} ({_percent(old / num)} and {_percent(new / num)}; p = {comparison.p:.2g})"
    )


def _advice(improvement: Improvement, outcome: Outcome) -> str:
    if outcome.advice == "do-not-switch":
        return "do not switch: the new classifier is worse"
    if outcome.advice == "switch":
        is_better = "second" in {of.better for of in (outcome.labels, outcome.set_aside) if of}
        return f"switch: {'the new classifier is better' if is_better else 'the promise of the old one is broken'}"
    names = {decision.name for decision in outcome.decisions if decision.needed is None}
    if improvement.decision is not None and improvement.decision not in names:
        return f"cannot tell yet: {improvement.decision} was not made anew"
    if outcome.labels is None and improvement.is_stale:
        return "cannot tell yet: the promise of the old one is broken, and no test pictures compare the new one"
    if outcome.labels is None:
        return "cannot tell yet: there are no test pictures"
    return "cannot tell yet: the test pictures show no clear difference"


def _how_to_switch(improvement: Improvement, run: Path) -> str:
    folders = " ".join(f"--{name} {shlex.quote(folder)}" for name, folder in sorted(improvement.folders.items()))
    decision = shlex.quote(improvement.decision or "")
    return (
        f"to switch: skysort watch {shlex.quote(str(run))} INBOX --decision {decision} {folders}, and the other"
        " options as before"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
