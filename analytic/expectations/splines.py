r"""Activations that are smooth between finitely many kinks, as piecewise polynomials.

On [x_k, x_(k+1)] the activation is a polynomial in (x - a_k)/h_k: of degree 3 at most where it is
one exactly (hardswish), else of degree ``DEGREE`` on pieces so short that it agrees with w to
rounding. Moments and coefficients at s are sums over Gauss-Legendre panels between the ends
of the pieces; pairs stand in ``spline_pairs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from analytic.activation import Activation, X
from analytic.expectations.cut_pieces import cut_between, is_steep
from analytic.expectations.jumps_by_parts import jump_sums
from analytic.expectations.polylines import Polyline, gauss_panels, polyline
from analytic.expectations.polynomial_pieces import DEGREE, EXACT
from analytic.expectations.staircases import Staircase, staircase
from analytic.machine import UNIT, Array
from analytic.proofs import kinks

__all__ = ["DEGREE", "EXACT", "Spline", "by_pieces", "spline"]

REACH = 12
"""Where the normal law is cut."""
BLOCK = 256
"""Deviations whose rules are taken together, which stay in cache: moments and coefficients ask for
the same ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Spline:
    """An activation by pieces.

    Attributes:
        activation: w.
        kinks: where w is not smooth, (kinks,).
        ends: of the pieces, (pieces + 1,), from -inf to inf.
        starts: a_k, (pieces,).
        lengths: h_k.
        powers: coefficients of the powers of (x - a_k)/h_k, (pieces, DEGREE + 1).
        error: of a value, relative to the largest |w| of its piece.
        error_d: of a slope, relative to the largest |w'|.
        far: how far the pieces are those of w, to the left and to the right; inf where they go on.
    """

    activation: Activation
    kinks: Array
    ends: Array
    starts: Array
    lengths: Array
    powers: Array
    error: float
    error_d: float
    far: tuple[float, float]

    @property
    def turned(self) -> Spline:
        """w(-x)."""
        return _turned(self)

    @property
    def is_cubic(self) -> bool:
        """Whether it is a polynomial of degree 3 at most between its kinks."""
        return not self.powers[:, EXACT + 1 :].any()

    def rule(self, s: Array, order: int) -> tuple[Array, Array]:
        """Nodes and weights of the normal law for every s, (n, nodes) each."""
        inner = self.ends[1:-1] / s[:, None]
        fixed = np.arange(-REACH, REACH + 1.0, 2.0 if self.is_cubic else 1.0)
        fixed = np.broadcast_to(fixed, (s.size, fixed.size))
        cuts = np.sort(np.clip(np.concatenate([fixed, inner], axis=1), -REACH, REACH), axis=1)
        z, p = gauss_panels(cuts, order)
        return z, p * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    def moments(self, s: Array) -> tuple[Array, ...]:
        """Those of w at s, in the order of ``Moments``."""
        mean, second, slope, *responses = _sums(self, s)[:5]
        none = np.full(s.size, np.inf)
        return (mean, second, slope, none, none, *responses)

    def at_nodes(self, x: Array, order: int) -> tuple[Array, Array]:
        """w and w' at the nodes of a rule, ``order`` between two ends of pieces, (n, nodes)."""
        if not self.is_cubic:
            w, w1 = self.activation.derivatives(x, 1)
            return w, w1
        panels = x.reshape(len(x), -1, order)
        middle, piece = panels[:, :, order // 2], np.zeros(panels.shape[:2], dtype=np.intp)
        for end in self.ends[1:-1].tolist():  # they are few
            piece += middle > end
        t = (panels - self.starts[piece][..., None]) / self.lengths[piece][..., None]
        powers = np.moveaxis(self.powers[:, : EXACT + 1][piece], 2, 0)[..., None]
        w, w1 = powers[EXACT], 0.0
        for power in powers[EXACT - 1 :: -1]:
            w, w1 = w * t + power, w1 * t + w
        return w.reshape(x.shape), (w1 / self.lengths[piece][..., None]).reshape(x.shape)

    def coefficients(self, s: Array, terms: int) -> tuple[Array, Array]:
        """b_k = E[w'(s z) h_k(z)]/sqrt(k + 1), shape (terms, n), and the share of the rest."""
        if terms > EXACT and self.is_cubic and s.max() <= NARROW:
            return self._by_parts(s, terms)
        c, rest = _by_rules(self, s.tobytes(), terms)
        return c.copy(), rest.copy()

    def _by_parts(self, s: Array, terms: int) -> tuple[Array, Array]:
        r"""The same of cubic pieces, by parts until nothing but their jumps is left.

        E f(sz) h_k = (s E f'(sz) h_(k-1) + sum_i (f(x_i + 0) - f(x_i - 0)) h_(k-1) phi)/sqrt k.
        """
        first, slope = _sums(self, s)[-2:]
        s = np.maximum(s, SMALLEST)
        c = jump_sums(self.ends[1:-1, None] / s, self.jumps, s, terms)
        c[:EXACT] = first
        squares = np.einsum("kn,kn->n", c, c)
        rest = np.maximum(1 - squares / np.where(slope > 0, slope, np.inf), 0)
        return c / np.sqrt(np.arange(1.0, terms + 1))[:, None], rest + 16 * UNIT

    @property
    def cubic_at_zero(self) -> Array:
        """Coefficients of the powers of x of the piece that ends or goes on at 0, (EXACT + 1,)."""
        piece = max(int(np.searchsorted(self.ends, 0.0)) - 1, 0)
        moved: Any = np.polynomial.Polynomial(self.powers[piece, : EXACT + 1])(
            np.polynomial.Polynomial([-self.starts[piece], 1.0]) / self.lengths[piece]
        )
        return np.pad(np.asarray(moved.coef), (0, EXACT + 1 - moved.coef.size))

    @property
    def jumps(self) -> Array:
        """Those of w', w'' and w''' at the inner ends, (3, ends)."""
        found = np.zeros((EXACT, self.ends.size - 2))
        for sign, piece in ((-1, slice(0, -1)), (1, slice(1, None))):
            t = (self.ends[1:-1] - self.starts[piece]) / self.lengths[piece]
            powers = self.powers[piece, : EXACT + 1].T
            for order in range(EXACT):
                powers = np.arange(1.0, len(powers))[:, None] * powers[1:] / self.lengths[piece]
                found[order] += sign * np.sum(powers * t ** np.arange(len(powers))[:, None], axis=0)
        return found


@lru_cache(maxsize=64)
def _turned(line: Spline) -> Spline:
    """w(-x), whose formula takes some time to read."""
    signs = (-1.0) ** np.arange(DEGREE + 1)
    w = Activation(line.activation.expression.subs(X, -X))
    return Spline(
        w, -line.kinks[::-1], -line.ends[::-1], -line.starts[::-1], line.lengths[::-1].copy(),
        line.powers[::-1] * signs, line.error, line.error_d, (line.far[1], line.far[0]),
    )  # fmt: skip


def _sums(line: Spline, s: Array) -> tuple[Array, ...]:
    """E w, E w^2, E w'^2, its responses, c_k for k < EXACT and E w'^2, by quadrature."""
    blocks = (s[start : start + BLOCK].tobytes() for start in range(0, s.size, BLOCK))
    parts = [_sums_of_block(line, block) for block in blocks]
    return tuple(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))


@lru_cache(maxsize=512)
def _sums_of_block(line: Spline, numbers: bytes) -> tuple[Array, ...]:
    s = np.maximum(np.frombuffer(numbers), SMALLEST)
    z, p = line.rule(s, 16)
    w, w1 = line.at_nodes(s[:, None] * z, 16)
    start, slope = line.activation.derivatives(np.zeros(1), 1)
    weighted, square = p * w1, z**2 - 1
    by_parts = p * square
    # E (z^2 - 1) is 0: without the values at 0 little cancels
    responses = [
        np.einsum("nq,nq->n", by_parts, f * f - f0 * f0) / (2 * s**2)
        for f, f0 in ((w, start), (w1, slope))
    ]
    sums = [np.einsum("nq,nq->n", *f) for f in ((p, w), (p * w, w), (weighted, w1))]
    first = [
        weighted.sum(axis=1),
        np.einsum("nq,nq->n", weighted, z),
        np.einsum("nq,nq->n", weighted, square) / np.sqrt(2),
    ]
    return (*sums, *responses, np.stack(first), sums[2])


@lru_cache(maxsize=16)
def _by_rules(line: Spline, numbers: bytes, terms: int) -> tuple[Array, Array]:
    """``coefficients`` by quadrature: a kernel asks for the same ones several times."""
    s = np.maximum(np.frombuffer(numbers), SMALLEST)
    c, rest = np.empty((terms, s.size)), np.empty(s.size)
    for first in range(0, s.size, 32):
        part = slice(first, first + 32)
        z, p = line.rule(s[part], 16)
        w1 = line.activation.derivatives(s[part][:, None] * z, 1)[1]
        older, old = np.zeros_like(z), p * w1
        for k in range(terms):
            c[k, part] = np.sum(old, axis=1)
            older, old = old, (z * old - np.sqrt(k) * older) / np.sqrt(k + 1)
        slope = np.sum(p * w1**2, axis=1)
        lacking = 1 - np.sum(c[:, part] ** 2, axis=0) / np.where(slope > 0, slope, np.inf)
        rest[part] = np.maximum(lacking, 0)
    return c / np.sqrt(np.arange(1.0, terms + 1))[:, None], rest + 16 * UNIT


NARROW = 2.0**6
"""The largest s at which jumps are summed: far beyond the kinks they cancel."""
SMALLEST = 2.0**-480
"""Smaller deviations are taken for this one, whose square is a number."""


def by_pieces(activation: Activation) -> Polyline | Spline | Staircase | None:
    """The activation by pieces, where it jumps, or has kinks and they are not all at 0.

    Raises:
        ValueError: it jumps, and grows too fast.
    """
    if activation.jump is not None:
        found = staircase(activation) or (None if is_steep(activation) else spline(activation))
        if found is None:
            raise ValueError(
                "expected an activation that grows like a power of x where it jumps, got"
                f" {activation.name}; damp it"
            )
        return found
    line = polyline(activation)
    if line is not None:
        return line
    places = kinks(activation.expression).places
    return spline(activation) if any(place != 0 for place in places) else None


@lru_cache(maxsize=64)
def spline(activation: Activation) -> Spline | None:
    """The activation by pieces, or None if its kinks are not known or it grows too fast.

    Example:
        >>> found = spline(Activation("hardswish"))
        >>> found.ends.tolist(), found.kinks.tolist()
        ([-inf, -3.0, 3.0, inf], [-3.0, 3.0])
    """
    found = kinks(activation.expression)
    if not found.complete or not found.places or None in activation.growth:
        return None
    places = sorted(found.places, key=float)
    cut = cut_between(activation, places)
    if cut is None:
        return None
    exact = all(np.all(piece.powers[EXACT + 1 :] == 0) for piece in cut.pieces)
    wrong = max(piece.off for piece in cut.pieces)
    return Spline(
        activation,
        np.array([float(place) for place in places]),
        np.array([*(piece.low for piece in cut.pieces), np.inf]),
        np.array([piece.start for piece in cut.pieces]),
        np.array([piece.length for piece in cut.pieces]),
        np.array([piece.powers for piece in cut.pieces]),
        max(64 * UNIT, 2 * wrong),
        max((2**6 if exact else 2**12) * UNIT, 2**7 * wrong),
        cut.far,
    )
