"""The states and the steps of a training, in words."""

from skysort.web.words import _


def of_state(state: str) -> str:
    """Return a state in a word."""
    return {
        "running": _("learning"),
        "stopped": _("stopped"),
        "failed": _("failed"),
        "finished": _("finished"),
    }[state]


def of_step(what: str) -> str:
    """Return the name of a step in the person's language; the English name where the catalogue has none."""
    return {
        "Decoding": _("Decoding"),
        "Looking for near-duplicates": _("Looking for near-duplicates"),
        "Reading sizes and times": _("Reading sizes and times"),
        "Training": _("Training"),
        "Judging every picture": _("Judging every picture"),
        "Drawing the learning curve": _("Drawing the learning curve"),
    }.get(what, what)
