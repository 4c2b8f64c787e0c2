"""The arrivals of an audit as groups of pictures, for a decision that counts groups.

A group is lost if one of its pictures of the protected class is set aside: `decide` counts so, by the largest
score of these pictures. A group is drawn as a whole, with the larger of the two rates if it has pictures of both
kinds. So X is at least -alpha / q_K for groups as for pictures, and the bets of `trust/audit.py` hold.

While pictures of a group have no answer, or more may come, it counts as whatever speaks least against the promise.
"""

import numpy as np
from numpy.typing import NDArray

from skysort.trust.audit import Arrivals, Flags, Verdict


def as_groups(pictures: Arrivals, groups: NDArray[np.int64], has_ended: Flags) -> Arrivals:
    """Return groups as arrivals, in the order of their first pictures.

    Args:
        pictures: in their order. Draw and rates are those of their groups.
        groups: (N,) number of each picture's group, from 0, in the order of first pictures.
        has_ended: (G,) whether no more pictures can come.
    """
    _, first = np.unique(groups, return_index=True)

    def any_of(is_so: Flags) -> Flags:
        reached = np.zeros(len(first), bool)
        reached[groups[is_so]] = True
        return reached

    is_aside, is_clear = pictures.is_aside, pictures.answers >= Verdict.OTHER
    is_protected = pictures.answers == Verdict.PROTECTED
    has_lost, has_saved = any_of(is_protected & is_aside), any_of(is_protected & ~is_aside)
    open_aside, open_keep = any_of(~is_clear & is_aside) | ~has_ended, any_of(~is_clear & ~is_aside) | ~has_ended
    is_lost = has_lost & has_ended
    is_saved = has_saved & ~has_lost & ~open_aside
    is_known = is_lost | is_saved | ~(open_aside | open_keep)
    answers = np.where(any_of(pictures.answers == Verdict.NONE) | ~has_ended, Verdict.NONE, Verdict.CANNOT_TELL)
    answers[is_known] = Verdict.OTHER
    answers[is_lost | is_saved] = Verdict.PROTECTED
    rate, rate_aside = np.zeros(len(first)), np.ones(len(first))
    np.maximum.at(rate, groups, pictures.rate)
    np.minimum.at(rate_aside, groups, pictures.rate_aside)  # less than that of others if the decision was stale
    is_drawn = pictures.is_drawn[first]
    return Arrivals(
        is_lost | (~has_saved & ~any_of(~is_aside)),
        is_drawn,
        answers.astype(np.int8),
        rate_aside,
        pictures.rate_keep[first],
        rate,
        is_drawn & ~is_known & (open_aside | has_lost),
        is_drawn & ~is_known & (open_keep | has_saved),
    )
