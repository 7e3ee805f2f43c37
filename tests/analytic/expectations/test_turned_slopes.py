"""How much E w'(u) w'(v) loses where w' jumps, against quadrature between the kinks."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import pieces

from analytic import Activation
from analytic.expectations import slope_change


@pytest.mark.parametrize("name", pieces.KINKS)
@pytest.mark.parametrize("s", [0.4, 2.0, 9.0])
def test_the_loss_is_bounded(name: str, s: float) -> None:
    w = Activation(name)
    e = np.array([1e-8, 1e-4, 0.1])
    given = np.array([[s] * 4, [s] * 4, [1.0, *(1 - e)]])
    _, d = pieces.duals(w, given)
    loss, bound = d[0] - d[1:], slope_change(w, np.full(3, s), e)
    assert (loss <= bound + 1e-14).all()
    if name == "selu":  # its kink is at 0, where places lie between u and v most often
        assert bound[0] < 4 * loss[0]


def test_nothing_is_said_where_the_second_derivative_grows() -> None:
    assert slope_change(Activation("abs(x)**3 + abs(x)"), np.ones(1), np.ones(1)) == np.inf
