"""The arcsine of the compiled code keeps the roundings that the bounds grant it."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic.compilation import compiled
from analytic.expectations import arcsine
from analytic.expectations.inverse_sine import HALF_PI, HALF_PI_LOW
from analytic.machine import UNIT

GRANTED = 3.5
"""Roundings, as the docstring counts; ``ARC_COSINE`` and ``ARC_SINE`` grant 4 and 5."""


@compiled
def _arcsines(z: Any, found: Any) -> None:
    for i in range(z.size):
        found[i] = arcsine(z[i])


PLACES = {
    "anywhere": lambda rng, n: rng.uniform(-1, 1, n),
    "near one": lambda rng, n: 1 - 10 ** rng.uniform(-17, 0, n),
    "small": lambda rng, n: 10 ** rng.uniform(-300, 0, n),
    "where the formulas meet": lambda rng, n: 0.5 + rng.uniform(-1e-9, 1e-3, n),
    "where the difference begins to round": lambda rng, n: rng.uniform(0.69, 0.72, n),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_arcsine_has_few_roundings(place: str, rng: np.random.Generator) -> None:
    z = np.clip(PLACES[place](rng, 100_000), -1.0, 1.0)
    found = np.empty_like(z)
    _arcsines(z, found)
    exact = np.arcsin(z.astype(np.longdouble))
    assert (np.abs(found - exact) <= GRANTED * UNIT * np.abs(exact)).all()


def test_half_pi_has_twice_the_digits() -> None:
    with mpmath.workdps(40):
        assert abs(mpmath.mpf(HALF_PI) + mpmath.mpf(HALF_PI_LOW) - mpmath.pi / 2) < 2**-105
