"""Errors of variances behind layers that amplify them, at pairs whose correlation is 0."""

from __future__ import annotations

import mpmath
import numpy as np

from analytic import FullyConnected, Network, kernel_estimate
from analytic.machine import UNIT


def test_variances_before_abs_are_bounded_at_orthogonal_inputs() -> None:
    """E sinh(u)^2 = (exp(2 v) - 1)/2, E |u u'| = (2/pi) s s' where they are independent.

    Taken for errors of rho alone, which is 0 here, the variances had no bound: violated 7-fold.
    """
    rng, largest = np.random.default_rng(5), 0.0
    for _ in range(16):
        std = [float(rng.uniform(1.9, 2.3)), float(rng.uniform(0.015, 0.02)), 1.0]
        x = np.diag(rng.uniform(0.9, 1.1, 2)) * np.sqrt(2)
        names = "sinh(x)", "sinh(x)", "abs"
        layers = (FullyConnected(w, weight_std=a) for w, a in zip(names, std, strict=True))
        found = kernel_estimate(Network(*layers), x, kind="nngp")
        with mpmath.workdps(60):
            v = [mpmath.mpf(float(a)) ** 2 / 2 for a in np.diag(x)]
            for a in std[:2]:
                v = [mpmath.expm1(2 * mpmath.mpf(a) ** 2 * one) / 2 for one in v]
            exact = 2 / mpmath.pi * mpmath.sqrt(v[0] * v[1])
            error = float(abs(mpmath.mpf(float(found.value[0, 1])) - exact) / exact)
        assert found.certified
        assert error <= found.error[0, 1] / float(exact)
        largest = max(largest, error)
    assert largest > 40 * UNIT  # what 16 roundings of E do not explain
