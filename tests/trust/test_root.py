"""The root of a function is where scipy finds it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from skysort.trust.root import root


@given(st.floats(-5, 5), st.sampled_from([1, -1]))
def test_it_is_where_scipy_finds_it(at: float, sign: int) -> None:
    def function(x: float) -> float:
        return float(sign * (np.expm1(x - at) + (x - at) ** 3))

    assert root(function, -6, 6) == pytest.approx(brentq(function, -6, 6), abs=1e-9)


@pytest.mark.parametrize(("offset", "end"), [(2.0, 0.0), (-2.0, 1.0), (0.0, 0.0), (-1.0, 1.0)])
def test_without_a_crossing_it_is_the_end_that_is_nearer_to_zero(offset: float, end: float) -> None:
    assert root(lambda x: x + offset, 0.0, 1.0) == pytest.approx(end, abs=1e-12)
