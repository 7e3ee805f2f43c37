r"""Piecewise constant activations (sign, step, quantised ones): Plackett's identity for values.

With jumps beta_i at x_i, A_i = x_i/s, B_j = x_j/s' and rho = cos(theta), the derivative is a sum
of point masses, so that (Plackett 1954)

    dE/d rho = sum_ij beta_i beta_j phi_2(A_i, B_j; rho),
    E(theta) = E(0) - sum_ij beta_i beta_j/(2 pi) int_0^theta exp(-Q_ij(t)) dt,

the integrals of ``plackett``. With one jump at 0 the integrand is 1: E = a^2 + b^2 (1 - 2 theta/pi)
for a + b sign(x). At theta = 0 a squared difference is a sum over the pieces of both units.
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from analytic.activation import Activation
from analytic.expectations.plackett import Ramps, kink_integrals
from analytic.expectations.polylines import gauss_panels
from analytic.machine import UNIT, Array
from analytic.proofs import branch, kinks

__all__ = ["Staircase", "staircase"]

REACH = 12
"""Where the normal law is cut, an even number."""
ORDER = 16
"""Nodes of a panel of length 2 at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """A piecewise constant w.

    Attributes:
        places: x_i, increasing, shape (jumps,).
        values: on the pieces, shape (jumps + 1,).
    """

    places: Array
    values: Array

    @property
    def heights(self) -> Array:
        """beta_i."""
        return np.diff(self.values)

    @property
    def turned(self) -> Staircase:
        """w(-x)."""
        return Staircase(-self.places[::-1], self.values[::-1])

    @property
    def at_zero(self) -> bool:
        """Whether w jumps at 0 alone."""
        return self.places.tolist() == [0.0]

    def moments(self, s: Array) -> tuple[Array, ...]:
        """Those of w at s > 0, in the order of ``Moments``; w' is 0 but for its masses."""
        none, infinite = np.zeros(s.size), np.full(s.size, np.inf)
        scaled = self.places / np.where(s > 0, s, 1.0)[:, None]
        # sums of non-negative terms, each a probability beyond or below a jump
        below, above = ndtr(scaled), ndtr(-scaled)
        density = scaled * np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
        turns = density * np.diff(self.values**2)
        response = np.sum(turns, axis=1) / (2 * np.where(s > 0, s, 1.0) ** 2)
        middle = int(np.argmin(np.abs(self.places)))
        first, second = (_expected(f, below, above, middle) for f in (self.values, self.values**2))
        return first, second, none, infinite, infinite, response, none

    def minus(self, other: Staircase, s: Array, s_: Array, r: Array, r_: Array) -> Array:
        """E (w(s z)/r - v(s' z)/r')^2/2 of units of one direction, shape (pairs,)."""
        if self.at_zero:
            halves = [(w / r - v / r_) ** 2 for w, v in zip(self.values, other.values, strict=True)]
            return (halves[0] + halves[1]) / 4
        cuts = [p.places / a[:, None] for p, a in ((self, s), (other, s_))]
        fixed = np.broadcast_to(np.arange(-REACH, REACH + 1, 2.0), (s.size, REACH + 1))
        ends = np.sort(np.clip(np.concatenate([fixed, *cuts], axis=1), -REACH, REACH), axis=1)
        z, p = gauss_panels(ends, ORDER)
        p = p * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        middle = (ends[:, 1:] + ends[:, :-1]) / 2
        w, v = (
            line.values[np.searchsorted(line.places, a[:, None] * middle)] / b[:, None]
            for line, a, b in ((self, s, r), (other, s_, r_))
        )
        shares = p.reshape(*middle.shape, ORDER).sum(axis=2)
        return np.sum(shares * (w - v) ** 2, axis=1) / 2

    def fall(self, other: Staircase, s: Array, s_: Array, small: Array) -> tuple[Array, Array]:
        """E(0) - E(theta) at 1 - cos(theta) = small, and the sum of the sizes of its terms."""
        if self.at_zero:
            turn = 2 * np.arcsin(np.sqrt(small / 2)) / (2 * np.pi)
            return self.heights * other.heights * turn, np.abs(self.heights * other.heights) * turn
        one, two = (Ramps(line.places, line.heights) for line in (self, other))
        found, _, size = kink_integrals(one, two, s, s_, small)
        return found, size

    def distances(self, s: Array, s_: Array, r: Array, r_: Array, small: Array) -> Array:
        """(E (w(u)/r - w(v)/r')^2/2, its error) at correlation 1 - small, shape (2, pairs).

        Args:
            s: standard deviations of the first units, positive, (pairs,).
            s_: those of the second ones.
            r: the root of E w(u)^2.
            r_: that of E w(v)^2.
            small: 1 - rho, at most 1.
        """
        return self._distances(self, s, s_, r, r_, small)

    def sums(self, s: Array, s_: Array, r: Array, r_: Array, small: Array) -> Array:
        """(E (w(u)/r + w(v)/r')^2/2, its error) at correlation small - 1, the same."""
        other = self.turned
        return self._distances(Staircase(other.places, -other.values), s, s_, r, r_, small)

    def _distances(
        self, other: Staircase, s: Array, s_: Array, r: Array, r_: Array, small: Array
    ) -> Array:
        fall, size = self.fall(other, s, s_, small)
        # of one jump at 0 the norms are the same number, and no difference is left
        apart = self.minus(other, s, s_, r, r_)
        size, fall = size / (r * r_), fall / (r * r_)
        error = 64 * UNIT * (size + apart)
        if not self.at_zero:
            error = error + 16 * UNIT * np.sqrt(2 * apart) + 256 * UNIT**2
        return np.stack([np.maximum(apart + fall, 0.0), error])


def _expected(values: Array, below: Array, above: Array, middle: int) -> Array:
    """The mean of a piecewise constant function from P(z < A_i) and P(z > A_i).

    The two pieces beside the place ``middle`` go on to infinity first.
    """
    total = values[middle] * below[:, middle] + values[middle + 1] * above[:, middle]
    for i, step in enumerate(np.diff(values)):
        if i < middle:
            total -= step * below[:, i]
        elif i > middle:
            total += step * above[:, i]
    return total


@lru_cache(maxsize=256)
def staircase(activation: Activation) -> Staircase | None:
    """The activation as a staircase, or None if it is none.

    Example:
        >>> found = staircase(Activation("step(x - 1) - step(-x)"))
        >>> found.places.tolist(), found.values.tolist()
        ([0.0, 1.0], [-1.0, 0.0, 1.0])
    """
    found = kinks(activation.expression)
    if activation.jump is None or not found.complete:
        return None
    places = sorted(found.places, key=float)
    sides = [(places[0], -1), *((place, 1) for place in places)]
    pieces = [branch(activation.expression, place, side) for place, side in sides]
    if any(piece.free_symbols for piece in pieces):
        return None
    values = np.array([float(piece) for piece in pieces])
    kept = np.diff(values) != 0
    return Staircase(
        np.array([float(place) for place in places])[kept],
        np.append(values[:-1][kept], values[-1]),
    )
