"""Pairs whose rules of two dimensions converge like a power only, against panels."""

from __future__ import annotations

import numpy as np
from oracles.pieces import dual

from analytic.activation import Activation
from analytic.expectations import Angle
from analytic.expectations.product_rules import squared_differences

ROUGH = "Max(x, tanh(x))"
"""w''' jumps at 0, where x and tanh(x) touch, which is not isolated."""
CUTS = tuple(np.outer([-1, 1], [0.125, 0.375, 0.75, 1.5, 3.0, 6.0]).ravel().tolist())
"""Where panels end beside 0, so that they resolve tanh."""


def test_errors_that_fall_like_a_power(rng: np.random.Generator) -> None:
    w, seen = Activation(ROUGH), []
    for _ in range(30):
        s, s_ = np.exp(rng.uniform(0, 2.2, 2))
        small = 10 ** rng.uniform(-2, -0.7)
        r, r_ = (
            np.sqrt(dual(lambda x: w.derivatives(x, 0)[0], (0.0, *CUTS), a, a, 1.0))
            for a in (s, s_)
        )
        one = [np.array([a]) for a in (s, s_, small, 2 - small, 1 / r, 1 / r_)]
        angle = Angle(one[2], one[3], np.zeros(1))
        minus, _, d, error, error_d = squared_differences(w, one[0], one[1], angle, one[4], one[5])[
            :, 0
        ]
        e, e1 = (
            dual(lambda x, n=n: w.derivatives(x, n)[n], (0.0, *CUTS), s, s_, 1 - small)
            for n in (0, 1)
        )
        apart = 1 - e / (r * r_)
        assert abs(minus - apart) <= error + 1e-12
        assert abs(d - e1) <= error_d + 1e-12
        seen.append(abs(d - e1) / error_d)
    assert max(seen) > 0.02
