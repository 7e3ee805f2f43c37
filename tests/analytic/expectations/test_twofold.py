"""Sums of two numbers, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from analytic.compilation import compiled, fused
from analytic.expectations.quadrature import twofold_product, twofold_sum
from analytic.machine import UNIT


@compiled
def fused_of(a: float, b: float, c: float) -> float:
    return fused(a, b, c)


def exact(pair: tuple[float, float]) -> Fraction:
    return Fraction(pair[0]) + Fraction(pair[1])


def random_pairs(rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    high = rng.standard_normal(2) * 2.0 ** rng.integers(-40, 40, 2)
    low = high * rng.uniform(-UNIT / 2, UNIT / 2, 2)
    return (float(high[0]), float(low[0])), (float(high[1]), float(low[1]))


def test_fused_products_round_once(rng: np.random.Generator) -> None:
    for a, b, c in rng.standard_normal((200, 3)):
        assert fused_of(a, b, -a * b) == float(Fraction(a) * Fraction(b) - Fraction(a * b))
        assert fused_of(a, b, c) == float(Fraction(a) * Fraction(b) + Fraction(c))


@pytest.mark.parametrize("operation", ["sum", "product"])
def test_two_halves_keep_twice_the_digits(operation: str, rng: np.random.Generator) -> None:
    """Products lose the product of the low halves and three roundings of what is an ulp of them."""
    for _ in range(500):
        a, b = random_pairs(rng)
        if operation == "product":
            found, whole = twofold_product(*a, *b), exact(a) * exact(b)
            scale = abs(whole)
        else:
            found, whole = twofold_sum(*a, *b), exact(a) + exact(b)
            scale = abs(exact(a)) + abs(exact(b))
        assert abs(exact(found) - whole) <= 8 * Fraction(UNIT) ** 2 * scale
        assert found[0] == float(exact(found))
