"""Coefficients of sin, cos and exp by their formula, against more digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import Activation
from analytic.expectations import coefficients
from analytic.expectations.waves import wave
from analytic.machine import UNIT


@pytest.mark.parametrize(("text", "s"), [
    ("sin(x)", 0.3), ("sin(x)", 15.7), ("cos(x)", 22.1), ("exp(x)", 9.3),
    ("sin(x/10) + cos(x/10)", 30.0),
])  # fmt: skip
def test_coefficients_keep_their_bound(text: str, s: float) -> None:
    """Exponents of 1,500 that cancel: their powers are wrong by as many roundings."""
    solved = wave(Activation(text))
    assert solved is not None
    terms = 40 + int(4 * solved.kappa * s**2)
    found = coefficients(Activation(text), np.array([s]), terms)
    with mpmath.workdps(40):
        exact = [_coefficient(text, s, k) for k in range(terms)]
        for weight, bound in ((0.5, found.noise.slope), (0.0, found.noise.value)):
            parts = [mpmath.mpf(k + 1) ** weight for k in range(terms)]
            gaps = [p * (b - e) for p, b, e in zip(parts, found.b[:, 0], exact, strict=True)]
            norm = mpmath.norm([p * e for p, e in zip(parts, exact, strict=True)])
            assert mpmath.norm(gaps) <= bound * norm
            assert bound < 40 * UNIT


def _coefficient(text: str, s: float, k: int) -> Any:
    """s^k/sqrt((k + 1)!) E w^(k + 1), the derivatives by those of exp(i kappa^(1/2) x)."""
    root = mpmath.mpf(1) / 10 if "10" in text else mpmath.mpf(1)
    if text == "exp(x)":
        mean = mpmath.exp(mpmath.mpf(s) ** 2 / 2)
    else:
        phase = mpmath.pi * (k + 1) / 2
        parts = {"sin": mpmath.sin(phase), "cos": mpmath.cos(phase)}
        mean = sum(part for name, part in parts.items() if name in text)
        mean *= root ** (k + 1) * mpmath.exp(-((root * mpmath.mpf(s)) ** 2) / 2)
    return mpmath.mpf(s) ** k / mpmath.sqrt(mpmath.factorial(k + 1)) * mean
