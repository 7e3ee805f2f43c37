"""What ``quadrant_moments`` asks of an activation of cubic pieces and of each of its inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytic.activation import Activation
from analytic.expectations.kink_places import MOST_PLACES, KinkPlaces
from analytic.expectations.polylines import polyline
from analytic.expectations.quadrant_moments import DEGREES_OF_JUMPS as MOST
from analytic.expectations.quadrant_moments import QUADRANTS
from analytic.expectations.splines import Spline, spline
from analytic.machine import Array

__all__ = ["KinkPowers", "kink_powers"]

POWERS = 4
"""The coefficients that have to do with a cubic."""
SPREAD = 8.0
"""Sums of the powers of 1 + a and 1 + b that multiply an error of the integrals."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KinkPowers(KinkPlaces):
    """An activation as a cubic and truncated powers that begin at its kinks.

    Attributes:
        jumps: of the m-th power at x_p and at -x_p, (MOST, 2, places).
        cubic: c_k, (POWERS,).
    """

    jumps: Array
    cubic: Array

    kind = QUADRANTS

    @property
    def numbers(self) -> Array:
        """What is asked of the activation."""
        degree = float(np.max(np.nonzero(self.jumps.any(axis=(1, 2)))[0]) + 1)
        products = [
            np.einsum("mkp,nkq->pqmn", self.jumps, other)
            for other in (self.jumps, self.jumps[:, ::-1])
        ]
        return np.concatenate([[self.sharp, degree], np.ravel(products)])

    def of_inputs(self, s: Array, r: Array, slope: Array) -> Array:
        """What is asked of each input, (asked, n)."""
        a, density, tail = self.seen(s)
        own = np.stack([s, *self._of_cubic(s), *self._of_powers(s, a, density, tail)])
        return self.with_places(own, s, r**2, slope, (a, density, tail))

    def _of_cubic(self, s: Array) -> Array:
        """Its mean, and E p'(s z) h_k(z) for k < 3, (POWERS, n)."""
        c0, c1, c2, c3 = self.cubic
        return np.stack(
            [c0 + c2 * s**2, c1 + 3 * c3 * s**2, 2 * c2 * s, math.sqrt(2) * 3 * c3 * s**2]
        )

    def _of_powers(self, s: Array, a: Array, density: Array, tail: Array) -> Array:
        """The same of the truncated powers: E G_m h_k = E G_(m - k)/sqrt(k!)."""
        means = _means(a, density, tail, -1.0)
        found = np.zeros((POWERS, s.size))
        for m, jumps in enumerate(self.jumps, 1):
            found[0] += s**m * (jumps.sum(axis=0) @ means[m])
            for k in range(1, POWERS):
                sided = jumps[0] + (-1.0) ** k * jumps[1]
                found[k] += s ** (m - 1) * (sided @ means[m - k]) / math.sqrt(math.factorial(k - 1))
        return found

    def sizes(self, s: Array) -> tuple[Array, Array]:
        """Of the terms of E and D at x = x', (n,) each."""
        a, density, tail = self.seen(s)
        means, pairs = _means(a, density, tail, 1.0), _sizes_of_pairs(a, density, tail)
        cubic, others = np.abs(self._of_cubic(s)), np.zeros((POWERS, s.size))
        e, d = np.zeros((2, s.size))
        for m, jumps in enumerate(np.abs(self.jumps).sum(axis=1), 1):
            others[0] += s**m * (jumps @ means[m])
            for k in range(1, POWERS):
                others[k] += s ** (m - 1) * (jumps @ means[m - k])
            e += s**m * (jumps @ np.sqrt(pairs[m, m]))
            d += s ** (m - 1) * (jumps @ np.sqrt(pairs[m - 1, m - 1]))
        straight = cubic * (cubic + 2 * others)
        slopes = straight[1:].sum(axis=0)
        return straight[0] + s**2 * slopes + e**2, slopes + d**2

    def spread(self, s: Array) -> tuple[Array, Array]:
        """What an error of the integrals, exp(-y/2) for small y, makes of E and D at x = x'."""
        a, *_ = self.seen(s)
        e, d = np.zeros((2, s.size))
        for m, jumps in enumerate(np.abs(self.jumps).sum(axis=1), 1):
            fallen = jumps @ (np.exp(-(a**2) / 10) * (1 + a) ** m)
            less = jumps @ (np.exp(-(a**2) / 10) * (1 + a) ** (m - 1))
            e, d = e + s**m * fallen, d + s ** (m - 1) * less
        return SPREAD * e**2, SPREAD * d**2


def _means(a: Array, density: Array, tail: Array, sign: float) -> dict[int, Array]:
    """E G_m(z; a) from m = -2 on, or, with the sign 1, the sizes of what is added up."""
    found = {-2: a * density, -1: density, 0: tail}
    for m in range(MOST):
        found[m + 1] = (found[m - 1] + sign * a * found[m]) / (m + 1)
    return found


def _sizes_of_pairs(a: Array, density: Array, tail: Array) -> dict[tuple[int, int], Array]:
    """What is added up for F_mn at b = a, all terms with one sign, (places, n) each."""
    found = {(-1, -1): density, (-1, 0): density, (0, 0): tail}
    for n in range(MOST):
        found[-1, n + 1] = (found[-1, n - 1] + a * found[-1, n]) / max(n, 1)
    for m in range(MOST + 1):
        for n in range(max(m, 1), MOST + 1):
            low = found[-1, n - 1] if m == 0 else found[m - 1, n - 1]
            before = found[min(m, n - 2), max(m, n - 2)]
            found[m, n] = (before + low + a * found[min(m, n - 1), max(m, n - 1)]) / n
    return found


def kink_powers(
    activation: Activation,
    s: Array,
    second: Array,
    slope: Array,
    allowed: float = 0.0,
    most: float = np.inf,
) -> KinkPowers | None:
    """The kinks of an activation of cubic pieces, or None if it is none; see ``kink_lines``."""
    line = None if polyline(activation) is not None else spline(activation)
    found = None if line is None or not line.is_cubic else _powers_of(line)
    if found is None or found.rank > MOST_PLACES:
        return None
    return found.fitted(s, second, slope, allowed, most)


def _powers_of(line: Spline) -> KinkPowers:
    """The cubic at 0, or left of it if there is a kink, and the jumps at the kinks."""
    places = np.unique(np.abs(line.ends[1:-1]))
    jumps = np.zeros((MOST, 2, places.size))
    signs = -((-1.0) ** np.arange(1, MOST + 1))
    for x, found in zip(line.ends[1:-1].tolist(), line.jumps.T, strict=True):
        place = np.searchsorted(places, abs(x))
        jumps[:, int(x < 0), place] = signs * found if x < 0 else found
    return KinkPowers(places=places, jumps=jumps, cubic=line.cubic_at_zero)
