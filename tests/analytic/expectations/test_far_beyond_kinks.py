"""Pairs of cubic pieces whose deviations are far beyond their kinks, in 34 digits.

Given u the second unit is normal, and a polynomial's mean over a piece is a sum of its moments;
the sum over u has Gauss-Legendre panels that end at the kinks of both and beside them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network, kernel
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import spline

DIGITS, NODES = 34, 24
Pieces = list[tuple[Any, Any, list[Any]]]
CASES: dict[str, tuple[list[float], list[list[float]]]] = {
    "hardswish": ([-3, 3], [[0], [0, 1 / 2, 1 / 6], [0, 1]]),
    "relu6(x)**2": ([0, 6], [[0], [0, 0, 1], [36]]),
}
"""Kinks, and polynomials between them: coefficients of 1, x, x^2."""


def _pieces(name: str) -> Pieces:
    kinks, powers = CASES[name]
    exact = [[mp.mpf(round(6 * c)) / 6 for c in part] for part in powers]
    return [*zip([-mp.inf, *kinks], [*kinks, mp.inf], exact, strict=True)]


def _derivative(pieces: Pieces) -> Pieces:
    return [(a, b, [k * c[k] for k in range(1, len(c))] or [mp.mpf(0)]) for a, b, c in pieces]


def _value(pieces: Pieces, x: Any) -> Any:
    powers = next(c for _, b, c in pieces if x < b)
    return mp.polyval(powers[::-1], x)


def _conditional(pieces: Pieces, mean: Any, spread: Any) -> Any:
    """E w(mean + spread b)."""
    total = mp.mpf(0)
    for a, b, powers in pieces:
        ends = [(x - mean) / spread for x in (a, b)]
        turn = -1 if ends[0] > 0 else 1  # tails are small numbers, not differences from 1
        m0 = turn * (mp.ncdf(turn * ends[1]) - mp.ncdf(turn * ends[0]))
        density = [mp.npdf(x) for x in ends]
        times = [x * p if p else p for x, p in zip(ends, density, strict=True)]
        m1, m2 = density[0] - density[1], m0 + times[0] - times[1]
        c = [*powers, 0, 0][:3]
        total += (c[0] + mean * (c[1] + mean * c[2])) * m0
        total += spread * (c[1] + 2 * c[2] * mean) * m1 + spread**2 * c[2] * m2
    return total


def _outer(f: Any, cuts: list[Any]) -> Any:
    """E f(z) on panels."""
    ends = sorted({*map(mp.mpf, (-12, -6, -3, -1, 1, 3, 6, 12)), *(c for c in cuts if abs(c) < 12)})
    nodes = _nodes()
    total = mp.mpf(0)
    for a, b in pairwise(ends):
        half, middle = (b - a) / 2, (a + b) / 2
        points = [(middle + half * x, half * w) for x, w in nodes]
        total += sum(w * mp.npdf(z) * f(z) for z, w in points)
    return total


def _nodes() -> list[tuple[Any, Any]]:
    found = []
    for start in np.polynomial.legendre.leggauss(NODES)[0]:
        x = mp.findroot(lambda t: mp.legendre(NODES, t), mp.mpf(float(start)))
        slope = NODES * mp.legendre(NODES - 1, x) / (1 - x * x)
        found.append((x, 2 / ((1 - x * x) * slope**2)))
    return found


def _dual(pieces: Pieces, s: Any, s_: Any, rho: Any) -> Any:
    spread = s_ * mp.sqrt((1 - rho) * (1 + rho))
    kinks = [a for a, _, _ in pieces[1:]]
    cuts = [a / s for a in kinks]
    cuts += [(a + k * spread) / (s_ * rho) for a in kinks for k in (-9, -6, -4, -2, -1, 0)]
    cuts += [(a + k * spread) / (s_ * rho) for a in kinks for k in (1, 2, 4, 6, 9)]
    return _outer(
        lambda z: _value(pieces, s * z) * _conditional(pieces, s_ * rho * z, spread), cuts
    )


def _square(pieces: Pieces, s: Any) -> Any:
    return _outer(lambda z: _value(pieces, s * z) ** 2, [a / s for a, _, _ in pieces[1:]])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("s", "s_", "small", "side"),
    [(1400.0, 1401.0, 1e-7, 1), (1e3, 3e3, 0.3, 1), (1e8, 9e7, 1e-3, 1), (1e3, 1e3, 0.5, -1)],
)
def test_pairs_far_beyond_the_kinks(
    name: str, s: float, s_: float, small: float, side: int
) -> None:
    """Between two kinks a polynomial is a difference of huge moments: nodes see what it is."""
    w, found_s = spline(Activation(name)), [np.array([value]) for value in (s, s_)]
    assert w is not None
    r = [np.sqrt(w.moments(value)[1]) for value in found_s]
    minus = np.array([small if side > 0 else 2 - small])
    angle = Angle(minus, 2 - minus, np.zeros(1))
    (one_s, other_s), (one_r, other_r) = found_s, r
    found = spline_distances(w, one_s, other_s, one_r, other_r, angle)[:, 0]
    with mp.workdps(DIGITS):
        pieces, one, other = _pieces(name), mp.mpf(s), mp.mpf(s_)
        slopes, rho = _derivative(pieces), side * (1 - mp.mpf(small))
        norms = [_square(part, x) for part in (pieces, slopes) for x in (one, other)]
        cosine = _dual(pieces, one, other, rho) / mp.sqrt(norms[0] * norms[1])
        turned = _dual(slopes, one, other, rho)
        near, steep = min(1 - cosine, 1 + cosine), mp.sqrt(norms[2] * norms[3])
    assert abs(min(found[0], found[1]) - near) <= found[3]
    assert abs(found[2] - turned) <= found[4] * steep


@pytest.mark.parametrize("kind", ["months", "coordinates"])
def test_hardswish_of_inputs_as_they_come(kind: str) -> None:
    """Three layers: bounds of 1e-6 when pieces were summed by moments alone."""
    k, rng = np.arange(16), np.random.default_rng(0)
    months = np.column_stack([2000 + k // 12, k % 12]).astype(np.float64)
    coordinates = np.array([45.0, -120.0]) + 0.1 * rng.standard_normal((12, 2))
    x = months if kind == "months" else coordinates
    layers = [FullyConnected("hardswish")] * 3
    found, lines = (
        kernel(Network(*network), x) for network in (layers, [FullyConnected("relu")] * 3)
    )
    # within its kinks hardswish is 1.1 off the relu at most: at 1e2 and more a share of a hundredth
    assert np.all(np.abs(found / lines - 1) < 0.05)
