"""Angles of inputs and differences of norms, against 60 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from analytic.machine import UNIT
from analytic.pairs.input_angles import angle_of_inputs, gap_of_inputs, sine_less_cosine


@pytest.mark.parametrize("features", [2, 7, 300])
def test_angles_and_gaps_keep_their_bounds_however_near_the_inputs_are(features: int) -> None:
    rng = np.random.default_rng(features)
    x, aside = rng.standard_normal((2, 60, features))
    y = (x + 10.0 ** -rng.uniform(0, 17, (60, 1)) * aside) * rng.choice([1.0, -1.0, 3.7], (60, 1))
    angle, gap = angle_of_inputs(x, y), gap_of_inputs(x, y)
    for i in range(60):
        with mpmath.workdps(60):
            a, b = ([mpmath.mpf(float(v)) for v in row] for row in (x[i], y[i]))
            norms = [mpmath.sqrt(mpmath.fdot(v, v)) for v in (a, b)]
            cosine = mpmath.fdot(a, b) / (norms[0] * norms[1])
            minus, plus = 1 - cosine, 1 + cosine
            near = angle.minus[i] if minus < plus else angle.plus[i]
            assert abs(mpmath.mpf(near) - min(minus, plus)) <= angle.error[i]
            apart = (norms[0] - norms[1]) / mpmath.sqrt(features)
            assert abs(mpmath.mpf(gap.value[i]) - apart) <= gap.error[i]
            # sharp as well: the projection, rounded, leaves a rest of some units along x
            assert angle.error[i] <= 300 * UNIT * max(min(minus, plus), 16 * UNIT**2)


def test_parallel_and_equal_inputs_are_told_exactly() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5))
    whole = np.round(x * 2**20)  # whole numbers have exact multiples
    y = np.concatenate([x[:2] * [[1.0], [-4.0]], 3 * whole[2:3], -7 * whole[3:]])
    x[2:] = whole[2:]
    angle = angle_of_inputs(x, y)
    assert angle.error.tolist() == [0] * 4
    assert angle.minus.tolist() == [0, 2, 0, 2]
    assert angle_of_inputs(np.zeros((1, 3)), np.ones((1, 3))).cosine == [0]


def test_sine_less_cosine_keeps_its_digits() -> None:
    t = np.concatenate([10.0 ** np.linspace(-150, 0, 301), np.linspace(0.9, np.pi / 2, 40)])
    with mpmath.workdps(400):
        exact = [float(mpmath.sin(v) - v * mpmath.cos(v)) for v in map(mpmath.mpf, t)]
    # from 1 on three roundings of numbers that are at most 3 times the difference
    np.testing.assert_allclose(sine_less_cosine(t), exact, rtol=12 * UNIT)
