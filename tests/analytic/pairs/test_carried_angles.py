"""Angles of listed pairs, carried by 1 - |c|, against many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from analytic.expectations import Angle, NormGap
from analytic.pairs.bent_angles import bend
from analytic.pairs.carried_angles import Carried, UnitNorms, enter, enter_inputs
from analytic.pairs.nearly_parallel import _affine  # pyright: ignore[reportPrivateUsage]

PAIRS = np.arange(40)


def _inputs(features: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of both signs at distances from 1 to 1e-9, of unequal norms."""
    x = rng.standard_normal((PAIRS.size, features)) * 10 ** rng.uniform(-3, 3, (PAIRS.size, 1))
    y = x * (1 + 10 ** rng.uniform(-9, 0, (PAIRS.size, 1)) * rng.standard_normal(x.shape))
    return x, y * rng.choice([-1, 1], (PAIRS.size, 1)) * rng.uniform(0.3, 3, (PAIRS.size, 1))


def _carried(x: np.ndarray, y: np.ndarray) -> Carried:
    o, size = Carried.new(PAIRS.size), np.linalg.norm(np.concatenate([x, y]), axis=1)
    enter_inputs(x, y, 1 / size, PAIRS, PAIRS, PAIRS.size, o)
    return o


def _turning(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ones_like(r), np.zeros_like(r)


@pytest.mark.parametrize("features", [1, 2, 7, 8, 30])
def test_pre_activations_of_inputs(features: int, rng: np.random.Generator) -> None:
    x, y = _inputs(features, rng)
    weight, bias = 1.7, 0.3
    o, both = _carried(x, y), np.concatenate([x, y])
    r = np.sqrt(np.mean(both**2, axis=1))
    one = np.ones_like(r)
    a = UnitNorms.of(weight, r, np.sqrt(weight * r**2 + bias), one, one, _turning(r))
    enter(a, PAIRS, PAIRS + PAIRS.size, (weight, bias, 1.0, bias), 0.0, o)
    for p in PAIRS:
        with mpmath.workdps(50):
            one, other = ([mpmath.mpf(v) for v in row] for row in (x[p], y[p]))
            aa, ab, bb = (
                weight * mpmath.fdot(u, v) / features + bias
                for u, v in ((one, one), (one, other), (other, other))
            )
            rho = ab / mpmath.sqrt(aa * bb)
            assert (rho >= 0) == (o.turn[p] > 0)
            assert abs(o.small[p] - (1 - abs(rho))) <= o.off[p]
            assert o.off[p] <= 1e-14 * mpmath.sqrt(o.small[p]) + 1e-30


@pytest.mark.parametrize("line", [0.0, 0.3, 0.5, 1.0])
def test_bent_lines(line: float, rng: np.random.Generator) -> None:
    """Cho and Saul (2009), at errors of the angle from none to its size."""
    o = Carried.new(PAIRS.size)
    o.turn[:] = rng.choice([-1.0, 1.0], PAIRS.size)
    o.small[:] = np.append(10 ** rng.uniform(-20, 0, PAIRS.size - 2), [0.0, 1.0])
    o.off[:] = rng.choice([0.0, 1e-9, 1e-3, 1.0, 2.0], PAIRS.size) * o.small
    bend(line, 1 - line, o)
    for p in PAIRS:
        for moved in (0.0, -1.0, 1.0):
            with mpmath.workdps(50):
                small = max(mpmath.mpf(o.small[p]) + moved * mpmath.mpf(o.off[p]), mpmath.mpf(0))
                rho = (1 - small) * int(o.turn[p])
                bow = 2 / mpmath.pi * (mpmath.sqrt(1 - rho**2) + rho * mpmath.asin(rho))
                share = 1 - mpmath.mpf(line)
                c = line * rho + share * bow
                d = line + share * 2 / mpmath.pi * mpmath.asin(rho)
                found = 1 - int(o.sign[p]) * c
                assert abs(o.near[p] - found) <= o.wrong[p] + 1e-40
                assert abs(o.d[p] - d) <= o.bent[p]


@pytest.mark.parametrize("bias", [0.0, 0.3, 10.0])
def test_errors_of_norms_turn_pre_activations(bias: float, rng: np.random.Generator) -> None:
    """Beside a bias; both ways of pairs say by how much, the largest change is half of it."""
    x, y = _inputs(5, rng)
    both, weight, e, largest = np.concatenate([x, y]), 1.7, 1e-7, 0.0
    r, j = np.sqrt(np.mean(both**2, axis=1)), PAIRS + PAIRS.size

    def entered(r: np.ndarray, own: float) -> Carried:
        o = _carried(x, y)
        o.wrong[:] = 0.0
        s = np.sqrt(weight * r**2 + bias)
        one = np.ones_like(r)
        a = UnitNorms.of(weight, r, s, one, one, _turning(r))
        enter(a, PAIRS, j, (weight, bias, 1.0, bias), own, o)
        return o

    o, s = _carried(x, y), np.sqrt(weight * r**2 + bias)
    minus = np.where(o.sign > 0, o.near, 2 - o.near)
    angle = Angle.of(minus, 2 - minus, np.zeros(PAIRS.size))
    sides = r[PAIRS], r[j], s[PAIRS], s[j]
    gap = NormGap(r[PAIRS] - r[j], np.zeros(PAIRS.size))
    other, given = _affine(angle, *sides, weight, bias, gap, 2 * e), entered(r, 2 * e)
    for first in (-e, e):
        for second in (-e, e):
            turned = entered(r * np.repeat([1 + first, 1 + second], PAIRS.size), 0.0)
            moved = np.abs(turned.turn * (1 - turned.small) - given.turn * (1 - given.small))
            for error in (given.off, other.error):
                assert (moved <= 1.01 * error + 1e-15).all()
            largest = max(largest, float(np.max(moved / (other.error + 1e-15))))
    assert (largest > 0.5) == (bias > 0)
