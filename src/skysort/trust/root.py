"""The root of a function of one number. `scipy.optimize` has faster ways, but takes half a second to import."""

from collections.abc import Callable

WIDEST = 1e-12
"""Width of the interval around a root at which the search ends."""


def root(function: Callable[[float], float], low: float, high: float, widest: float = WIDEST) -> float:
    """Return where a monotonous function crosses zero, by bisection; the nearer end if it does not cross it.

    Args:
        function: rises or falls from `low` to `high`.
        low: lower end of the search.
        high: upper end of the search.
        widest: width of the interval around the root at which the search ends.

    >>> round(root(lambda x: x * x - 2, 0, 2), 9)
    1.414213562
    """
    at_low, at_high = function(low), function(high)
    rises = at_high > 0
    if (at_low > 0) == rises:
        return low if abs(at_low) < abs(at_high) else high
    middle = (low + high) / 2
    while high - low > widest and low < middle < high:  # neighbouring numbers have none between them
        if (function(middle) > 0) == rises:
            high = middle
        else:
            low = middle
        middle = (low + high) / 2
    return middle
