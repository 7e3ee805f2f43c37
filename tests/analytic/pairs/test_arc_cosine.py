"""E and D of max(x, 0) near |rho| = 1, without fused products and sums, against more digits."""

from __future__ import annotations

import mpmath
import numpy as np

from analytic.machine import LANES, UNIT
from analytic.pairs.pair_recursion import _arccosine
from analytic.recursion import ARC_COSINE, new_tile


def test_the_root_keeps_its_digits_at_every_angle() -> None:
    """1 - rho^2 by its square would be wrong by 4e-12 of E at 1 - rho = 1e-10."""
    tile = new_tile(1)
    near = 2.0 ** -np.linspace(1, 50, LANES // 2)
    tile.rho[0] = np.concatenate([1 - near, near - 1])
    tile.theta[0] = 1.0
    row = tile.sigma[0], tile.theta[0], tile.rho[0]
    _arccosine.py_func(*row, 1.0, np.ones(LANES), 0.25, 0.25)
    for rho, e, d in zip(tile.rho[0], tile.sigma[0], tile.theta[0], strict=True):
        with mpmath.workdps(40):
            r = mpmath.mpf(float(rho))
            angle = mpmath.asin(r)
            exact_e = (r + 2 / mpmath.pi * (mpmath.sqrt(1 - r * r) + r * angle)) / 4
            exact_d = (1 + 2 / mpmath.pi * angle) / 4
        # E w^2 = E w'^2 = 1/2; rho is exact here, and so are the scales
        assert abs(e - exact_e) <= ARC_COSINE.e / 2
        assert abs(d - exact_d) <= ARC_COSINE.d / 2 + UNIT / 2  # of D Gamma
