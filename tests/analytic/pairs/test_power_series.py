"""Sums of power series in lanes against exact ones, for every number of terms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from analytic.machine import LANES, UNIT
from analytic.pairs.power_series import series
from analytic.pairs.term_groups import choose_group, order_of

TERMS = 20


@pytest.mark.parametrize(
    "groups", [(group, other) for group in range(6) for other in (group, 0, 3)]
)
def test_series_and_slope(groups: tuple[int, int]) -> None:
    """4 (group + 1) terms, in fours and eights, at most those there are; the others do no harm."""
    rng = np.random.default_rng(groups)
    first, lane = 3, 8
    most = min(4 * (max(groups) + 1), TERMS)
    table = np.full((first + TERMS + 2, LANES + 16), np.nan)
    table[first : first + most] = rng.standard_normal((most, LANES + 16))
    coef = np.full((2, first + TERMS + 2), np.nan)
    counts = [min(4 * (group + 1), TERMS) for group in groups]
    for row, count in zip(coef, counts, strict=True):
        row[first : first + count] = rng.standard_normal(count)
    x = rng.uniform(0, 1, (2, LANES))
    value, slope = np.full((2, 2, LANES), np.nan)
    series(table, coef, first, TERMS, np.array(groups), lane, x, value, slope)
    for m, j in [(m, j) for m in range(2) for j in (0, 1, LANES - 1)]:
        y = Fraction(float(x[m, j]))
        terms = [
            Fraction(float(coef[m, first + k])) * Fraction(float(table[first + k, lane + j]))
            for k in range(counts[m])
        ]
        exact = sum(t * y**k for k, t in enumerate(terms))
        rate = sum(k * t * y ** (k - 1) for k, t in enumerate(terms) if k)
        size = float(sum(abs(t) for t in terms))
        assert abs(value[m, j] - exact) <= 2 * counts[m] * UNIT * size
        assert abs(slope[m, j] - rate) <= 2 * counts[m] ** 2 * UNIT * size


def test_no_terms() -> None:
    value, slope = np.ones((2, 1, LANES))
    group, x = np.array([3]), np.ones((1, LANES))
    series(np.ones((4, LANES)), np.ones((1, 4)), 0, 0, group, 0, x, value, slope)
    assert not value.any()
    assert not slope.any()


@pytest.mark.parametrize("place", [0, 5, LANES - 1])
def test_the_largest_decides_wherever_it_stands(place: int) -> None:
    """Tiny numbers and zeros are in order too."""
    x, rho = np.full(LANES, 5e-324), np.ones(LANES)
    x[1::2], x[place] = 0.0, 0.0625
    left = np.zeros(LANES, dtype=np.bool_)
    radius = np.array([0.2, 0.25, 0.5])
    assert choose_group(order_of(x.max()), x, rho, left, False, radius) == (1, 0.25, False)
    assert not left.any()
    radius = np.array([0.1, 0.2])
    assert choose_group(order_of(x.max()), x, rho, left, False, radius) == (
        0,
        np.sqrt(5e-324),
        True,
    )
    assert left[place]
    assert left.sum() == 1
    assert (x[place], rho[place]) == (0.0, 0.0)
    left[place - 1] = True  # pairs that are left out stay out
    x[place - 1] = 0.01
    assert choose_group(order_of(x.max()), x, rho, left, True, radius)[2]
    assert x[place - 1] == 0.0
