r"""Piecewise linear activations (hardtanh, relu6, hardsigmoid, softshrink): Plackett's identity.

With jumps beta_i of w' at x_i, A_i = x_i/s, B_j = x_j/s' and rho = cos(theta), the second
derivatives are point masses, so that (Plackett 1954)

    dD/d rho = sum_ij beta_i beta_j phi_2(A_i, B_j; rho),    dE/d rho = s s' D,
    D(theta) = D(0) - sum_ij beta_i beta_j/(2 pi) int_0^theta exp(-Q_ij(t)) dt,
    E(0) - E(theta) = s s' [D(0) (1 - cos theta) - sum_ij beta_i beta_j/(2 pi)
                            int_0^theta (cos t - cos theta) exp(-Q_ij(t)) dt],
    Q_ij(t) = ((A_i - B_j)^2 + 4 A_i B_j sin(t/2)^2)/(2 sin(t)^2).

The integrals stand in ``plackett``, the values at theta = 0 in ``parallel_units``. For rho < 0 the
second unit is w(-v).
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.special import ndtr

from analytic.activation import Activation, X
from analytic.expectations.jumps_by_parts import jump_sums
from analytic.expectations.parallel_units import Lines, parallel
from analytic.expectations.plackett import Ramps, kink_integrals
from analytic.expectations.product_rules import Angle
from analytic.machine import UNIT, Array

__all__ = ["Polyline", "gauss_panels", "lost_in_coefficients", "polyline"]


def gauss_panels(ends: Array, order: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [ends_i, ends_(i+1)], (..., panels * order) each."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half = np.diff(ends, axis=-1)[..., None] / 2
    middle = (ends[..., 1:] + ends[..., :-1])[..., None] / 2
    shape = (*ends.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Polyline:
    """A continuous piecewise linear w.

    A piece is told from its end nearer to 0, which is a place as well: so small values are known to
    a relative error.

    Attributes:
        places: x_i, increasing, shape (kinks,), and 0.
        values: w(x_i).
        slopes: of the pieces, shape (kinks + 1,).
    """

    places: Array
    values: Array
    slopes: Array

    @property
    def jumps(self) -> Array:
        return np.diff(self.slopes)

    @property
    def turned(self) -> Polyline:
        """w(-x)."""
        return Polyline(-self.places[::-1], self.values[::-1], -self.slopes[::-1])

    def at(self, x: Array) -> tuple[Array, Array]:
        """w(x) and w'(x)."""
        start, slope = self._piece(x)
        return self.values[start] + slope * (x - self.places[start]), slope

    def _piece(self, x: Array) -> tuple[NDArray[np.intp], Array]:
        """The end nearer to 0 of the piece of each x, and its slope."""
        piece = np.zeros(np.shape(x), dtype=np.intp)
        for place in self.places.tolist():  # they are few
            piece += x > place
        start = np.where(x > 0, np.maximum(piece - 1, 0), np.minimum(piece, self.places.size - 1))
        return start, self.slopes[piece]

    def _at_nodes(self, x: Array) -> tuple[Array, Array]:
        """The same at the nodes of a rule, NODES between two places, (n, nodes)."""
        panels = x.reshape(len(x), -1, NODES)
        start, slope = self._piece(panels[:, :, NODES // 2])
        values, places = self.values[start][..., None], self.places[start][..., None]
        w = values + slope[..., None] * (panels - places)
        return w.reshape(x.shape), np.repeat(slope, NODES, axis=1)

    def _cuts(self, *ends: Array) -> Array:
        """Sorted ends of smooth pieces of the line, shape (n, ends)."""
        fixed = np.broadcast_to(np.arange(-REACH, REACH + 1, 2.0), (len(ends[0]), REACH + 1))
        return np.sort(np.clip(np.concatenate([fixed, *ends], axis=1), -REACH, REACH), axis=1)

    def moments(self, s: Array) -> tuple[Array, ...]:
        """Those of w at s, in the order of ``Moments``."""
        scaled = np.maximum(s, TINY)[:, None]
        z, p = gauss_panels(self._cuts(self.places / scaled), NODES)
        p = p * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        w, w1 = self._at_nodes(s[:, None] * z)
        weighted, by_parts = p * w, p * (z**2 - 1) / (2 * scaled**2)
        mean, second = weighted.sum(axis=1), np.einsum("nq,nq->n", weighted, w)
        slope = np.einsum("nq,nq->n", p, w1**2)
        none = np.full(s.size, np.inf)
        responses = (np.einsum("nq,nq->n", by_parts, f**2) for f in (w, w1))
        return (mean, second, slope, none, none, *responses)

    def coefficients(self, s: Array, terms: int) -> tuple[Array, Array]:
        """b_k, shape (terms, n), and the share of the rest.

        c_k = sum_i beta_i h_(k - 1)(A_i) phi(A_i)/sqrt(k) by parts.
        """
        a = self.places / np.maximum(s, TINY)[:, None]
        slope = self._square_of_slopes(a)
        c = jump_sums(a.T, self.jumps[None], s, terms)
        # E w' from the slope at 0 outwards: where that is 0, nothing cancels
        right = self.places > 0
        inner = self.slopes[int(np.count_nonzero(~right))]
        c[0] = inner + ndtr(-np.abs(a)) @ np.where(right, self.jumps, -self.jumps)
        squares = np.einsum("kn,kn->n", c, c)
        rest = np.maximum(1 - squares / np.where(slope > 0, slope, np.inf), 0)
        return c / np.sqrt(np.arange(1.0, terms + 1))[:, None], rest + 16 * UNIT

    def _square_of_slopes(self, a: Array) -> Array:
        """E w'^2 from the places in units of s, (n, places): no tail is lost beside 1."""
        none = np.full((len(a), 1), np.inf)
        ends = np.concatenate([-none, a, none], axis=1)
        below, above = (np.asarray(ndtr(sign * ends), dtype=np.float64) for sign in (1, -1))
        right = np.maximum(above[:, :-1] - above[:, 1:], 0)
        left = np.maximum(below[:, 1:] - below[:, :-1], 0)
        return np.where(ends[:, :-1] >= 0, right, left) @ self.slopes**2

    def distances(self, s: Array, s_: Array, r: Array, r_: Array, angle: Angle) -> Array:
        """The numbers of ``analytic.expectations.close_pairs.Distances``, (5, pairs).

        But for the error of d, which is absolute here.

        Args:
            s: standard deviations of the first units, positive, (pairs,).
            s_: those of the second ones.
            r: the root of E w(u)^2.
            r_: that of E w(v)^2.
            angle: the correlation of u and v.
        """
        flip = angle.plus < angle.minus
        result = np.empty((5, s.size))
        for turned in (False, True):
            part = np.flatnonzero(flip == turned)
            if part.size:
                other = self.turned if turned else self
                pairs = (s[part], s_[part], 1 / r[part], 1 / r_[part], angle.small[part])
                result[:, part] = self._distances(other, *pairs)
                result[2, part] *= -1 if turned else 1
        return result

    def _distances(
        self, other: Polyline, s: Array, s_: Array, unit: Array, unit_: Array, small: Array
    ) -> Array:
        """For u and a second unit ``other`` whose pre-activation has correlation 1 - small."""
        line, line_ = (Lines(p.places, p.values, p.slopes) for p in (self, other))
        apart, top, sign = parallel(line, line_, s, s_, unit, unit_)
        kinks, kinks_ = (
            Ramps(p.places[p.jumps != 0], p.jumps[p.jumps != 0]) for p in (self, other)
        )
        once, bent, size = kink_integrals(kinks, kinks_, s, s_, small)
        steep = s * s_ * unit * unit_
        near: Array = np.maximum(apart + sign * steep * (top * small - bent), 0)
        minus: Array = np.where(sign > 0, near, 2 - near)
        plus: Array = np.where(sign > 0, 2 - near, near)
        error = 8 * UNIT * np.sqrt(2 * apart) + 64 * UNIT * (UNIT + apart)
        error += 64 * UNIT * steep * (np.abs(top) + size) * small
        error_d = 64 * UNIT * (np.abs(top) + size)
        return np.stack([minus, plus, top - once, error, error_d])


REACH = 12
"""Where the normal law is cut, an even number."""
NODES = 16
"""Nodes of a panel of length 2 at most: squares of lines times the normal law, to rounding."""
TINY = 1e-150
"""Stands for smaller deviations where one divides, also by the square."""


@lru_cache(maxsize=256)
def polyline(activation: Activation) -> Polyline | None:
    """The activation as a polyline, or None if it is none or has a formula of its own.

    Example:
        >>> found = polyline(Activation("max(min(x, 1), -1)"))
        >>> found.places.tolist(), found.slopes.tolist()
        ([-1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0])
    """
    if activation.bent_line is not None or not activation.expression.atoms(*_SWITCHES):
        return None
    places = _places(activation.expression)
    if not places:
        return None
    x = np.unique([0.0, *map(float, places)])
    middles = np.concatenate([[x[0] - 1], (x[1:] + x[:-1]) / 2, [x[-1] + 1]])
    slopes = activation.derivatives(middles, 1)[1].copy()
    bends = np.diff(slopes) != 0
    kept = bends | (x == 0)
    slopes = np.append(slopes[:-1][kept], slopes[-1])
    return Polyline(x[kept], activation(x[kept]), slopes) if bends.any() else None


def lost_in_coefficients(line: object, s: Array, second: Array, slope: Array) -> float:
    """Errors of the coefficients of a polyline and of w', relative to the roots; the largest.

    Far beyond the kinks sums over these cancel. A step at A deviations has at most the norm
    sqrt(P(z > |A|)).

    Args:
        line: w by pieces; other pieces lose nothing.
        s: deviations, (n,).
        second: E w^2 there.
        slope: E w'^2 there.
    """
    if not isinstance(line, Polyline):
        return 0.0
    beyond = ndtr(-np.abs(line.places / np.maximum(s, 1e-300)[:, None]))
    jumps = np.asarray(UNIT * np.sqrt(beyond) @ np.abs(line.jumps))
    parts = (s * jumps, np.sqrt(second)), (jumps, np.sqrt(slope))
    shares = [a / np.where(b > 0, b, np.inf) for a, b in parts]
    return float(np.max(shares, initial=0.0))


_SWITCHES = (sympy.Abs, sympy.Max, sympy.Min)


@lru_cache(maxsize=1024)
def _places(node: Any) -> Any:
    """Where a piecewise linear expression may bend; None if it is not piecewise linear."""
    if node == X or not node.free_symbols:
        return frozenset[Any]()
    if isinstance(node, sympy.Mul):
        factors = [factor for factor in node.args if factor.free_symbols]
        return _places(factors[0]) if len(factors) == 1 else None
    if not isinstance(node, sympy.Add | sympy.Abs | sympy.Max | sympy.Min):
        return None
    inner: list[Any] = [_places(part) for part in node.args]
    if any(places is None for places in inner):
        return None
    found: frozenset[Any] = frozenset[Any]().union(*inner)
    if isinstance(node, sympy.Add):
        return found
    switches = [node.args[0]] if isinstance(node, sympy.Abs) else _differences(node.args)
    for switch in switches:
        found |= _zeros(switch, found)
    return found


def _differences(parts: Any) -> list[Any]:
    return [a - b for n, a in enumerate(parts) for b in parts[:n]]


def _zeros(switch: Any, bends: frozenset[Any]) -> frozenset[Any]:
    """Where a piecewise linear expression with these bends (and its own) is 0."""
    ends: list[Any] = sorted(bends | _places(switch))
    points = [ends[0] - 1, *ends, ends[-1] + 1] if ends else [sympy.S.Zero, sympy.S.One]
    found: set[Any] = set()
    for left, right in pairwise(points):
        a, b = (sympy.nsimplify(switch.subs(X, end), rational=True) for end in (left, right))
        if a == b:
            continue
        zero = left - a * (right - left) / (b - a)
        below = left == points[0] or zero >= left
        above = right == points[-1] or zero <= right
        if below and above:
            found.add(zero)
    return frozenset(found)
